//! What `lepton top` shows, asked for anew each time.

use std::collections::BTreeMap;

use lepton_api::v1::{EstateReport, SqlInput, TimelineRow};
use lepton_api::{Client, ListQuery, TimelineQuery};
use lepton_model::{Kind, NodeSpec, Object, ServiceSpec, Timestamp};
use serde_json::Value;

use crate::failure::Failure;

/// Rates are averages over so many milliseconds: two samples of an agent with the default interval fit in.
const WINDOW: i64 = 25_000;
/// Events shown at most.
const EVENTS: u32 = 50;

/// The last values and the rates of every node. `?1` is when the window begins.
const USAGE: &str = "\
WITH moved AS (
  SELECT node, metric, labels, max(value) - min(value) AS amount, (max(time) - min(time)) / 1000.0 AS seconds
  FROM samples
  WHERE time >= ?1 AND metric IN ('node_cpu_seconds_total', 'node_network_receive_bytes_total', 'node_network_transmit_bytes_total')
  GROUP BY node, metric, labels HAVING max(time) > min(time)
), rates AS (
  SELECT node,
    sum(amount / seconds) FILTER (WHERE metric = 'node_cpu_seconds_total' AND labels ->> 'mode' NOT IN ('idle', 'iowait')) AS busy,
    sum(amount / seconds) FILTER (WHERE metric = 'node_cpu_seconds_total') AS cores,
    sum(amount / seconds) FILTER (WHERE metric = 'node_network_receive_bytes_total' AND labels ->> 'device' <> 'lo') AS received,
    sum(amount / seconds) FILTER (WHERE metric = 'node_network_transmit_bytes_total' AND labels ->> 'device' <> 'lo') AS sent
  FROM moved GROUP BY node
), levels AS (
  SELECT node,
    max(value) FILTER (WHERE metric = 'node_memory_MemTotal_bytes') AS memory,
    max(value) FILTER (WHERE metric = 'node_memory_MemAvailable_bytes') AS memory_free,
    max(value) FILTER (WHERE metric = 'node_filesystem_size_bytes' AND labels ->> 'mountpoint' = '/') AS disk,
    max(value) FILTER (WHERE metric = 'node_filesystem_avail_bytes' AND labels ->> 'mountpoint' = '/') AS disk_free,
    max(value) FILTER (WHERE metric = 'node_load1') AS load
  FROM latest
  WHERE metric IN ('node_memory_MemTotal_bytes', 'node_memory_MemAvailable_bytes', 'node_filesystem_size_bytes', 'node_filesystem_avail_bytes', 'node_load1')
  GROUP BY node
)
SELECT levels.node, busy / cores, 1 - memory_free / memory, 1 - disk_free / disk, received, sent, load
FROM levels LEFT JOIN rates USING (node)";

/// What a node uses now. Shares are 0 to 1, rates bytes per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    pub cpu: Option<f64>,
    pub memory: Option<f64>,
    pub disk: Option<f64>,
    pub received: Option<f64>,
    pub sent: Option<f64>,
    pub load: Option<f64>,
}

/// The estate at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub server: String,
    pub status: EstateReport,
    pub nodes: Vec<(Object<NodeSpec>, Usage)>,
    pub services: Vec<Object<ServiceSpec>>,
    /// Newest last.
    pub events: Vec<TimelineRow>,
}

pub(super) async fn gather(client: &Client) -> Result<Snapshot, Failure> {
    let status = client.status().await?;
    let begin = status.now.as_millis().saturating_sub(WINDOW);
    let statement = SqlInput { query: USAGE.to_owned(), params: vec![begin.into()], max_rows: None };
    let every = ListQuery::default();
    let newest = TimelineQuery { limit: Some(EVENTS), ..TimelineQuery::default() };
    let (usage, nodes, services, events) = tokio::try_join!(
        client.sql(&statement),
        client.list_all(Kind::Node, &every),
        client.list_all(Kind::Service, &every),
        client.timeline(&newest),
    )?;
    let usage: BTreeMap<String, Usage> = usage.rows.iter().filter_map(|row| of_row(row)).collect();
    let nodes = nodes.items.iter().filter_map(|object| object.decode::<NodeSpec>().ok());
    Ok(Snapshot {
        server: client.server().to_owned(),
        nodes: nodes
            .map(|node| {
                let used = usage.get(node.meta.name.as_str()).copied();
                (node, used.unwrap_or_default())
            })
            .collect(),
        services: services.items.iter().filter_map(|object| object.decode().ok()).collect(),
        events: events.entries,
        status,
    })
}

fn of_row(row: &[Value]) -> Option<(String, Usage)> {
    let [node, cpu, memory, disk, received, sent, load] = row else { return None };
    let usage = Usage {
        cpu: cpu.as_f64(),
        memory: memory.as_f64(),
        disk: disk.as_f64(),
        received: received.as_f64(),
        sent: sent.as_f64(),
        load: load.as_f64(),
    };
    Some((node.as_str()?.to_owned(), usage))
}

impl Snapshot {
    /// The server's clock, by which ages are shown.
    pub fn now(&self) -> Timestamp {
        self.status.now
    }
}
