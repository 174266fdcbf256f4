//! Reads of the store, off the async threads: a few readers, each used by one request at a time.

use std::sync::Arc;

use parking_lot::Mutex;
use refit_store::reader::Reader;
use refit_store::store::{Failure, Store};
use tokio::sync::Semaphore;

use crate::http::error::Problem;

/// How many requests read at a time: more would only wait for the same disk and two cores.
const READERS_MAX: usize = 8;

/// The readers of one server.
pub(crate) struct Readers {
    store: Arc<dyn Store>,
    idle: Mutex<Vec<Box<dyn Reader>>>,
    turns: Semaphore,
}

impl Readers {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        let idle = Mutex::new(Vec::new());
        Arc::new(Self {
            store,
            idle,
            turns: Semaphore::new(READERS_MAX),
        })
    }

    /// Does some reading on the blocking pool. A reader that failed is not used again.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut dyn Reader) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Problem> {
        let _turn = self
            .turns
            .acquire()
            .await
            .map_err(|_| Problem::stopping())?;
        let readers = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let idle = readers.idle.lock().pop();
            let mut reader = idle.map_or_else(|| readers.store.reader(), Ok)?;
            let read = work(&mut *reader)?;
            readers.idle.lock().push(reader);
            Ok(read)
        });
        done.await
            .map_err(|_| Problem::internal("a read was abandoned"))?
            .map_err(Problem::of_store)
    }
}
