//! The thread that keeps the identity good: it sleeps until something is due, or the link has news.

use super::log::say;
use super::{News, now};
use crate::files::Files;
use crate::http::Client;
use crate::identity::current::Current;
use crate::machine::input::Input;
use crate::renewal::{Due, Failure, Keeper, due, pause};
use refit_protocol::time::Monotonic;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// The longest sleep: a wall clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// The mean time between two questions for the trust bundle, and the least between two proofs that a refusal has caused.
/// Each device waits half to one and a half times as long: a fleet that comes back together does not ask together again.
const TRUST_MS: u64 = 24 * 60 * 60 * 1000;
const PROOF_MS: u64 = 60 * 60 * 1000;

/// What the link has to say to it.
pub(super) enum Nudge {
    /// It is up.
    Up,
    /// The server does not take the identity; perhaps it has expired by the server's clock.
    Refused,
}

/// All that the thread works with.
pub(super) struct Post {
    pub(super) files: Arc<dyn Files>,
    pub(super) root: PathBuf,
    pub(super) current: Arc<Current>,
    pub(super) client: Client,
    pub(super) keep_key: bool,
    pub(super) nudges: Receiver<Nudge>,
    pub(super) news: Sender<News>,
}

/// Runs until the process ends. `draw` gives a number below its argument.
pub(super) fn run(post: &Post, draw: &mut dyn FnMut(u64) -> u64) {
    let keeper = Keeper {
        files: &*post.files,
        root: &post.root,
        current: &post.current,
        client: &post.client,
        keep_key: post.keep_key,
    };
    let mut watch = Watch {
        failures: 0,
        not_before: Monotonic(0),
        trusted: None,
        told_to_renew: false,
        proven: None,
    };
    loop {
        let wait = watch.work(&keeper, &post.news, draw);
        match post.nudges.recv_timeout(wait.min(LOOK)) {
            Ok(Nudge::Up) => watch.trust(&keeper, &post.news, draw),
            Ok(Nudge::Refused) => watch.refused(&keeper, &post.news),
            // A connection may stay up for months.
            Err(RecvTimeoutError::Timeout) if watch.trusted.is_some() => {
                watch.trust(&keeper, &post.news, draw);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

struct Watch {
    failures: u32,
    not_before: Monotonic,
    /// When it was last asked for the trust bundle, and for how many milliseconds it is not asked again.
    trusted: Option<(Monotonic, u64)>,
    /// The server said that the identity is of a CA that signs no longer.
    told_to_renew: bool,
    proven: Option<Monotonic>,
}

impl Watch {
    /// Does what is due, and returns how long nothing is.
    fn work(
        &mut self,
        keeper: &Keeper<'_>,
        news: &Sender<News>,
        draw: &mut dyn FnMut(u64) -> u64,
    ) -> Duration {
        let now = now();
        let due = match due(&keeper.current.get().identity, now.wall) {
            Due::Wait(_) if self.told_to_renew => Due::Renew,
            due => due,
        };
        let left = Duration::from_millis(self.not_before.since(now.mono));
        let done = match due {
            Due::Wait(wait) => return wait,
            Due::Renew | Due::Prove if !left.is_zero() => return left,
            Due::Renew => keeper.renew(),
            // A clock that is wrong may say so of a certificate that is good.
            Due::Prove => keeper
                .prove()
                .or_else(|why| keeper.renew().map_err(|_| why)),
        };
        match done {
            Ok(()) => {
                self.failures = 0;
                self.told_to_renew = false;
                renewed(keeper, news);
                LOOK
            }
            Err(failure) => {
                let wait = pause(self.failures, &failure, draw);
                self.failures = self.failures.saturating_add(1);
                self.not_before = now.mono.after(wait.as_millis() as u64);
                let (Failure { reason, .. }, minutes) = (failure, wait.as_secs() / 60);
                say(&format!(
                    "the identity was not renewed: {reason}; trying again in {minutes} minutes"
                ));
                wait
            }
        }
    }

    /// Asks for the trust bundle, if that is due.
    fn trust(
        &mut self,
        keeper: &Keeper<'_>,
        news: &Sender<News>,
        draw: &mut dyn FnMut(u64) -> u64,
    ) {
        let now = now().mono;
        let is_early = |(at, pause)| now.since(at) < pause;
        if self.trusted.is_some_and(is_early) {
            return;
        }
        match keeper.trust() {
            Ok(heard) => {
                self.trusted = Some((now, TRUST_MS / 2 + draw(TRUST_MS)));
                if heard.renew {
                    say("the fleet moves to another authority: the identity is renewed now");
                    self.told_to_renew = true;
                }
                if heard.is_newer {
                    say("the trust bundle is newer");
                    report(keeper, news);
                }
            }
            // The next connection asks again.
            Err(failure) => say(&format!(
                "the trust bundle could not be asked for: {}",
                failure.reason
            )),
        }
    }

    fn refused(&mut self, keeper: &Keeper<'_>, news: &Sender<News>) {
        let now = now().mono;
        if self.proven.is_some_and(|at| now.since(at) < PROOF_MS) {
            return;
        }
        self.proven = Some(now);
        if keeper.prove().is_ok() {
            renewed(keeper, news);
        }
    }
}

fn renewed(keeper: &Keeper<'_>, news: &Sender<News>) {
    say("the identity was renewed");
    report(keeper, news);
}

fn report(keeper: &Keeper<'_>, news: &Sender<News>) {
    let number = keeper.current.get().identity.trust.number;
    drop(news.send(News::Input(Input::Trust(number))));
}
