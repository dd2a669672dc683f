//! Orders: on disk before they are confirmed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Shop;

/// What is sold, and the stock of each replica's shelf.
const STOCK: [(&str, u32); 4] = [("tea", 1_000), ("rice", 500), ("lantern", 120), ("kettle", 40)];
/// Orders shown by `GET /orders`.
const SHOWN: usize = 100;

/// An order, as a customer sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    good: String,
    #[serde(default = "one")]
    count: u32,
}

fn one() -> u32 {
    1
}

#[derive(Debug)]
pub(crate) struct Orders(Mutex<Book>);

#[derive(Debug)]
struct Book {
    file: File,
    left: BTreeMap<String, u32>,
    orders: Vec<Order>,
}

impl Orders {
    /// Reads `orders.jsonl` of `folder`. A last line that a crash cut off was never confirmed and is dropped.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join("orders.jsonl");
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        let mut left: BTreeMap<String, u32> = STOCK.map(|(good, count)| (good.to_owned(), count)).into();
        let mut orders = Vec::new();
        let mut reader = BufReader::new(&file);
        let (mut whole, mut line) = (0, Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let Ok(order) = serde_json::from_slice::<Order>(&line) else { break };
            whole += line.len() as u64;
            line.clear();
            if let Some(stock) = left.get_mut(&order.good) {
                *stock = stock.saturating_sub(order.count);
            }
            orders.push(order);
        }
        file.set_len(whole)?;
        Ok(Self(Mutex::new(Book { file, left, orders })))
    }

    /// Stock by good.
    pub fn left(&self) -> BTreeMap<String, u32> {
        self.0.lock().left.clone()
    }

    fn place(&self, order: Order) -> Result<usize, (StatusCode, String)> {
        let mut book = self.0.lock();
        let Some(&stock) = book.left.get(&order.good) else {
            let known: Vec<_> = book.left.keys().cloned().collect();
            return Err((
                StatusCode::NOT_FOUND,
                format!("{:?} is not sold here; there is {}", order.good, known.join(", ")),
            ));
        };
        if order.count == 0 {
            return Err((StatusCode::UNPROCESSABLE_ENTITY, "count must be at least 1".to_owned()));
        }
        let rest = stock
            .checked_sub(order.count)
            .ok_or_else(|| (StatusCode::CONFLICT, format!("only {stock} of {:?} are left", order.good)))?;
        let failed = |error: &dyn std::fmt::Display| {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write: {error}"))
        };
        let mut line = serde_json::to_vec(&order).map_err(|error| failed(&error))?;
        line.push(b'\n');
        book.file.write_all(&line).and_then(|()| book.file.sync_data()).map_err(|error| failed(&error))?;
        book.left.insert(order.good.clone(), rest);
        book.orders.push(order);
        Ok(book.orders.len())
    }
}

pub(crate) async fn list(State(shop): State<Arc<Shop>>) -> Json<Value> {
    let book = shop.orders.0.lock();
    let newest: Vec<_> = book.orders.iter().rev().take(SHOWN).cloned().collect();
    Json(json!({ "count": book.orders.len(), "newest": newest }))
}

pub(crate) async fn place(
    State(shop): State<Arc<Shop>>,
    order: Result<Json<Order>, JsonRejection>,
) -> (StatusCode, Json<Value>) {
    let order = match order {
        Ok(Json(order)) => order,
        Err(rejection) => return (rejection.status(), Json(json!({ "problem": rejection.body_text() }))),
    };
    let placed = tokio::task::spawn_blocking(move || shop.orders.place(order)).await;
    match placed {
        Ok(Ok(number)) => (StatusCode::CREATED, Json(json!({ "order": number }))),
        Ok(Err((status, problem))) => (status, Json(json!({ "problem": problem }))),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "problem": "the order was not placed" }))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn order(good: &str, count: u32) -> Order {
        Order { good: good.to_owned(), count }
    }

    #[test]
    fn confirmed_orders_survive_and_torn_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let orders = Orders::open(folder.path()).unwrap();
        assert_eq!(orders.place(order("tea", 2)), Ok(1));
        assert_eq!(orders.place(order("kettle", 40)), Ok(2));
        assert_eq!(orders.place(order("kettle", 1)).unwrap_err().0, StatusCode::CONFLICT);
        assert_eq!(orders.place(order("gold", 1)).unwrap_err().0, StatusCode::NOT_FOUND);
        assert_eq!(orders.place(order("tea", 0)).unwrap_err().0, StatusCode::UNPROCESSABLE_ENTITY);
        drop(orders);
        let path = folder.path().join("orders.jsonl");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"good\": \"te"].concat()).unwrap();
        let orders = Orders::open(folder.path()).unwrap();
        assert_eq!((orders.left()["tea"], orders.left()["kettle"]), (998, 0));
        assert_eq!(orders.place(order("tea", 1)), Ok(3));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
