//! Money: a decimal amount that never forgets its currency.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// An ISO 4217 currency code, such as `USD` or `CNY`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// What can go wrong with money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three capital letters.
    #[error("{0:?} is not a currency; write an ISO 4217 code such as USD or CNY")]
    Currency(String),
    /// Two currencies in one sum.
    #[error("cannot add {0} to {1} without an exchange rate")]
    Mixed(Currency, Currency),
    /// The sum is larger than a decimal holds.
    #[error("the sum does not fit")]
    Overflow,
}

impl Currency {
    /// US dollar.
    pub const USD: Self = Self(*b"USD");
    /// Renminbi.
    pub const CNY: Self = Self(*b"CNY");

    /// Euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The code as text.
    pub fn as_str(&self) -> &str {
        // Only `from_str` and the constants make one, all ASCII capitals.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(MoneyError::Currency(text.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

crate::object::string_schema!(Currency, "ISO 4217 currency code", "USD", pattern = "^[A-Z]{3}$");

/// An amount in one currency. The amount travels as a decimal string, never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Money {
    /// Decimal amount, as a string on the wire.
    #[schema(value_type = String, example = "0.0832")]
    pub amount: Decimal,
    /// Its currency.
    pub currency: Currency,
}

impl Money {
    /// An amount of a currency.
    pub const fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Adds two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::Mixed`] for two currencies, [`MoneyError::Overflow`] past 28 digits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(other.currency, self.currency));
        }
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_to_one_currency() {
        let usd = |cents| Money::new(Decimal::new(cents, 2), Currency::USD);
        assert_eq!(usd(10).checked_add(usd(20)), Ok(usd(30)));
        let yuan = Money::new(Decimal::ONE, Currency::CNY);
        assert_eq!(usd(10).checked_add(yuan), Err(MoneyError::Mixed(Currency::CNY, Currency::USD)));
    }

    #[test]
    fn currency_codes_are_three_capitals() {
        assert_eq!("CNY".parse(), Ok(Currency::CNY));
        for wrong in ["usd", "US", "DOLLAR", "", "U$D"] {
            assert_eq!(wrong.parse::<Currency>(), Err(MoneyError::Currency(wrong.into())));
        }
    }
}
