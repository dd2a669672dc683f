//! The SQLite store passes the suite.

use std::sync::Arc;

use lepton_store::Store;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_many_threads() {
    run().await;
}

// On one thread, a store that blocked the runtime would hang.
#[tokio::test]
async fn on_one_thread() {
    run().await;
}

async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU64::new(0);
    lepton_store::conformance::run(|| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let store = super::open_store(&folder.path().join(format!("{number}.db")));
        async move { Arc::new(store) as Arc<dyn Store> }
    })
    .await;
}
