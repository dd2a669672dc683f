//! Offers: ask for the cheapest, bring a price list.

use lepton_model::{Bytes, Cpu, Currency};
use reqwest::{Method, header};
use serde::Serialize;

use super::{Client, ClientError};
use crate::v1::{OfferImport, OfferList};

/// Which offers to list. What is absent asks nothing; lists are separated by commas and may hold `*` and `?`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OfferQuery {
    /// At least so many cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// At least so much memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// At least so many GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// Models of the GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_model: Option<String>,
    /// Clouds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Instance types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Architectures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Whether spot machines will do as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot: Option<bool>,
    /// The largest monthly share of interruptions of a spot machine, as a decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_interruption: Option<String>,
    /// The most an hour may cost, as a decimal in the currency of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<String>,
    /// Currency of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Client {
    /// The cheapest offers that will do.
    ///
    /// # Errors
    /// 422 when prices cannot be compared, because a currency has no exchange rate.
    pub async fn offers(&self, query: &OfferQuery) -> Result<OfferList, ClientError> {
        self.get("/v1/offers", query).await
    }

    /// Lays a price list (CSV) over the server's catalog; rows that name no source get `source`.
    ///
    /// # Errors
    /// 403 unless the caller administers the estate, 422 with line and column of what does not read.
    pub async fn import_offers(&self, table: Vec<u8>, source: &str) -> Result<OfferImport, ClientError> {
        let request = self.request(Method::POST, "/v1/offers")?.query(&[("source", source)]);
        let request = request.header(header::CONTENT_TYPE, "text/csv").body(table).timeout(self.timeout);
        self.answer(self.send(request).await?).await
    }
}
