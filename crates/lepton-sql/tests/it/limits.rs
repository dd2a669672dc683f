//! Every limit, reached.

use std::time::Duration;

use lepton_api::v1::SqlInput;
use lepton_sql::{SqlConfig, SqlError, SqlScope};
use serde_json::json;

use super::estate::{Estate, at};

const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)";

fn config() -> SqlConfig {
    SqlConfig { time: Duration::from_millis(300), ..SqlConfig::default() }
}

#[tokio::test]
async fn results_are_cut_and_say_so() {
    let estate = Estate::empty(SqlConfig { rows: 50, result_bytes: 1_000, ..SqlConfig::default() });
    let ask = |query: String, max_rows| {
        let input = SqlInput { query, params: Vec::new(), max_rows };
        let door = estate.door.clone();
        async move {
            let report = door.query(at(0), SqlScope::All, input).await.unwrap();
            (report.rows.len(), report.truncated)
        }
    };
    assert_eq!(ask(format!("{ENDLESS} SELECT x FROM n LIMIT 50"), None).await, (50, false));
    assert_eq!(ask(format!("{ENDLESS} SELECT x FROM n"), None).await, (50, true));
    assert_eq!(ask(format!("{ENDLESS} SELECT x FROM n"), Some(7)).await, (7, true));
    assert_eq!(ask(format!("{ENDLESS} SELECT x FROM n LIMIT 7"), Some(7)).await, (7, false));
    assert_eq!(
        ask(format!("{ENDLESS} SELECT x FROM n"), Some(1_000_000)).await,
        (50, true),
        "asking for more"
    );
    assert_eq!(
        ask(format!("{ENDLESS} SELECT hex(zeroblob(200)) FROM n"), None).await,
        (2, true),
        "bytes count too"
    );
}

#[tokio::test]
async fn time_runs_out() {
    let estate = Estate::empty(config());
    for query in
        ["SELECT count(*) FROM n", "SELECT x FROM n WHERE x < 0", "SELECT max(a.x + b.x) FROM n a, n b"]
    {
        let refused = estate.ask(SqlScope::All, &format!("{ENDLESS} {query}"), Vec::new()).await;
        assert_eq!(refused, Err(SqlError::Time { limit: Duration::from_millis(300) }), "{query}");
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    let estate = Estate::empty(SqlConfig { memory: 48 << 20, ..SqlConfig::default() });
    for query in [
        "SELECT x, randomblob(1000) r FROM n ORDER BY r",
        "SELECT DISTINCT randomblob(1000) FROM n WHERE x < 0 OR randomblob(500) IN (SELECT randomblob(1000) FROM n)",
        "SELECT count(*) FROM (SELECT randomblob(1000) r FROM n GROUP BY r)",
    ] {
        let refused = estate.ask(SqlScope::All, &format!("{ENDLESS} {query}"), Vec::new()).await;
        assert_eq!(refused, Err(SqlError::Memory { limit: 48 << 20 }), "{query}");
    }
    let long =
        estate.rows("SELECT length(group_concat(hex(zeroblob(1000000)))) FROM (VALUES (1), (2), (3))").await;
    assert_eq!(long, "error: string or blob too big");
    assert_eq!(estate.rows("SELECT 1").await, "1");
}

#[tokio::test]
async fn the_text_is_bounded() {
    let estate = Estate::empty(SqlConfig { statement_bytes: 100, ..SqlConfig::default() });
    let refused = estate.ask(SqlScope::All, &format!("SELECT 1 -- {}", "x".repeat(200)), Vec::new()).await;
    assert_eq!(refused, Err(SqlError::TooLong { bytes: 212, limit: 100 }));
}

#[tokio::test]
async fn turns_are_taken_and_given_back() {
    let estate =
        Estate::empty(SqlConfig { side_by_side: 1, time: Duration::from_secs(30), ..SqlConfig::default() });
    let endless = estate.ask(
        SqlScope::All,
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
        vec![],
    );
    // The caller goes away; the statement must end with it, or the next one would wait half a minute.
    assert!(tokio::time::timeout(Duration::from_millis(100), endless).await.is_err());
    let next = tokio::time::timeout(Duration::from_secs(10), estate.rows("SELECT 1")).await;
    assert_eq!(next.expect("the turn was given back"), "1");
}

#[tokio::test]
async fn parameters_are_bound_or_refused() {
    let estate = Estate::small().await;
    let ask = |query: &'static str, params| estate.ask(SqlScope::All, query, params);
    let report = ask(
        "SELECT ?1, ?2, ?3, ?4, ?5",
        vec![json!(null), json!(true), json!(-3), json!(1.5), json!("x' OR 1")],
    )
    .await;
    assert_eq!(report.unwrap().rows, [[json!(null), json!(1), json!(-3), json!(1.5), json!("x' OR 1")]]);
    let report = ask("SELECT name FROM services WHERE name = ?1", vec![json!("shop")]).await;
    assert_eq!(report.unwrap().rows, [[json!("shop")]]);
    for (query, params, expect) in [
        ("SELECT ?1", vec![], "the statement takes 1 parameters, and params has 0"),
        ("SELECT 1", vec![json!(1)], "the statement takes 0 parameters, and params has 1"),
        ("SELECT ?", vec![json!([1])], "params[0]: must be null, a boolean, a number or a string"),
    ] {
        assert_eq!(ask(query, params).await, Err(SqlError::Params(expect.to_owned())));
    }
}
