//! Objects and the record as tables.

use std::sync::Arc;

use lepton_sql::{Column, ColumnType, Provided, SqlScope};
use rusqlite::types::Value as Sql;
use serde_json::json;

use super::estate::{Estate, name};

#[tokio::test]
async fn objects_have_columns() {
    let estate = Estate::small().await;
    for (query, expect) in [
        (
            "SELECT name, phase, cpu, memory, hostname FROM nodes WHERE cordoned = 0",
            "edge-1|ready|1.5|2147483648|host-1 edge-2|lost|1.5|2147483648|host-2",
        ),
        ("SELECT name FROM nodes WHERE labels ->> 'cloud' = 'own' AND phase = 'lost'", "edge-2"),
        (
            "SELECT project, name, replicas, ready, cpu, restarts FROM services ORDER BY name",
            "bank|ledger|1|1|0.0|0 default|shop|2|2|0.5|1",
        ),
        (
            "SELECT generation, created_at, spec ->> '$.command[0]' FROM services WHERE project = 'default' AND name = 'shop'",
            "1|2023-11-14T22:13:20.000Z|./shop",
        ),
        ("SELECT count(*) FROM services WHERE project = 'Not A Name'", "0"),
        ("SELECT name FROM services WHERE name = 'shop'", "shop"),
        ("SELECT name FROM services WHERE name = 'SHOP' COLLATE NOCASE", "shop"),
        ("SELECT name FROM services WHERE name IN ('shop', 'ledger', 'none') ORDER BY 1", "ledger shop"),
        (
            "SELECT name, ordinal, node, pid, exit_signal, exited_at FROM replicas WHERE project = 'default'",
            "shop|0|edge-1|100|9|2023-11-14T22:00:00.000Z shop|1|edge-2|101|9|2023-11-14T22:00:00.000Z",
        ),
        ("SELECT name, ordinal FROM checks WHERE NOT healthy", "shop|1"),
        (
            "SELECT action, name, node, generation FROM actions ORDER BY position",
            "start|shop|edge-1|1 stop|ledger|edge-2|null",
        ),
        ("SELECT name, reason FROM unplaced", "big|0 of 3 nodes fit"),
        ("SELECT phase, actions, unplaced, reason FROM plans", "executed|2|1|made"),
        ("SELECT name, holder, role, spec ->> 'hash' FROM tokens", "t-1|alice|admin|"),
        ("SELECT count(*) FROM incidents", "0"),
        ("SELECT count(*) FROM jobs", "0"),
        ("SELECT count(*) FROM replicas WHERE name = 'shop' OR project = 'bank'", "3"),
        ("SELECT count(*) FROM replicas WHERE name = 'shop' OR project = 'default'", "2"),
    ] {
        assert_eq!(estate.rows(query).await, expect, "{query}");
    }
}

#[tokio::test]
async fn tables_join() {
    let estate = Estate::small().await;
    let lost = "SELECT r.name, r.ordinal, n.phase FROM replicas r JOIN nodes n ON n.name = r.node WHERE n.phase = 'lost'";
    assert_eq!(estate.rows(lost).await, "shop|1|lost");
    let measured = "SELECT s.name, n.name, max(m.value) FROM services s JOIN replicas r USING (project, name) \
                    JOIN nodes n ON n.name = r.node JOIN samples m ON m.node = n.name \
                    WHERE m.metric = 'node_load1' AND s.name = 'shop' GROUP BY 1, 2 ORDER BY 2";
    assert_eq!(estate.rows(measured).await, "shop|edge-1|5.9 shop|edge-2|5.9");
    let around = "SELECT t.reason, m.value FROM timeline t JOIN latest m ON m.node = t.node \
                  WHERE t.act = 'exit' AND m.metric = 'node_load1' ORDER BY t.sequence DESC LIMIT 1";
    assert_eq!(estate.rows(around).await, "r19|0.0");
}

#[tokio::test]
async fn the_record_is_narrowed_by_what_is_asked() {
    let estate = Estate::small().await;
    for (query, expect) in [
        ("SELECT count(*), min(sequence), max(sequence) FROM timeline", "20|1|20"),
        ("SELECT reason FROM timeline ORDER BY sequence DESC LIMIT 3", "r19 r18 r17"),
        ("SELECT reason FROM timeline WHERE sequence > 17 ORDER BY sequence", "r17 r18 r19"),
        (
            "SELECT reason FROM timeline WHERE act IN ('start', 'exit') ORDER BY sequence DESC LIMIT 2",
            "r19 r18",
        ),
        (
            "SELECT reason FROM timeline WHERE act = 'start' OR name = 'ledger' ORDER BY sequence DESC LIMIT 2",
            "r19 r17",
        ),
        ("SELECT reason FROM timeline WHERE sequence BETWEEN 3 AND 4 ORDER BY sequence DESC", "r3 r2"),
        ("SELECT reason FROM timeline WHERE sequence = 5", "r4"),
        (
            "SELECT reason FROM timeline WHERE act = 'exit' AND project = 'bank' AND kind = 'service' AND name = 'ledger' LIMIT 2",
            "r11 r13",
        ),
        ("SELECT count(*) FROM timeline WHERE act = 'nonsense'", "0"),
        ("SELECT count(*) FROM timeline WHERE kind = 'nonsense'", "0"),
        ("SELECT reason FROM timeline WHERE time >= 1700000018000", "r18 r19"),
        ("SELECT reason FROM timeline WHERE time > 1700000017999.5", "r18 r19"),
        ("SELECT reason FROM timeline WHERE at > '2023-11-14T22:13:38.000Z'", "r19"),
        ("SELECT reason FROM timeline WHERE at <= '2023-11-14T22:13:21Z'", "r0 r1"),
        ("SELECT count(*) FROM timeline WHERE at >= '2023-11-14'", "20"),
        ("SELECT count(*) FROM timeline WHERE at > '2023-11-15'", "0"),
        (
            "SELECT at, after ->> 'n', actor, ordinal FROM timeline WHERE reason = 'r7'",
            "2023-11-14T22:13:27.000Z|7|agent:edge-1|0",
        ),
    ] {
        assert_eq!(estate.rows(query).await, expect, "{query}");
    }
}

