//! `lepton offers`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lepton_api::OfferQuery;
use lepton_api::v1::{OfferList, OfferRow};
use lepton_model::{Bytes, Cpu, Currency, Market};

use crate::args::Show;
use crate::command::Desk;
use crate::failure::Failure;
use crate::screen::{Format, Table};

/// Longest price list that is sent.
const MAX_TABLE: u64 = 128 << 20;

/// Find the cheapest machine that will do, on any cloud, in one currency
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Prices are facts of a day (AS OF), from the source named. What Lepton ships is a small first look; bring your own list with
`lepton offers import`. Exchange rates come from the server's configuration, each with its day.
Patterns may hold * and ?, several are separated by commas.

Examples:
  lepton offers --cpu 8 --memory 32Gi --cloud aliyun,aws --region 'cn-*,us-*'
  lepton offers --cpu 4 --spot --currency CNY --limit 5
  lepton offers --gpus 1 --gpu-model 'A10*,L4' -o json | jq '.items[0]'
  lepton offers import prices.csv
  lepton sql \"SELECT cloud, min(price_hour) FROM offers WHERE cpu >= 8 GROUP BY cloud, currency\""
)]
pub(crate) struct OffersArgs {
    #[command(subcommand)]
    pub command: Option<OffersCommand>,
    /// At least so many cores
    #[arg(long, value_name = "CORES")]
    pub cpu: Option<Cpu>,
    /// At least so much memory
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// At least so many GPUs
    #[arg(long, value_name = "N")]
    pub gpus: Option<u32>,
    /// Models of the GPUs
    #[arg(long, value_name = "PATTERNS")]
    pub gpu_model: Option<String>,
    /// Clouds
    #[arg(long, value_name = "PATTERNS")]
    pub cloud: Option<String>,
    /// Regions
    #[arg(long, value_name = "PATTERNS")]
    pub region: Option<String>,
    /// Instance types
    #[arg(long = "type", value_name = "PATTERNS")]
    pub instance_type: Option<String>,
    /// Architectures: x86_64, arm64
    #[arg(long, value_name = "PATTERNS")]
    pub arch: Option<String>,
    /// Spot machines as well
    #[arg(long)]
    pub spot: bool,
    /// Only spot machines of which at most this share was taken back within a month, such as 0.05
    #[arg(long, value_name = "SHARE", requires = "spot")]
    pub max_interruption: Option<String>,
    /// The most an hour may cost, in the currency shown
    #[arg(long, value_name = "AMOUNT")]
    pub max_price: Option<String>,
    /// Currency to compare in; the server's own otherwise
    #[arg(long, value_name = "CODE")]
    pub currency: Option<Currency>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OffersCommand {
    Import(ImportArgs),
}

/// Lay a price list (CSV) over the server's catalog, all or nothing
#[derive(Debug, Args)]
#[command(after_help = "\
The first line names the columns, in any order: cloud, region, instance_type, vcpu, memory_gib, currency, as_of, and
on_demand_hour or spot_hour or both. There may be zone, arch, gpu_count, gpu_model, spot_interruption, source.
A row for the same cloud, region, zone, type and market takes the place of the one before.

Examples:
  lepton offers import examples/offers.csv
  lepton offers import prices.csv --source 'our contract of 2026'")]
pub(crate) struct ImportArgs {
    /// The file
    pub file: PathBuf,
    /// Source of rows that name none; the file's name otherwise
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
}

pub(crate) async fn run(args: OffersArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    if let Some(OffersCommand::Import(args)) = args.command {
        return import(args, desk).await;
    }
    let query = OfferQuery {
        cpu: args.cpu,
        memory: args.memory,
        gpus: args.gpus,
        gpu_model: args.gpu_model,
        cloud: args.cloud,
        region: args.region,
        instance_type: args.instance_type,
        arch: args.arch,
        spot: args.spot.then_some(true),
        max_interruption: args.max_interruption,
        max_price: args.max_price,
        currency: args.currency,
        limit: Some(args.limit),
    };
    let list = desk.client.offers(&query).await?;
    match desk.screen.document(args.show.output, &list) {
        Some(result) => result,
        None => print(desk, &list, args.show.output == Format::Wide),
    }
}

async fn import(args: ImportArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let path = args.file.display();
    let unreadable = |error| Failure::invalid(format!("cannot read {path}: {error}"));
    let size = std::fs::metadata(&args.file).map_err(unreadable)?.len();
    if size > MAX_TABLE {
        return Err(Failure::invalid(format!("{path} has more than {MAX_TABLE} bytes; split it")));
    }
    let table = std::fs::read(&args.file).map_err(unreadable)?;
    let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
    let source = args.source.or(name).unwrap_or_else(|| "imported".to_owned());
    let done = desk.client.import_offers(table, &source).await?;
    desk.screen.print(&format!("{} new offers, {} replaced, {} in all", done.new, done.replaced, done.total))
}

fn print(desk: &Desk<'_>, list: &OfferList, wide: bool) -> Result<(), Failure> {
    let screen = desk.screen;
    if list.items.is_empty() {
        screen.note("no offer will do; ask for less, or import a price list: lepton offers import --help");
        return Ok(());
    }
    let currency = list.currency;
    let (hour, month) = (format!("{currency}/H"), format!("{currency}/MONTH"));
    let gpus = list.items.iter().any(|row| row.offer.gpus > 0);
    let spot = list.items.iter().any(|row| row.offer.market == Market::Spot);
    let mut headings = vec!["CLOUD", "REGION", "TYPE", "CPU", "MEMORY"];
    headings.extend(gpus.then_some("GPUS"));
    headings.extend(spot.then_some("MARKET"));
    headings.extend([hour.as_str(), month.as_str(), "AS OF"]);
    headings.extend(wide.then_some(["ARCH", "OWN PRICE", "SOURCE"]).into_iter().flatten());
    let mut table = Table::new(headings);
    for OfferRow { offer, price, price_month } in &list.items {
        let mut cells = vec![
            offer.cloud.to_string(),
            format!("{}{}", offer.region, offer.zone.as_ref().map(|z| format!(" ({z})")).unwrap_or_default()),
            offer.instance_type.to_string(),
            offer.cpu.to_string(),
            offer.memory.to_string(),
        ];
        if gpus {
            let model = offer.gpu_model.as_deref().unwrap_or_default();
            cells.push(if offer.gpus > 0 { format!("{} {model}", offer.gpus) } else { String::new() });
        }
        if spot {
            let known = offer.interruption.filter(|share| *share < rust_decimal::Decimal::ONE);
            let risk = known.map(|share| format!(" (≤ {} lost a month)", percent(share)));
            let word = if offer.market == Market::Spot { "spot" } else { "on demand" };
            cells.push(format!("{word}{}", risk.unwrap_or_default()));
        }
        let rounded = price.amount.round_dp(4);
        cells.extend([rounded.to_string(), price_month.amount.to_string(), offer.as_of.to_string()]);
        if wide {
            cells.extend([offer.arch.to_string(), offer.price_hour.to_string(), offer.source.to_string()]);
        }
        table.row(cells);
    }
    table.print(screen)?;
    let shown = list.items.len() as u64;
    if list.matched > shown {
        screen.note(&format!("{shown} of {} that will do; see --limit", list.matched));
    }
    for (code, rate) in &list.rates {
        screen.note(&format!("1 {code} taken as {} of the base currency, as of {}", rate.value, rate.as_of));
    }
    Ok(())
}

fn percent(share: rust_decimal::Decimal) -> String {
    format!("{} %", (share * rust_decimal::Decimal::ONE_HUNDRED).normalize())
}
