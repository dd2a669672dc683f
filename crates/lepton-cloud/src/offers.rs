//! The offer catalog: what can be rented, where, at what price, as of which day, from which source.
//!
//! ```text
//!   CSV ──read──► Vec<Offer> ──Catalog::new──► Catalog ──query──► cheapest first, in one currency
//!   (shipped, imported)         sorted, indexed      └──price_of──► what a node of a type costs
//! ```
//!
//! A catalog knows prices, not clouds: whether an offer is in stock, and for whom, only its cloud can say.
//!
//! ```
//! use lepton_cloud::offers::{Catalog, OfferQuery};
//! use lepton_model::Exchange;
//! let query = OfferQuery {
//!     cpu: "8".parse()?,
//!     memory: "32Gi".parse()?,
//!     clouds: vec!["aliyun".to_owned(), "aws".to_owned()],
//!     limit: 3,
//!     ..OfferQuery::default()
//! };
//! let found = Catalog::shipped().query(&query, &Exchange::default())?;
//! assert!(found.offers.iter().all(|priced| priced.offer.cpu.as_millis() >= 8_000));
//! assert!(found.offers.is_sorted_by_key(|priced| priced.price.amount));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod catalog;
mod query;
mod table;

pub use catalog::{Added, Catalog};
pub use query::{Found, OfferQuery, Priced};
pub use table::{MAX_BYTES, MAX_ROWS, RowError, TableError, read, write};
