//! Whether an object store is what the settings say: asked once at the start, step by step as it will be used, so
//! that what is wrong is known before the first release, and by name.

use super::Error;
use super::store::Store;
use super::trouble::Trouble;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::{ObjectStoreExt, PutPayload};
use std::time::{Duration, Instant};

/// What the probe writes. Its name is no digest, so it is never taken for an artifact.
const PROBE: &str = "refit-probe";

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Whether what was written could be removed. Where it may not, releases that are removed leave their bytes.
    pub removes: bool,
    /// How long it took.
    pub took: Duration,
}

impl Store {
    /// Lists, writes, reads and removes.
    pub(super) async fn probe(&self) -> Result<Probed, Error> {
        let started = Instant::now();
        let key = self.shelf().clone().join(PROBE);
        // An answer to this says by its code what is wrong; those to others may have none.
        let first = async {
            let mut listed = self.reader().list(Some(self.shelf()));
            listed.next().await.transpose()
        };
        let listed = self.asked(first).await;
        listed.map_err(Error::store("list", self.shelf()))?;
        let bytes = Bytes::from_static(b"written by Refit to see whether it can");
        let written = self.asked(self.reader().put(&key, PutPayload::from(bytes.clone())));
        written.await.map_err(Error::store("write", &key))?;
        let read = async { self.reader().get(&key).await?.bytes().await };
        let read = self.asked(read).await.map_err(Error::store("read", &key))?;
        if read != bytes {
            return Err(Error::store("read", &key)(Trouble::WrongBytes));
        }
        let removes = match self.asked(self.reader().delete(&key)).await {
            Ok(()) => true,
            Err(Trouble::Denied(_)) => false,
            Err(trouble) => return Err(Error::store("remove", &key)(trouble)),
        };
        Ok(Probed {
            removes,
            took: started.elapsed(),
        })
    }
}
