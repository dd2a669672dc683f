//! Connections that only read, shared by everyone; queries run off the runtime's own threads.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema;
use crate::StoreError;

/// A few connections and a permit for each.
pub(super) struct Readers {
    path: PathBuf,
    permits: Semaphore,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub fn new(path: PathBuf, count: usize) -> Self {
        Self { path, permits: Semaphore::new(count.max(1)), idle: Arc::default() }
    }

    /// Runs `query` in a read transaction: everything it sees is of one moment.
    pub async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.permits.acquire().await.map_err(|e| StoreError::Backend(e.to_string()))?;
        let idle = Arc::clone(&self.idle);
        let path = self.path.clone();
        let task = tokio::task::spawn_blocking(move || {
            let known = idle.lock().pop();
            let connection = match known {
                Some(connection) => connection,
                None => schema::open_reader(&path)?,
            };
            let result = (|| {
                let moment = connection.unchecked_transaction()?;
                let result = query(&moment);
                moment.commit()?;
                result
            })();
            idle.lock().push(connection);
            result
        });
        task.await.unwrap_or_else(|error| Err(StoreError::Backend(error.to_string())))
    }
}