#[tokio::test]
async fn a_project_sees_only_itself() {
    let estate = Estate::small().await;
    let bank = || SqlScope::Project(name("bank"));
    for (query, expect) in [
        ("SELECT name FROM services", "ledger"),
        ("SELECT name FROM services WHERE project = 'default'", ""),
        ("SELECT name FROM replicas", "ledger"),
        ("SELECT count(*) FROM nodes", "0"),
        ("SELECT count(*) FROM nodes WHERE name = 'edge-1'", "0"),
        ("SELECT count(*) FROM nodes WHERE project = 'estate'", "0"),
        ("SELECT count(*) FROM plans", "0"),
        ("SELECT count(*) FROM tokens", "0"),
        ("SELECT name FROM actions", "ledger"),
        ("SELECT count(*) FROM unplaced", "0"),
        ("SELECT count(*), min(project), max(project) FROM timeline", "10|bank|bank"),
        ("SELECT count(*) FROM timeline WHERE project = 'default'", "0"),
        ("SELECT metric, service FROM samples", "lepton_service_up|ledger"),
        ("SELECT count(*) FROM samples WHERE project = 'default'", "0"),
        ("SELECT count(*) FROM samples('lepton_service_up{project=~\".*\"}')", "1"),
        ("SELECT metric FROM latest", "lepton_service_up"),
        ("SELECT metric FROM series", "lepton_service_up"),
    ] {
        assert_eq!(estate.rows_in(bank(), query).await, expect, "{query}");
    }
}

#[tokio::test]
async fn everything_is_described() {
    let estate = Estate::small().await;
    let tables = estate.rows("SELECT name FROM lepton_tables ORDER BY name").await;
    for table in tables.split(' ') {
        let found = estate.rows(&format!("SELECT count(*) FROM {table}")).await;
        assert!(found.parse::<u64>().is_ok(), "{table}: {found}");
        let columns =
            estate.rows(&format!("SELECT name FROM lepton_columns WHERE table_name = '{table}'")).await;
        let listed = columns.replace(' ', "\", \"");
        let all = estate.rows(&format!("SELECT \"{listed}\" FROM {table} LIMIT 1")).await;
        assert!(!all.starts_with("error"), "{table}: {all}");
    }
    assert_eq!(estate.rows("SELECT count(*) FROM lepton_columns WHERE description = ''").await, "0");
    assert_eq!(estate.door.tables().len(), tables.split(' ').count());
    assert_ne!(estate.rows("SELECT count(*) FROM lepton_functions").await, "0");
}

#[tokio::test]
async fn a_server_adds_its_own() {
    let estate = Estate::small().await;
    let own = Provided {
        name: "reconcilers",
        description: "what the server does by itself",
        columns: vec![
            Column::new("name", ColumnType::Text, "its name"),
            Column::new("runs", ColumnType::Integer, "runs since the start"),
        ],
        narrows: vec!["name"],
        rows: Arc::new(|asked| match (asked.scope, asked.text("name")) {
            (SqlScope::All, None | Some("placement")) => {
                Box::new(std::iter::once(vec![Sql::Text("placement".into()), Sql::Integer(3)]))
            }
            _ => Box::new(std::iter::empty()),
        }),
    };
    let estate = Estate { door: estate.door.clone().with_table(own), ..estate };
    assert_eq!(estate.rows("SELECT name, runs FROM reconcilers WHERE runs > 2").await, "placement|3");
    assert_eq!(estate.rows("SELECT runs FROM reconcilers WHERE name = 'placement'").await, "3");
    assert_eq!(estate.rows("SELECT runs FROM reconcilers WHERE name = 'other'").await, "");
    assert_eq!(estate.rows_in(SqlScope::Project(name("bank")), "SELECT * FROM reconcilers").await, "");
    let report = estate.ask(SqlScope::All, "SELECT *, runs + 1 FROM reconcilers", Vec::new()).await.unwrap();
    let columns: Vec<_> =
        report.columns.iter().map(|c| (c.name.as_str(), c.declared_type.as_deref())).collect();
    assert_eq!(columns, [("name", Some("TEXT")), ("runs", Some("INTEGER")), ("runs + 1", None)]);
    assert_eq!(report.rows, [[json!("placement"), json!(3), json!(4)]]);
}
