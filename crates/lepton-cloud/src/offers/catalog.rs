//! Offers, sorted and indexed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use lepton_model::{Currency, Labels, Market, Offer, SharedText};

use super::table;

/// The product's own small catalog, its sources named in the file.
const SHIPPED: &[u8] = include_bytes!("../../data/offers.csv");

/// Offers, one for each cloud, region, instance type, zone and market. Never changes; [`Catalog::with`] makes another.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// By [`key`].
    offers: Vec<Offer>,
    /// Cloud and region pairs, in order.
    pub(super) places: Vec<(SharedText, SharedText)>,
    /// Position in `places` of each offer.
    pub(super) place_of: Vec<u32>,
    /// Offers of one currency, cheapest first.
    pub(super) by_price: BTreeMap<Currency, Vec<u32>>,
}

/// How many offers came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Not there before.
    pub new: usize,
    /// In the place of others.
    pub replaced: usize,
}

/// What makes two offers one, in the order of the catalog.
fn key(offer: &Offer) -> (&str, &str, &str, Option<&str>, Market) {
    let Offer { cloud, region, instance_type, zone, market, .. } = offer;
    (cloud, region, instance_type, zone.as_deref(), *market)
}

impl Catalog {
    /// What the product ships: a few hundred common machines, for a first look. A server's own catalog is this one and
    /// what was imported over it.
    pub fn shipped() -> Arc<Self> {
        static CATALOG: LazyLock<Arc<Catalog>> =
            LazyLock::new(|| Arc::new(Catalog::new(table::read(SHIPPED, "shipped").unwrap_or_default())));
        Arc::clone(&CATALOG)
    }

    /// A catalog of these offers; of two for the same machine the later one counts.
    pub fn new(mut offers: Vec<Offer>) -> Self {
        // Stable, and later ones first, so that the later one is kept.
        offers.reverse();
        offers.sort_by(|a, b| key(a).cmp(&key(b)));
        offers.dedup_by(|a, b| key(a) == key(b));
        let places: BTreeSet<_> = offers.iter().map(|o| (o.cloud.clone(), o.region.clone())).collect();
        let places: Vec<_> = places.into_iter().collect();
        let mut place = 0;
        let mut place_of = Vec::with_capacity(offers.len());
        let mut by_price: BTreeMap<Currency, Vec<u32>> = BTreeMap::new();
        for (n, offer) in (0_u32..).zip(&offers) {
            // Both are in the same order.
            while places
                .get(place)
                .is_some_and(|(cloud, region)| (cloud, region) != (&offer.cloud, &offer.region))
            {
                place += 1;
            }
            place_of.push(u32::try_from(place).unwrap_or(u32::MAX));
            by_price.entry(offer.price_hour.currency).or_default().push(n);
        }
        for order in by_price.values_mut() {
            order.sort_by_key(|n| offers.get(*n as usize).map(|offer| offer.price_hour.amount));
        }
        Self { offers, places, place_of, by_price }
    }

    /// This catalog with `offers` in it, those for the same machine replaced.
    #[must_use]
    pub fn with(&self, offers: &[Offer]) -> (Self, Added) {
        let fresh: BTreeSet<_> = offers.iter().map(key).collect();
        let replaced = fresh.iter().filter(|wanted| self.at(wanted).is_some()).count();
        let added = Added { new: fresh.len() - replaced, replaced };
        (Self::new(self.offers.iter().chain(offers).cloned().collect()), added)
    }

    /// Every offer, by cloud, region and instance type.
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    fn at(&self, wanted: &(&str, &str, &str, Option<&str>, Market)) -> Option<&Offer> {
        let at = self.offers.binary_search_by(|offer| key(offer).cmp(wanted)).ok()?;
        self.offers.get(at)
    }

    /// Where in [`Catalog::offers`] those of one cloud, region and instance type are; with words left out from the right,
    /// those of all regions or types.
    pub fn range(
        &self,
        cloud: Option<&str>,
        region: Option<&str>,
        instance_type: Option<&str>,
    ) -> std::ops::Range<usize> {
        let wanted: Vec<&str> = [cloud, region, instance_type].into_iter().map_while(|word| word).collect();
        let compare = |offer: &Offer| {
            let words = [&*offer.cloud, &*offer.region, &*offer.instance_type];
            words.into_iter().zip(&wanted).map(|(have, want)| have.cmp(want)).find(|order| order.is_ne())
        };
        let from = self.offers.partition_point(|offer| compare(offer).is_some_and(std::cmp::Ordering::is_lt));
        let to = self.offers.partition_point(|offer| compare(offer).is_none_or(std::cmp::Ordering::is_lt));
        from..to
    }

    /// The offers of [`Catalog::range`].
    pub fn of(&self, cloud: Option<&str>, region: Option<&str>, instance_type: Option<&str>) -> &[Offer] {
        self.offers.get(self.range(cloud, region, instance_type)).unwrap_or_default()
    }

    /// The offer that a node is, by its labels `cloud`, `region`, `instance_type`, and `zone` and `market` where they matter.
    pub fn of_node(&self, labels: &Labels) -> Option<&Offer> {
        let label = |key: &str| labels.get(key).map(String::as_str);
        let market = match label("market") {
            Some("spot") => Market::Spot,
            _ => Market::OnDemand,
        };
        let (cloud, region, instance_type) = (label("cloud")?, label("region")?, label("instance_type")?);
        let of_zone =
            label("zone").and_then(|zone| self.at(&(cloud, region, instance_type, Some(zone), market)));
        of_zone.or_else(|| self.at(&(cloud, region, instance_type, None, market)))
    }
}
