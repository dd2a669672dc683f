//! The cheapest offers that will do.

use lepton_model::{Bytes, Cpu, Currency, Day, Exchange, ExchangeError, Market, Money, Offer, Rate};
use rust_decimal::Decimal;
use wildmatch::WildMatch;

use super::Catalog;

/// Most offers of one answer.
const MOST: usize = 10_000;

/// What is looked for. Empty lists and absent figures ask nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OfferQuery {
    /// At least so many cores.
    pub cpu: Cpu,
    /// At least so much memory.
    pub memory: Bytes,
    /// At least so many GPUs.
    pub gpus: u32,
    /// Their models, `*` and `?` standing for any text and any letter.
    pub gpu_models: Vec<String>,
    /// Clouds, with `*` and `?`.
    pub clouds: Vec<String>,
    /// Regions, with `*` and `?`.
    pub regions: Vec<String>,
    /// Instance types, with `*` and `?`.
    pub instance_types: Vec<String>,
    /// Architectures, with `*` and `?`.
    pub archs: Vec<String>,
    /// Whether spot machines will do as well.
    pub spot: bool,
    /// Spot machines of which at most this share was taken back within a month; those nobody has a figure for are left out.
    pub max_interruption: Option<Decimal>,
    /// The most an hour may cost, in the currency of the answer.
    pub max_price: Option<Decimal>,
    /// Currency of the answer; the base currency when absent.
    pub currency: Option<Currency>,
    /// At most so many; never more than 10,000.
    pub limit: usize,
}

/// An offer and its price in the currency that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The offer, in its own currency.
    pub offer: Offer,
    /// Price of one hour.
    pub price: Money,
}

/// The answer to an [`OfferQuery`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Cheapest first; of two at one price the one with more cores, then more memory, then in the order of the catalog.
    pub offers: Vec<Priced>,
    /// How many offers would do, shown or not.
    pub matched: usize,
    /// Currency of the prices.
    pub currency: Currency,
    /// The exchange rates that were used.
    pub rates: Vec<(Currency, Rate)>,
    /// The oldest and the newest day of the offers that would do.
    pub as_of: Option<(Day, Day)>,
}

/// Patterns of which one must fit; none asks nothing.
struct Any(Vec<WildMatch>);

impl Any {
    fn of(patterns: &[String]) -> Self {
        Self(patterns.iter().map(|pattern| WildMatch::new(pattern)).collect())
    }

    fn fits(&self, text: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(text))
    }
}

impl Catalog {
    /// The cheapest offers that meet `query`.
    ///
    /// # Errors
    /// [`ExchangeError`] for a currency without a rate, asked for or of an offer that would do.
    pub fn query(&self, query: &OfferQuery, exchange: &Exchange) -> Result<Found, ExchangeError> {
        let currency = query.currency.unwrap_or(exchange.base);
        let (clouds, regions) = (Any::of(&query.clouds), Any::of(&query.regions));
        let places: Vec<bool> =
            self.places.iter().map(|(cloud, region)| clouds.fits(cloud) && regions.fits(region)).collect();
        let (types, archs) = (Any::of(&query.instance_types), Any::of(&query.archs));
        let models = Any::of(&query.gpu_models);
        let of_place = |n: u32| {
            let place = self.place_of.get(n as usize)?;
            places.get(*place as usize)?.then(|| self.offers().get(n as usize))?
        };
        let will_do = |offer: &&Offer| {
            offer.cpu >= query.cpu
                && offer.memory >= query.memory
                && offer.gpus >= query.gpus
                && (query.spot || offer.market == Market::OnDemand)
                && (query.gpu_models.is_empty() || offer.gpu_model.as_ref().is_some_and(|m| models.fits(m)))
                && (offer.market == Market::OnDemand
                    || query
                        .max_interruption
                        .is_none_or(|most| offer.interruption.is_some_and(|i| i <= most)))
                && types.fits(&offer.instance_type)
                && archs.fits(&offer.arch)
        };
        let mut found = Found { offers: Vec::new(), matched: 0, currency, rates: Vec::new(), as_of: None };
        let limit = query.limit.min(MOST);
        for (own, order) in &self.by_price {
            let mut cheapest: Vec<Priced> = Vec::new();
            for offer in order.iter().filter_map(|n| of_place(*n)).filter(will_do) {
                // Cheapest first, so that of each currency the first are enough; an equal of the last may still rank before it.
                let last = cheapest.last().filter(|_| cheapest.len() >= limit);
                let enough = last.is_some_and(|last| last.offer.price_hour.amount < offer.price_hour.amount);
                if query.max_price.is_some() || !enough {
                    let price = exchange.convert(offer.price_hour, currency)?;
                    if query.max_price.is_some_and(|most| price.amount > most) {
                        break;
                    }
                    if !enough {
                        cheapest.push(Priced { offer: offer.clone(), price });
                    }
                }
                found.matched += 1;
                let (oldest, newest) = found.as_of.unwrap_or((offer.as_of, offer.as_of));
                found.as_of = Some((oldest.min(offer.as_of), newest.max(offer.as_of)));
            }
            if !cheapest.is_empty() && *own != currency {
                for used in [*own, currency] {
                    let rate =
                        exchange.rates.get(&used).filter(|_| found.rates.iter().all(|(c, _)| *c != used));
                    found.rates.extend(rate.map(|rate| (used, *rate)));
                }
            }
            found.offers.append(&mut cheapest);
        }
        let size = |priced: &Priced| std::cmp::Reverse((priced.offer.cpu, priced.offer.memory));
        found.offers.sort_by(|a, b| a.price.amount.cmp(&b.price.amount).then_with(|| size(a).cmp(&size(b))));
        found.offers.truncate(limit);
        Ok(found)
    }
}
