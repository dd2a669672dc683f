//! Amounts with units, read and printed the way Kubernetes does: `500m`, `1.5`, `2Gi`, `100M`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Name;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number followed by a known suffix.
    #[error("{0:?} is not a quantity; write it like 500m, 2, 1.5, 512Mi or 2Gi")]
    Syntax(String),
    /// Below zero.
    #[error("{0:?} is negative")]
    Negative(String),
    /// Larger than can be held.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// Parses to thousandths, exactly; digits beyond a thousandth round up, as Kubernetes rounds.
fn parse_milli(text: &str) -> Result<u128, QuantityError> {
    let syntax = || QuantityError::Syntax(text.to_owned());
    let large = || QuantityError::TooLarge(text.to_owned());
    let body = text.trim();
    if body.starts_with('-') {
        return Err(QuantityError::Negative(text.to_owned()));
    }
    let split = body.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(body.len());
    let (number, suffix) = body.split_at(split);
    let factor_milli: u128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "P" => 1_000_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        "Pi" => 1_000 << 50,
        _ => return Err(syntax()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || fraction.len() > 18 {
        return Err(syntax());
    }
    let digits = |part: &str| -> Result<u128, QuantityError> {
        if part.is_empty() { Ok(0) } else { part.parse().map_err(|_| large()) }
    };
    let whole = digits(whole)?.checked_mul(factor_milli).ok_or_else(large)?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(18));
    let part = digits(fraction)?.checked_mul(factor_milli).ok_or_else(large)?.div_ceil(scale);
    whole.checked_add(part).ok_or_else(large)
}

/// Accepts a JSON string or number, so that `cpu: 2` and `cpu: 500m` both read.
fn deserialize_quantity<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = QuantityError>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);
    impl<T: FromStr<Err = QuantityError>> de::Visitor<'_> for Visitor<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a quantity such as 500m, 2, 1.5 or 2Gi")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
            self.visit_str(&value.to_string())
        }
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
            self.visit_str(&value.to_string())
        }
        fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
            self.visit_str(&value.to_string())
        }
    }
    deserializer.deserialize_any(Visitor(std::marker::PhantomData))
}

macro_rules! quantity {
    ($name:ident, $example:literal, $doc:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_quantity(deserializer)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        crate::object::string_schema!(
            $name,
            $doc,
            $example,
            pattern = "^[0-9]{1,9}(\\.[0-9]{1,3})?(m|k|M|G|Ki|Mi|Gi)?$"
        );
    };
}

/// Processor time in thousandths of a core: `500m` is half a core, `2` two cores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cpu(u64);

impl Cpu {
    /// From thousandths of a core.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }
    /// Thousandths of a core.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

impl FromStr for Cpu {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let milli = parse_milli(text)?;
        u64::try_from(milli).map(Self).map_err(|_| QuantityError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) { write!(f, "{}", self.0 / 1_000) } else { write!(f, "{}m", self.0) }
    }
}

quantity!(Cpu, "500m", "Processor cores: 500m is half a core");

/// An amount of memory or disk in bytes: `512Mi`, `2Gi`, `1.5G`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

impl Bytes {
    /// From bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }
    /// From MiB.
    pub const fn mebi(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }
    /// Bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let bytes = parse_milli(text)?.div_ceil(1_000);
        u64::try_from(bytes).map(Self).map_err(|_| QuantityError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, suffix) in [(50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")] {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{suffix}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

quantity!(Bytes, "512Mi", "Bytes: 512Mi, 2Gi, 1.5G");

/// What a workload asks for or a node offers. Absent means none asked, or none offered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Processor cores.
    #[serde(skip_serializing_if = "is_zero_cpu")]
    pub cpu: Cpu,
    /// Memory.
    #[serde(skip_serializing_if = "is_zero_bytes")]
    pub memory: Bytes,
    /// Local disk.
    #[serde(skip_serializing_if = "is_zero_bytes")]
    pub disk: Bytes,
    /// Anything else that is counted in whole units, by name: licences, accelerators, slots.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<Name, u64>,
}

fn is_zero_cpu(cpu: &Cpu) -> bool {
    cpu.0 == 0
}

fn is_zero_bytes(bytes: &Bytes) -> bool {
    bytes.0 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_reads_and_prints_like_kubernetes() {
        let check = |text: &str, expect: Result<&str, QuantityError>| {
            assert_eq!(text.parse::<Cpu>().map(|q| q.to_string()), expect.map(str::to_owned), "{text:?}");
        };
        check("500m", Ok("500m"));
        check("2", Ok("2"));
        check("1.5", Ok("1500m"));
        check("0.0001", Ok("1m"));
        check(".5", Ok("500m"));
        check("-1", Err(QuantityError::Negative("-1".into())));
        check("", Err(QuantityError::Syntax(String::new())));
        check("two", Err(QuantityError::Syntax("two".into())));
        check("1.2.3", Err(QuantityError::Syntax("1.2.3".into())));
        check("99999999999999999999", Err(QuantityError::TooLarge("99999999999999999999".into())));
    }

    #[test]
    fn bytes_read_and_print_like_kubernetes() {
        let check = |text: &str, bytes: u64, print: &str| {
            let parsed: Bytes = text.parse().unwrap_or_default();
            assert_eq!((parsed.get(), parsed.to_string().as_str()), (bytes, print), "{text:?}");
        };
        check("2Gi", 2 << 30, "2Gi");
        check("1536Mi", 1536 << 20, "1536Mi");
        check("1.5Gi", 1536 << 20, "1536Mi");
        check("100M", 100_000_000, "100000000");
        check("0", 0, "0");
        check("100m", 1, "1");
    }

    proptest::proptest! {
        #[test]
        fn printing_then_reading_changes_nothing(value in 0_u64..1 << 53) {
            proptest::prop_assert_eq!(Cpu(value).to_string().parse(), Ok(Cpu(value)));
            proptest::prop_assert_eq!(Bytes(value).to_string().parse(), Ok(Bytes(value)));
        }
    }
}
