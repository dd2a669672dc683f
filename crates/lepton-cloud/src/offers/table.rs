//! Offers as CSV.
//!
//! The first line names the columns, in any order; lines that begin with `#` say where the figures come from.
//! `cloud, region, instance_type, vcpu, memory_gib, currency, as_of` are needed, and one of `on_demand_hour` and `spot_hour`;
//! a row with both prices is two offers. `zone, arch, gpu_count, gpu_model, spot_interruption, source` may be there. Other
//! columns are refused, so that a slip of the pen does not go unnoticed.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;

use csv::StringRecord;
use lepton_model::{Bytes, Cpu, Currency, Day, Market, Money, Offer, SharedText};
use rust_decimal::Decimal;

/// Most rows of one table.
pub const MAX_ROWS: usize = 1_000_000;
/// Longest table in bytes.
pub const MAX_BYTES: usize = 128 << 20;
/// Mistakes told at once.
const MAX_ERRORS: usize = 20;
/// Longest text of a cell in bytes.
const MAX_CELL: usize = 128;

const COLUMNS: [&str; 15] = [
    "cloud",
    "region",
    "zone",
    "instance_type",
    "arch",
    "vcpu",
    "memory_gib",
    "gpu_count",
    "gpu_model",
    "on_demand_hour",
    "spot_hour",
    "spot_interruption",
    "currency",
    "as_of",
    "source",
];
const NEEDED: [&str; 7] = ["cloud", "region", "instance_type", "vcpu", "memory_gib", "currency", "as_of"];

/// A cell that does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Line of the text, from 1.
    pub line: u64,
    /// Column by its name; empty for the row as a whole.
    pub column: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "" => write!(f, "line {}: {}", self.line, self.problem),
            column => write!(f, "line {}, column {column}: {}", self.line, self.problem),
        }
    }
}

/// Why a text is no table of offers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The first line lacks columns or has unknown ones.
    #[error("the first line must name the columns: {0}")]
    Header(String),
    /// Rows that do not read, the first twenty mistakes of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rows(Vec<RowError>),
    /// More than is read.
    #[error("larger than {MAX_BYTES} bytes or {MAX_ROWS} rows; split it")]
    TooLarge,
}

/// Reads every offer of a table, all or nothing. Rows that name no source get `source`.
///
/// # Errors
/// [`TableError`].
pub fn read(text: &[u8], source: &str) -> Result<Vec<Offer>, TableError> {
    if text.len() > MAX_BYTES {
        return Err(TableError::TooLarge);
    }
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).flexible(true).from_reader(text);
    let header = reader.headers().map_err(|error| TableError::Header(error.to_string()))?.clone();
    let at = columns(&header)?;
    let mut texts = Texts::default();
    let source = texts.shared(source);
    let (mut offers, mut errors) = (Vec::new(), Vec::new());
    for (n, record) in reader.into_records().enumerate() {
        if n >= MAX_ROWS {
            return Err(TableError::TooLarge);
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                errors.push(RowError { line, column: "", problem: error.to_string() });
                continue;
            }
        };
        let mut row = Row { record: &record, at: &at, errors: Vec::new() };
        match row.machine(header.len()) {
            Some(machine) if row.errors.is_empty() => machine.offers(&mut texts, &source, &mut offers),
            _ => errors.append(&mut row.errors),
        }
        if errors.len() >= MAX_ERRORS {
            errors.truncate(MAX_ERRORS);
            break;
        }
    }
    if errors.is_empty() { Ok(offers) } else { Err(TableError::Rows(errors)) }
}

/// Position in the text of each of [`COLUMNS`].
type Positions = [Option<usize>; COLUMNS.len()];

