//! Shipping samples to a server that fails in every way: nothing lost, nothing twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lepton_agent::series::{SeriesTable, Slot};
use lepton_agent::ship::{SampleShipper, ShipCounters, Target, TickEncoder, Token};
use lepton_agent::spool::{Reader, SpoolConfig, Writer, open};
use lepton_api::remote_write::Protocol;
use lepton_model::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::receiver::{Fault, Receiver, until};

const CONFIG: SpoolConfig = SpoolConfig { max_bytes: 4 << 20, segment_bytes: 4 << 10 };
const SERIES: usize = 5;

/// The collector's end: five series, a tick a second.
struct Machine {
    writer: Writer,
    encoder: TickEncoder,
    table: SeriesTable,
    slots: Vec<Slot>,
    tick: i64,
}

impl Machine {
    fn new(writer: Writer, tick: i64) -> Self {
        let mut table = SeriesTable::new(100);
        let slots = (0..SERIES).map(|n| table.counter("work_total", &[("part", &n.to_string())])).collect();
        Self { writer, encoder: TickEncoder::default(), table, slots, tick }
    }

    fn ticks(&mut self, count: usize) {
        let mut payload = Vec::new();
        for _ in 0..count {
            self.table.begin();
            for (part, slot) in self.slots.iter().enumerate() {
                self.table.set(*slot, (self.tick * 7 + part as i64) as f64 / 4.0);
            }
            let first = self.writer.roll_if_due().unwrap();
            self.encoder.encode(&self.table, Timestamp::from_millis(self.tick * 1_000), first, &mut payload);
            self.table.end();
            assert_eq!(self.writer.append(&payload).unwrap(), 0);
            self.tick += 1;
        }
    }
}

fn ship(
    reader: Reader,
    to: &Receiver,
    protocol: Protocol,
) -> (JoinHandle<()>, Arc<ShipCounters>, CancellationToken) {
    let target = Target {
        client: to.client(),
        path: "/v1/telemetry/prometheus".to_owned(),
        protocol,
        token: Token::Fixed("lpt_agent".into()),
        labels: vec![("node".to_owned(), "edge-1".to_owned())],
        timeout: Duration::from_millis(500),
    };
    let (counters, stop) = (Arc::new(ShipCounters::default()), CancellationToken::new());
    let shipper = SampleShipper::new(reader, target, Arc::clone(&counters));
    (tokio::spawn(shipper.run(stop.clone())), counters, stop)
}

/// Everything measured is there, with its value, once.
fn check_all(receiver: &Receiver, ticks: i64) {
    receiver.stored(|stored| {
        assert_eq!(stored.contradicted, 0);
        assert_eq!(stored.samples.len(), ticks as usize * SERIES);
        for tick in 0..ticks {
            for part in 0..SERIES {
                let series = format!("__name__=work_total,node=edge-1,part={part}");
                let value = (tick * 7 + part as i64) as f64 / 4.0;
                assert_eq!(
                    stored.samples.get(&(series, tick * 1_000)),
                    Some(&value.to_bits()),
                    "tick {tick}"
                );
            }
        }
    });
}

#[tokio::test]
async fn every_failure_is_outlived_in_both_versions() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start().await;
        let (writer, mut readers) = open(folder.path(), CONFIG, &["server"]).unwrap();
        let mut machine = Machine::new(writer, 0);
        let (task, counters, stop) = ship(readers.remove(0), &receiver, protocol);
        let faults = [
            Fault::Status(500),
            Fault::Status(503),
            Fault::Status(401),
            Fault::Busy(1),
            Fault::Hang,
            Fault::Cut,
            Fault::StoredAndCut,
            Fault::StoredAndHang,
        ];
        for fault in faults {
            receiver.fail(&[fault]);
            machine.ticks(3);
            let ticks = machine.tick;
            until(&format!("{fault:?}"), || {
                receiver.faults_left() == 0
                    && counters.shipped.load(Ordering::Relaxed) == ticks as u64 * SERIES as u64
            })
            .await;
        }
        assert!(counters.failures.load(Ordering::Relaxed) >= faults.len() as u64);
        assert!(receiver.stored(|stored| stored.repeated) > 0, "a lost acknowledgement means sending again");
        check_all(&receiver, machine.tick);
        stop.cancel();
        task.await.unwrap();
        assert!(machine.writer.is_read());
    }
}

#[tokio::test]
async fn an_outage_is_caught_up_in_order_and_collecting_never_waits() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let (writer, mut readers) = open(folder.path(), CONFIG, &["server"]).unwrap();
    let mut machine = Machine::new(writer, 0);
    let (task, counters, stop) = ship(readers.remove(0), &receiver, Protocol::V2);
    machine.ticks(2);
    until("the first ticks", || receiver.stored(|stored| stored.samples.len()) == 2 * SERIES).await;
    let stopped = receiver.stop().await;
    machine.ticks(1_000);
    until("a refused connection", || counters.failures.load(Ordering::Relaxed) > 1).await;
    let receiver = stopped.start().await;
    until("all", || receiver.stored(|stored| stored.samples.len()) == 1_002 * SERIES).await;
    check_all(&receiver, 1_002);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_crash_between_acknowledgement_and_cursor_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let mut ticks = 0;
    for round in 0..6 {
        let (writer, mut readers) = open(folder.path(), CONFIG, &["server"]).unwrap();
        let mut machine = Machine::new(writer, ticks);
        // Stored but never acknowledged; then the agent is gone, task, queue and all.
        receiver.fail(&[Fault::StoredAndHang]);
        let (task, ..) = ship(readers.remove(0), &receiver, Protocol::V2);
        machine.ticks(70);
        ticks = machine.tick;
        until("the fault", || receiver.faults_left() == 0).await;
        // Every second time after it has shipped on past the fault, which leaves the cursor in mid-segment.
        if round % 2 == 1 {
            until("more", || receiver.stored(|stored| stored.samples.len()) == ticks as usize * SERIES).await;
        }
        task.abort();
        let _ = task.await;
    }
    let (_writer, mut readers) = open(folder.path(), CONFIG, &["server"]).unwrap();
    let (task, _, stop) = ship(readers.remove(0), &receiver, Protocol::V2);
    until("all", || receiver.stored(|stored| stored.samples.len()) == ticks as usize * SERIES).await;
    check_all(&receiver, ticks);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn what_the_receiver_calls_malformed_is_given_up_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let (writer, mut readers) = open(folder.path(), CONFIG, &["server"]).unwrap();
    let mut machine = Machine::new(writer, 0);
    receiver.fail(&[Fault::Status(400)]);
    let (task, counters, stop) = ship(readers.remove(0), &receiver, Protocol::V2);
    machine.ticks(1);
    until("the refusal", || counters.refused.load(Ordering::Relaxed) == SERIES as u64).await;
    machine.ticks(1);
    until("the next tick", || receiver.stored(|stored| stored.samples.len()) == SERIES).await;
    receiver.stored(|stored| assert!(stored.authorizations.contains("Bearer lpt_agent")));
    stop.cancel();
    task.await.unwrap();
}
