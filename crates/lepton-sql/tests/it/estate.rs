//! A small estate to ask about.

use std::sync::Arc;

use lepton_api::v1::{SqlInput, SqlReport};
use lepton_lake::{Lake, LakeConfig};
use lepton_model::{
    Act, Actor, EventId, Key, Kind, Labels, Name, Outcome, Subject, TimelineEntry, Timestamp, Uid,
};
use lepton_sql::{SqlConfig, SqlDoor, SqlError, SqlScope};
use lepton_store::{Change, Expect, SqliteConfig, SqliteStore, Store, Transaction};
use serde_json::{Value, json};

/// 2023-11-14T22:13:20Z
pub const NOW: i64 = 1_700_000_000_000;

pub struct Estate {
    pub door: SqlDoor,
    pub store: Arc<dyn Store>,
    pub lake: Lake,
    pub _folder: tempfile::TempDir,
}

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

impl Estate {
    pub fn empty(config: SqlConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("lepton.db"), &SqliteConfig::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let lake = Lake::open(LakeConfig::new(folder.path().join("lake"))).unwrap();
        let door = SqlDoor::new(Arc::clone(&store), lake.clone(), config);
        Self { door, store, lake, _folder: folder }
    }

    pub async fn small() -> Self {
        let estate = Self::empty(SqlConfig::default());
        for n in 1..=3 {
            let spec = json!({"cordoned": n == 3});
            let status = json!({
                "phase": if n == 2 { "lost" } else { "ready" },
                "capacity": {"cpu": "1500m", "memory": "2Gi"},
                "facts": {"hostname": format!("host-{n}"), "os": "Debian"},
            });
            estate.put(Kind::Node, "estate", &format!("edge-{n}"), &[("cloud", "own")], spec, status).await;
        }
        let shop =
            json!({"command": ["./shop"], "replicas": 2, "resources": {"cpu": "500m", "memory": "64Mi"}});
        estate
            .put(
                Kind::Service,
                "default",
                "shop",
                &[("tier", "web")],
                shop,
                service_status("default", "shop", 2),
            )
            .await;
        estate
            .put(
                Kind::Service,
                "bank",
                "ledger",
                &[],
                json!({"command": ["./l"]}),
                service_status("bank", "ledger", 1),
            )
            .await;
        let token = json!({"name": "alice", "hash": "5ec4e7", "role": "admin"});
        estate.put(Kind::Token, "estate", "t-1", &[], token, json!({})).await;
        let id = "018bcfe5-6800-7000-8000-000000000009";
        let replica = |project: &str, name: &str| json!({"kind": "service", "project": project, "name": name, "ordinal": 0});
        let plan = json!({
            "id": id, "snapshot": 5, "made_at": "2023-11-14T22:13:20Z", "reason": "made", "risk": "low",
            "actions": [
                {"replica": replica("default", "shop"), "reason": "fits", "risk": "low",
                 "kind": {"start": {"node": "edge-1", "incarnation": 1, "generation": 1, "ports": {}}}},
                {"replica": replica("bank", "ledger"), "reason": "gone", "risk": "medium", "kind": {"stop": {"node": "edge-2"}}},
            ],
            "unplaced": [{"replica": replica("default", "big"), "reason": "0 of 3 nodes fit"}],
        });
        estate.put(Kind::Plan, "estate", id, &[], plan, json!({"phase": "executed"})).await;
        estate.record().await;
        estate.measure();
        estate
    }

    pub async fn put(
        &self,
        kind: Kind,
        project: &str,
        of: &str,
        labels: &[(&str, &str)],
        spec: Value,
        status: Value,
    ) {
        let key = Key::new(kind, name(project), name(of));
        let labels: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let uid = Uid::from_parts(at(0), [3; 10]);
        let changes = vec![
            Change::PutSpec { key: key.clone(), uid, labels, spec, expect: Expect::Any },
            Change::PutStatus { key, status, expect: Expect::Present },
        ];
        self.store.commit(at(0), Transaction { changes, ..Transaction::default() }).await.unwrap();
    }

