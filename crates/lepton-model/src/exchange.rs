//! Exchange rates: what money of one currency is worth in another, as of a day.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{Currency, Day, FieldErrors, Money};

/// What one unit of a currency is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// In units of the base currency.
    #[schema(value_type = String, example = "0.1374")]
    pub value: Decimal,
    /// The day of the rate.
    pub as_of: Day,
}

/// Rates against one base currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(from = "Written")]
pub struct Exchange {
    /// What costs are counted in unless somebody asks for another.
    pub base: Currency,
    /// What one unit of each other currency is worth in the base.
    pub rates: BTreeMap<Currency, Rate>,
}

/// As people write it, either part left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    base: Option<Currency>,
    rates: Option<BTreeMap<Currency, Rate>>,
}

impl From<Written> for Exchange {
    /// Default rates hold against the default base only.
    fn from(Written { base, rates }: Written) -> Self {
        let default = Self::default();
        let base = base.unwrap_or(default.base);
        let known = if base == default.base { default.rates } else { BTreeMap::new() };
        Self { base, rates: rates.unwrap_or(known) }
    }
}

/// A currency that nobody gave a rate for, or a sum that no decimal holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// No rate.
    #[error(
        "no exchange rate for {currency}: set exchange.rates.{currency} in the server's configuration; known are {known}"
    )]
    Unknown {
        /// The currency without one.
        currency: Currency,
        /// Those with one.
        known: String,
    },
    /// Too large.
    #[error("{0} is too large to convert")]
    Overflow(Money),
}

impl Default for Exchange {
    /// US dollars, and the euro reference rates that the European Central Bank published on 28 February 2025
    /// (1.0411 dollars and 7.5782 yuan).
    fn default() -> Self {
        let as_of = Day::new(2025, 2, 28).unwrap_or_default();
        let rate = |digits, scale| Rate { value: Decimal::new(digits, scale), as_of };
        let eur = Currency::EUR;
        Self {
            base: Currency::USD,
            rates: BTreeMap::from([(Currency::CNY, rate(137_381, 6)), (eur, rate(10_411, 4))]),
        }
    }
}

impl Exchange {
    /// Adds what is wrong with it; fields are named from `exchange.` on.
    pub fn validate(&self, errors: &mut FieldErrors) {
        for (currency, rate) in &self.rates {
            let field = format!("exchange.rates.{currency}");
            errors.require(
                rate.value > Decimal::ZERO && rate.value < Decimal::from(1_000_000),
                format!("{field}.value"),
                "must be above 0 and below 1000000: what one unit is worth in the base currency",
            );
            errors.require(
                *currency != self.base,
                field,
                "is the base currency itself, which is worth 1; leave it out",
            );
        }
    }

    /// What one unit of a currency is worth in the base.
    ///
    /// # Errors
    /// [`ExchangeError::Unknown`].
    pub fn rate(&self, currency: Currency) -> Result<Decimal, ExchangeError> {
        if currency == self.base {
            return Ok(Decimal::ONE);
        }
        self.rates.get(&currency).map(|rate| rate.value).ok_or_else(|| {
            let known = std::iter::once(&self.base).chain(self.rates.keys());
            let known = known.map(ToString::to_string).collect::<Vec<_>>().join(", ");
            ExchangeError::Unknown { currency, known }
        })
    }

    /// Money in another currency, to eight decimals.
    ///
    /// # Errors
    /// [`ExchangeError::Unknown`] for either currency, [`ExchangeError::Overflow`].
    pub fn convert(&self, money: Money, to: Currency) -> Result<Money, ExchangeError> {
        if money.currency == to {
            return Ok(money);
        }
        let (from_rate, to_rate) = (self.rate(money.currency)?, self.rate(to)?);
        let amount = money.amount.checked_mul(from_rate).and_then(|base| base.checked_div(to_rate));
        let amount = amount.ok_or(ExchangeError::Overflow(money))?;
        Ok(Money::new(amount.round_dp(8), to))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn money_is_converted_or_the_missing_currency_named() {
        let exchange = Exchange::default();
        let money = |text: &str, code: &str| Money::new(text.parse().unwrap(), code.parse().unwrap());
        let check = |from: Money, to: &str, expect: &str| {
            let got = exchange.convert(from, to.parse().unwrap());
            let got = got.map_or_else(|e| e.to_string(), |money| money.to_string());
            assert!(got.starts_with(expect), "{from} to {to}: {got}");
        };
        check(money("2.093", "CNY"), "USD", "0.28753843 USD");
        check(money("1", "USD"), "CNY", "7.27902694 CNY");
        check(money("1", "EUR"), "EUR", "1 EUR");
        check(money("1", "JPY"), "JPY", "1 JPY");
        check(money("1", "JPY"), "USD", "no exchange rate for JPY: set exchange.rates.JPY");
        check(money("1", "USD"), "JPY", "no exchange rate for JPY");
        check(
            Money::new(Decimal::MAX, Currency::EUR),
            "USD",
            "79228162514264337593543950335 EUR is too large",
        );
    }

    #[test]
    fn default_rates_go_with_the_default_base_only() {
        let check = |text: &str, rates: usize| {
            let read: Exchange = serde_json::from_str(text).unwrap();
            assert_eq!(read.rates.len(), rates, "{text}");
        };
        check("{}", 2);
        check(r#"{"base": "USD"}"#, 2);
        check(r#"{"base": "GBP"}"#, 0);
        check(r#"{"rates": {}}"#, 0);
        check(r#"{"base": "GBP", "rates": {"USD": {"value": "0.79", "as_of": "2025-02-28"}}}"#, 1);
    }

    #[test]
    fn a_rate_of_nothing_and_one_for_the_base_are_refused() {
        let day = Day::new(2025, 1, 1).unwrap();
        let mut exchange = Exchange::default();
        exchange.rates.insert(Currency::USD, Rate { value: Decimal::ONE, as_of: day });
        exchange.rates.insert(Currency::CNY, Rate { value: Decimal::ZERO, as_of: day });
        let mut errors = FieldErrors::new();
        exchange.validate(&mut errors);
        let fields: Vec<_> = errors.iter().map(|error| error.field.clone()).collect();
        assert_eq!(fields, ["exchange.rates.CNY.value", "exchange.rates.USD"]);
    }
}
