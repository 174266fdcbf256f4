//! The thread that keeps the index: it waits for news and for certificates to expire, and decides nothing.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use refit_store::reader::Reader;
use refit_store::store::Failure;

use super::clock::Clock;
use crate::indexing::keeper::Keeper;
use crate::indexing::{Indexing, News};
use crate::output::with_sources;
use crate::releases::Releases;

/// How long it waits before it tries again what could not be read, and at most for anything: the wall clock may jump.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Builds the index, and starts the thread that keeps it.
pub(super) fn start(
    reader: Box<dyn Reader>,
    releases: Arc<Releases>,
) -> Result<(Indexing, JoinHandle<()>), Failure> {
    let clock = Clock::start();
    let keeper = Keeper::build(reader, releases, clock.now().wall)?;
    let (mail, received) = unbounded();
    let indexing = Indexing::new(Arc::clone(keeper.index()), mail);
    let thread = std::thread::Builder::new()
        .name("refit-index".into())
        .spawn(move || run(keeper, &clock, &received))
        .map_err(|error| Failure::Unknown(Arc::new(error)))?;
    Ok((indexing, thread))
}

fn run(mut keeper: Keeper, clock: &Clock, received: &Receiver<News>) {
    let mut settling: Vec<Sender<()>> = Vec::new();
    let mut failed = false;
    loop {
        let now = clock.now().wall;
        let wait = match keeper.next_due() {
            _ if keeper.is_busy() && !failed => Duration::ZERO,
            Some(due) => Duration::from_millis(due.0.saturating_sub(now.0) + 1).min(PAUSE_MAX),
            None => PAUSE_MAX,
        };
        let taken = match received.recv_timeout(wait) {
            Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(News::Settle(answer)) => {
                settling.push(answer);
                Ok(())
            }
            Ok(news) => keeper.take(news, clock.now().wall),
            Err(RecvTimeoutError::Timeout) => keeper.go_on(clock.now().wall),
        };
        failed = taken.is_err();
        if let Err(failure) = taken {
            tracing::error!(
                "the index of the fleet is behind: {}",
                with_sources(&failure)
            );
        }
        if !keeper.is_busy() {
            for answer in settling.drain(..) {
                // Whoever asked may have gone.
                answer.send(()).unwrap_or_default();
            }
        }
    }
}
