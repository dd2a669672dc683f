//! What there is to rent, how much of it, at what price. All of it follows from the seed by hashing, so that nothing has to be
//! kept and any moment can be asked for.

use std::time::Duration;

use lepton_cloud::words::{InstanceType, InstanceTypeName};
use lepton_model::{Bytes, Cpu, Currency, Money};
use rust_decimal::Decimal;

/// Families: name, GiB of memory per core, accelerators per four cores, hundredths of a cent per core and hour.
const FAMILIES: [(&str, u64, u32, i64); 4] =
    [("compute", 2, 0, 410), ("general", 4, 0, 480), ("memory", 8, 0, 630), ("gpu", 8, 1, 7_900)];

/// Sizes: name and cores.
const SIZES: [(&str, u64); 6] =
    [("small", 1), ("medium", 2), ("large", 4), ("xlarge", 8), ("2xlarge", 16), ("4xlarge", 32)];

/// Everything that can be rented in every region.
pub(crate) fn instance_types() -> Vec<InstanceType> {
    let kinds = FAMILIES.iter().flat_map(|family| SIZES.iter().map(move |size| (family, size)));
    let whole = kinds.filter(|((_, _, gpus, _), (_, cores))| *gpus == 0 || *cores >= 4);
    let kind =
        |((family, memory, gpus, _), (size, cores)): (&(&str, u64, u32, i64), &(&str, u64))| InstanceType {
            name: InstanceTypeName::new(format!("{family}.{size}")),
            cpu: Cpu::from_millis(cores * 1_000),
            memory: Bytes::mebi(cores * memory * 1_024),
            gpus: gpus * u32::try_from(cores / 4).unwrap_or(0),
            architecture: Some("amd64".to_owned()),
        };
    whole.map(kind).collect()
}

pub(crate) fn instance_type(name: &InstanceTypeName) -> Option<InstanceType> {
    instance_types().into_iter().find(|kind| &kind.name == name)
}

/// Price of an hour on demand: differs by region by up to a fifth either way.
pub(crate) fn on_demand(seed: u64, region: &str, kind: &InstanceType) -> Money {
    let family = kind.name.as_str().split('.').next().unwrap_or_default();
    let rate = FAMILIES.iter().find(|(name, ..)| *name == family).map_or(0, |(.., rate)| *rate);
    let cores = i64::try_from(kind.cpu.as_millis() / 1_000).unwrap_or(0);
    let factor = 80 + hash(seed, &[region, family]) % 41;
    Money::new(Decimal::new(rate * cores * i64::try_from(factor).unwrap_or(100), 6), Currency::USD)
}

/// Price of an hour on the spot market: a fifth to seven tenths of the other, new with each hour and zone.
pub(crate) fn spot(seed: u64, region: &str, zone: &str, kind: &InstanceType, since_start: Duration) -> Money {
    let hour = (since_start.as_secs() / 3_600).to_string();
    let parts = 20 + hash(seed, &[zone, kind.name.as_str(), &hour]) % 51;
    let full = on_demand(seed, region, kind);
    let part = Decimal::new(i64::try_from(parts).unwrap_or(50), 2);
    Money::new((full.amount * part).round_dp(6), full.currency)
}

/// Machines of a type that a zone holds; the larger, the fewer. `scale` is how many small ones, at most.
pub(crate) fn stock(seed: u64, zone: &str, kind: &InstanceType, scale: u64) -> u64 {
    let cores = (kind.cpu.as_millis() / 1_000).max(1);
    let most = scale / cores;
    most / 4 + hash(seed, &[zone, kind.name.as_str(), "stock"]) % (most - most / 4 + 1)
}

/// FNV-1a over the parts, mixed at the end as splitmix64 does.
pub(crate) fn hash(seed: u64, parts: &[&str]) -> u64 {
    let mut state = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0xff])) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
