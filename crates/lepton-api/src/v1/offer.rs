//! `GET /v1/offers`, `POST /v1/offers`: what can be rented, at what price.

use std::collections::BTreeMap;

use lepton_model::{Currency, Day, Money, Offer, Rate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An offer and its price in the currency of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferRow {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub offer: Offer,
    /// Price of an hour in the currency of the answer.
    pub price: Money,
    /// Price of a month of 730 hours in the currency of the answer.
    pub price_month: Money,
}

/// The cheapest offers that will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferList {
    /// Cheapest first.
    pub items: Vec<OfferRow>,
    /// How many offers would do, shown or not.
    pub matched: u64,
    /// Currency of the prices.
    pub currency: Currency,
    /// The exchange rates that were used, against the server's base currency.
    #[schema(value_type = BTreeMap<String, Rate>)]
    pub rates: BTreeMap<Currency, Rate>,
    /// Day of the oldest price among those that would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Day>,
    /// Day of the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Day>,
}

/// What an import brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferImport {
    /// Offers that were not there before.
    pub new: u64,
    /// Offers that took the place of others.
    pub replaced: u64,
    /// Offers in the catalog now.
    pub total: u64,
}