    /// Twenty entries a second apart: even ones about `shop`, odd ones about `ledger`.
    async fn record(&self) {
        let timeline = (0..20_u8)
            .map(|n| {
                let (project, of) =
                    if n.is_multiple_of(2) { ("default", "shop") } else { ("bank", "ledger") };
                TimelineEntry {
                    id: EventId::from_parts(at(0), [n; 10]),
                    at: at(i64::from(n) * 1_000),
                    actor: Actor::agent(&name("edge-1")),
                    act: if n < 10 { Act::Start } else { Act::Exit },
                    subject: Subject {
                        kind: Kind::Service,
                        project: name(project),
                        name: name(of),
                        replica: Some(0),
                    },
                    node: Some(name("edge-1")),
                    plan: None,
                    reason: format!("r{n}"),
                    outcome: Outcome::Ok,
                    before: None,
                    after: Some(json!({"n": n})),
                }
            })
            .collect();
        self.store.commit(at(0), Transaction { timeline, ..Transaction::default() }).await.unwrap();
    }

    /// An hour of samples, one a minute, of two metrics on three nodes, and one of each project's service.
    fn measure(&self) {
        let mut batch = self.lake.batch();
        for node in ["edge-1", "edge-2", "edge-3"] {
            for mode in ["idle", "user"] {
                batch
                    .series(&[("__name__", "node_cpu_seconds_total"), ("node", node), ("mode", mode)])
                    .unwrap();
                (0..60).for_each(|n| batch.sample(NOW - n * 60_000, (60 - n) as f64));
            }
            batch.series(&[("__name__", "node_load1"), ("node", node)]).unwrap();
            (0..60).for_each(|n| batch.sample(NOW - n * 60_000, n as f64 / 10.0));
        }
        for (project, service) in [("default", "shop"), ("bank", "ledger")] {
            let labels = [
                ("__name__", "lepton_service_up"),
                ("node", "edge-1"),
                ("project", project),
                ("service", service),
            ];
            batch.series(&labels).unwrap();
            batch.sample(NOW, 1.0);
        }
        self.lake.append(&batch, NOW).unwrap();
    }

    pub async fn ask(&self, scope: SqlScope, query: &str, params: Vec<Value>) -> Result<SqlReport, SqlError> {
        let input = SqlInput { query: query.to_owned(), params, max_rows: None };
        self.door.query(at(0), scope, input).await
    }

    /// The rows as text: cells joined by `|`, rows by a space.
    pub async fn rows(&self, query: &str) -> String {
        self.rows_in(SqlScope::All, query).await
    }

    pub async fn rows_in(&self, scope: SqlScope, query: &str) -> String {
        let report = match self.ask(scope, query, Vec::new()).await {
            Ok(report) => report,
            Err(error) => return format!("error: {error}"),
        };
        let cell = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let row = |row: &Vec<Value>| row.iter().map(cell).collect::<Vec<_>>().join("|");
        report.rows.iter().map(row).collect::<Vec<_>>().join(" ")
    }
}

fn service_status(project: &str, of: &str, replicas: u32) -> Value {
    let replica = |n: u32| {
        json!({
            "kind": "service", "project": project, "name": of, "ordinal": n, "incarnation": 1, "generation": 1,
            "node": format!("edge-{}", n + 1), "phase": "running", "pid": 100 + n, "restarts": n,
            "last_exit": {"signal": 9, "at": "2023-11-14T22:00:00Z"},
            "checks": [{"name": "http", "healthy": n == 0, "message": "200 OK", "at": "2023-11-14T22:13:00Z"}],
        })
    };
    json!({"phase": "running", "ready": replicas, "placed": replicas, "replicas": (0..replicas).map(replica).collect::<Vec<_>>()})
}
