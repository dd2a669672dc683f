//! `/v1/offers`: the cheapest machines that will do, and price lists in.

use axum::extract::{Request, State};
use http::StatusCode;
use lepton_api::v1::{OfferImport, OfferList, OfferRow};
use lepton_cloud::offers::{OfferQuery, Priced, TableError};
use lepton_model::{Bytes, Cpu, Currency, FieldErrors, Money};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::input::{Query, decoded, media_type, read_body};
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::Caller;
use crate::offers::ImportError;

/// Hours of a month, as clouds count them.
const MONTH_HOURS: u32 = 730;
/// Offers of an answer whose caller names no limit.
const LIMIT: u32 = 20;
/// Patterns of one list.
const PATTERNS: usize = 64;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OffersQuery {
    /// At least so many cores: `8`, `500m`.
    #[param(value_type = Option<String>)]
    cpu: Cpu,
    /// At least so much memory: `32Gi`.
    #[param(value_type = Option<String>)]
    memory: Bytes,
    /// At least so many GPUs.
    #[param(required = false, minimum = 0, maximum = 4294967295_u64, value_type = u64)]
    gpus: u32,
    /// Models of the GPUs, separated by commas; `*` and `?` stand for any text and any letter, here and below.
    gpu_model: Option<String>,
    /// Clouds: `aliyun,aws`.
    cloud: Option<String>,
    /// Regions: `cn-*`.
    region: Option<String>,
    /// Instance types: `ecs.g7.*`.
    instance_type: Option<String>,
    /// Architectures: `x86_64`, `arm64`.
    arch: Option<String>,
    /// Spot machines as well.
    #[param(required = false)]
    spot: bool,
    /// Only spot machines of which at most this share was taken back within a month: `0.05`.
    #[param(value_type = Option<String>)]
    max_interruption: Option<Decimal>,
    /// The most an hour may cost, in the currency of the answer.
    #[param(value_type = Option<String>)]
    max_price: Option<Decimal>,
    /// Currency of the answer; the server's base currency when absent.
    currency: Option<Currency>,
    /// At most so many; 20 when absent, never more than 10,000.
    #[param(minimum = 0, maximum = 4294967295_u64, value_type = Option<u64>)]
    limit: Option<u32>,
}

/// Lists what can be rented, cheapest first, in one currency. Prices are those of a day, as imported; whether a machine is in
/// stock only its cloud can say.
#[utoipa::path(
    get, path = "/v1/offers", operation_id = "offers", tag = "offers", params(OffersQuery),
    responses((status = 200, description = "The cheapest offers that will do", body = OfferList)),
)]
pub(crate) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(query): Query<OffersQuery>,
) -> Answer<OfferList> {
    caller.may_read()?;
    let query = asked(query)?;
    let found = app
        .offers
        .catalog()
        .query(&query, &app.config.exchange)
        .map_err(|error| Fail::field("currency", error))?;
    let row = |Priced { offer, price }: Priced| {
        let month = price.amount.saturating_mul(MONTH_HOURS.into()).round_dp(2);
        OfferRow { offer, price, price_month: Money::new(month, price.currency) }
    };
    Ok(axum::Json(OfferList {
        items: found.offers.into_iter().map(row).collect(),
        matched: found.matched as u64,
        currency: found.currency,
        rates: found.rates.into_iter().collect(),
        oldest: found.as_of.map(|(oldest, _)| oldest),
        newest: found.as_of.map(|(_, newest)| newest),
    }))
}

fn asked(query: OffersQuery) -> Result<OfferQuery, Fail> {
    let mut errors = FieldErrors::new();
    let mut list = |field: &str, text: Option<String>| {
        let text = text.unwrap_or_default();
        let patterns: Vec<String> =
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        errors.require(patterns.len() <= PATTERNS, field, format!("at most {PATTERNS} patterns"));
        errors.require(text.len() <= 4_096, field, "at most 4096 characters");
        patterns
    };
    let asked = OfferQuery {
        cpu: query.cpu,
        memory: query.memory,
        gpus: query.gpus,
        gpu_models: list("gpu_model", query.gpu_model),
        clouds: list("cloud", query.cloud),
        regions: list("region", query.region),
        instance_types: list("instance_type", query.instance_type),
        archs: list("arch", query.arch),
        spot: query.spot,
        max_interruption: query.max_interruption,
        max_price: query.max_price,
        currency: query.currency,
        limit: query.limit.unwrap_or(LIMIT) as usize,
    };
    errors.into_result()?;
    Ok(asked)
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// The source of rows that name none; `imported` when absent.
    source: Option<String>,
}

/// Lays a price list over the catalog, all or nothing: an offer for the same cloud, region, zone, instance type and market
/// takes the place of the one before. Columns: `cloud, region, zone, instance_type, arch, vcpu, memory_gib, gpu_count,
/// gpu_model, on_demand_hour, spot_hour, spot_interruption, currency, as_of, source`, in any order.
#[utoipa::path(
    post, path = "/v1/offers", operation_id = "import_offers", tag = "offers", params(ImportQuery),
    request_body(content_type = "text/csv", description = "The first line names the columns"),
    responses((status = 201, description = "On disk, and in the catalog", body = OfferImport)),
)]
pub(crate) async fn import(
    caller: Caller,
    State(app): State<App>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<(StatusCode, axum::Json<OfferImport>), Fail> {
    caller.may_administer()?;
    let source = query.source.unwrap_or_else(|| "imported".to_owned());
    if source.is_empty() || source.len() > 128 || source.chars().any(char::is_control) {
        return Err(Fail::field("source", "must be 1 to 128 bytes of printable text"));
    }
    let headers = request.headers().clone();
    if media_type(&headers).as_deref() != Some("text/csv") {
        return Err(Fail::media_type("text/csv"));
    }
    let limit = app.config.limits.offers_body.get();
    let body = decoded(&headers, read_body(request, limit).await?, limit)?;
    let by = caller.name.clone();
    let work = {
        let app = app.clone();
        move || app.offers.import(&body, &source)
    };
    let (added, total) = crate::tasks::blocking(work).await.map_err(Fail::internal)?.map_err(refused)?;
    tracing::info!(%by, added.new, added.replaced, total, "offers imported");
    let import = OfferImport { new: added.new as u64, replaced: added.replaced as u64, total: total as u64 };
    Ok((StatusCode::CREATED, axum::Json(import)))
}

fn refused(error: ImportError) -> Fail {
    match error {
        ImportError::Table(TableError::Rows(rows)) => {
            let mut errors = FieldErrors::new();
            for row in rows {
                let place = match row.column {
                    "" => format!("line {}", row.line),
                    column => format!("line {}, {column}", row.line),
                };
                errors.push(place, row.problem);
            }
            Fail::invalid(errors)
        }
        ImportError::Table(error) => Fail::field("body", error),
        ImportError::File(_) => Fail::internal(error),
    }
}
