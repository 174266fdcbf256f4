//! How many devices hold which trust bundle, and whose certificates are in use.
//!
//! To count reads every device. So it is done at most once in [`KEEP`], however many ask, and by one of them at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refit_protocol::time::Timestamp;
use refit_store::identity::{IssuerCount, TrustCount};
use tokio::sync::Mutex;

use super::rotation::SEEN_MS;
use crate::http::error::Problem;
use crate::readers::Readers;

/// How long a count is told again.
const KEEP: Duration = Duration::from_secs(60);

/// A count.
#[derive(Debug)]
pub(crate) struct Counts {
    /// When it was made.
    pub(crate) at: Timestamp,
    /// Devices heard in 90 days, by the bundle that they reported.
    pub(crate) holds: Vec<TrustCount>,
    /// Certificates in use, by issuer.
    pub(crate) issuers: Vec<IssuerCount>,
}

/// The last count.
#[derive(Default)]
pub(crate) struct Counted(Mutex<Option<(Instant, Arc<Counts>)>>);

impl Counted {
    /// Returns a count that is at most a minute old. Who comes while another counts waits for that.
    pub(crate) async fn get(
        &self,
        readers: &Arc<Readers>,
        now: Instant,
        at: Timestamp,
    ) -> Result<Arc<Counts>, Problem> {
        let mut last = self.0.lock().await;
        if let Some((made, counts)) = &*last
            && now.saturating_duration_since(*made) < KEEP
        {
            return Ok(Arc::clone(counts));
        }
        let since = Timestamp(at.as_millis().saturating_sub(SEEN_MS));
        let read =
            readers.read(move |reader| Ok((reader.trust_counts(since)?, reader.issuers(at)?)));
        let (holds, issuers) = read.await?;
        let counts = Arc::new(Counts { at, holds, issuers });
        *last = Some((now, Arc::clone(&counts)));
        Ok(counts)
    }

    /// Has the next who asks count anew: what was counted is not so any more.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_store::sqlite::{Options, SqliteStore};

    #[tokio::test]
    async fn a_count_is_told_again_for_a_minute() {
        let home = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(Options::new(home.path())).unwrap();
        let readers = Readers::new(Arc::new(store));
        let (counted, begin) = (Counted::default(), Instant::now());
        let at = |seconds: u64| {
            let now = begin + Duration::from_secs(seconds);
            counted.get(&readers, now, Timestamp(seconds * 1000))
        };
        assert_eq!(at(0).await.unwrap().at, Timestamp(0));
        assert_eq!(at(59).await.unwrap().at, Timestamp(0));
        assert_eq!(at(60).await.unwrap().at, Timestamp(60_000));
        counted.forget().await;
        assert_eq!(at(61).await.unwrap().at, Timestamp(61_000));
    }
}