fn columns(header: &StringRecord) -> Result<Positions, TableError> {
    let wrong = |problem: String| Err(TableError::Header(problem));
    let has = |column: &str| header.iter().any(|name| name == column);
    for (n, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name) {
            return wrong(format!("{name:?} is none of {}", COLUMNS.join(", ")));
        }
        if header.iter().take(n).any(|earlier| earlier == name) {
            return wrong(format!("{name} is there twice"));
        }
    }
    let missing: Vec<_> = NEEDED.into_iter().filter(|need| !has(need)).collect();
    if !missing.is_empty() {
        return wrong(format!("{} missing", missing.join(", ")));
    }
    if !has("on_demand_hour") && !has("spot_hour") {
        return wrong("on_demand_hour or spot_hour is needed".to_owned());
    }
    Ok(COLUMNS.map(|column| header.iter().position(|name| name == column)))
}

/// Keeps every text once.
#[derive(Default)]
struct Texts(HashSet<SharedText>);

impl Texts {
    fn shared(&mut self, text: &str) -> SharedText {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new = SharedText::from(text);
        self.0.insert(new.clone());
        new
    }

    fn maybe(&mut self, text: &str) -> Option<SharedText> {
        (!text.is_empty()).then(|| self.shared(text))
    }
}

/// One row while it is read.
struct Row<'a> {
    record: &'a StringRecord,
    at: &'a Positions,
    errors: Vec<RowError>,
}

/// What a row says of a machine.
struct Machine<'a> {
    cloud: &'a str,
    region: &'a str,
    zone: &'a str,
    instance_type: &'a str,
    arch: &'a str,
    cpu: Cpu,
    memory: Bytes,
    gpus: u32,
    gpu_model: &'a str,
    on_demand: Option<Decimal>,
    spot: Option<Decimal>,
    interruption: Option<Decimal>,
    currency: Currency,
    as_of: Day,
    source: &'a str,
}

impl<'a> Row<'a> {
    fn wrong(&mut self, column: &'static str, problem: impl Into<String>) {
        let line = self.record.position().map_or(0, csv::Position::line);
        self.errors.push(RowError { line, column, problem: problem.into() });
    }

    fn cell(&self, column: &'static str) -> &'a str {
        let position = COLUMNS.iter().zip(self.at).find(|(name, _)| **name == column);
        position.and_then(|(_, at)| self.record.get((*at)?)).unwrap_or_default()
    }

    fn text(&mut self, column: &'static str, needed: bool) -> &'a str {
        let text = self.cell(column);
        if text.is_empty() && needed {
            self.wrong(column, "must not be empty");
        }
        if text.len() > MAX_CELL || text.chars().any(char::is_control) {
            self.wrong(column, format!("must be at most {MAX_CELL} bytes of printable text"));
        }
        text
    }

    /// Empty is nothing where that will do; anything else must be a number from `least` to `most`.
    fn number(&mut self, column: &'static str, least: Decimal, most: u32, needed: bool) -> Option<Decimal> {
        let text = self.cell(column);
        if text.is_empty() && !needed {
            return None;
        }
        let number = text.parse().ok().filter(|number| *number >= least && *number <= Decimal::from(most));
        if number.is_none() {
            self.wrong(column, format!("{text:?} is not a number from {least} to {most}"));
        }
        number
    }

    /// `number` units of `size`, rounded to the nearest whole one.
    fn amount(&mut self, column: &'static str, size: u32) -> Option<u64> {
        let number = self.number(column, Decimal::new(1, 3), 1_000_000, true)?;
        number.checked_mul(Decimal::from(size))?.round().try_into().ok()
    }

    fn parsed<T: std::str::FromStr<Err: fmt::Display>>(&mut self, column: &'static str) -> Option<T> {
        let read = self.cell(column).parse();
        read.map_err(|error: T::Err| self.wrong(column, error.to_string())).ok()
    }

    /// Every cell is looked at, so that all mistakes of a row are told together.
    fn machine(&mut self, width: usize) -> Option<Machine<'a>> {
        if self.record.len() != width {
            let have = self.record.len();
            self.wrong("", format!("has {have} cells, and the first line names {width} columns"));
            return None;
        }
        let (cloud, region) = (self.text("cloud", true), self.text("region", true));
        let (zone, instance_type) = (self.text("zone", false), self.text("instance_type", true));
        let (arch, gpu_model) = (self.text("arch", false), self.text("gpu_model", false));
        let source = self.text("source", false);
        let (cpu, memory) = (self.amount("vcpu", 1_000), self.amount("memory_gib", 1 << 30));
        let gpus = self.number("gpu_count", Decimal::ZERO, 10_000, false).unwrap_or_default();
        if !gpus.fract().is_zero() {
            self.wrong("gpu_count", "must be a whole number");
        }
        let on_demand = self.number("on_demand_hour", Decimal::ZERO, 10_000_000, false);
        let spot = self.number("spot_hour", Decimal::ZERO, 10_000_000, false);
        let interruption = self.number("spot_interruption", Decimal::ZERO, 1, false);
        let (currency, as_of) = (self.parsed("currency"), self.parsed("as_of"));
        if on_demand.is_none() && spot.is_none() && self.errors.is_empty() {
            self.wrong("on_demand_hour", "either this or spot_hour is needed");
        }
        Some(Machine {
            cloud,
            region,
            zone,
            instance_type,
            arch,
            cpu: Cpu::from_millis(cpu?),
            memory: Bytes::new(memory?),
            gpus: u32::try_from(gpus).ok()?,
            gpu_model,
            on_demand,
            spot,
            interruption,
            currency: currency?,
            as_of: as_of?,
            source,
        })
    }
}

impl Machine<'_> {
    fn offers(&self, texts: &mut Texts, source: &SharedText, into: &mut Vec<Offer>) {
        for (market, amount) in [(Market::OnDemand, self.on_demand), (Market::Spot, self.spot)] {
            let Some(amount) = amount else { continue };
            into.push(Offer {
                cloud: texts.shared(self.cloud),
                region: texts.shared(self.region),
                zone: texts.maybe(self.zone),
                instance_type: texts.shared(self.instance_type),
                arch: texts.shared(if self.arch.is_empty() { "x86_64" } else { self.arch }),
                cpu: self.cpu,
                memory: self.memory,
                gpus: self.gpus,
                gpu_model: texts.maybe(self.gpu_model),
                market,
                interruption: self.interruption.filter(|_| market == Market::Spot),
                price_hour: Money::new(amount.normalize(), self.currency),
                as_of: self.as_of,
                source: texts.maybe(self.source).unwrap_or_else(|| source.clone()),
            });
        }
    }
}

/// Writes offers as a table that [`read`] reads back, one row each.
///
/// # Errors
/// Those of the writer.
pub fn write<'a>(offers: impl IntoIterator<Item = &'a Offer>, to: impl Write) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(COLUMNS)?;
    for offer in offers {
        let price = offer.price_hour.amount.to_string();
        let (on_demand, spot) = match offer.market {
            Market::OnDemand => (price, String::new()),
            Market::Spot => (String::new(), price),
        };
        let units =
            |amount: u64, size: u32| (Decimal::from(amount) / Decimal::from(size)).normalize().to_string();
        writer.write_record([
            &*offer.cloud,
            &*offer.region,
            offer.zone.as_deref().unwrap_or_default(),
            &*offer.instance_type,
            &*offer.arch,
            &units(offer.cpu.as_millis(), 1_000),
            &units(offer.memory.get(), 1 << 30),
            &offer.gpus.to_string(),
            offer.gpu_model.as_deref().unwrap_or_default(),
            &on_demand,
            &spot,
            &offer.interruption.map(|share| share.to_string()).unwrap_or_default(),
            offer.price_hour.currency.as_str(),
            &offer.as_of.to_string(),
            &*offer.source,
        ])?;
    }
    writer.flush()?;
    Ok(())
}
