//! Which grant does a device get, and what became of it? Every mint, use and refusal is counted here, and told once
//! a job in the feed of events.
//!
//! `choice.rs` decides without I/O; `ledger.rs` remembers, within bounds, what a restart may forget.

mod choice;
mod ledger;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use refit_depot::depot::Depot;
use refit_depot::grant::cloud::SessionCredential;
use refit_depot::grant::credential::Certificate;
use refit_depot::grant::presigned::Bound;
use refit_depot::grant::{Granted, Grants, Refused};
use refit_engine::events::{EventKind, Feed, GrantAct, GrantEvent};
use refit_engine::output::with_sources;
use refit_engine::send::{Grantor, Minted, Wanted};
use refit_protocol::delta;
use refit_protocol::device_id::DeviceId;
use refit_protocol::grant::{GrantKind, GrantPolicy, Strength, Ungranted};
use refit_protocol::job::JobId;
use refit_protocol::time::Timestamp;

use self::choice::{Choice, Circumstances, choose};
use self::ledger::Ledger;
use crate::config;

/// Mints the grants of this server, and keeps account of them.
pub(crate) struct Granting {
    grants: Arc<Grants>,
    /// An object store makes its own URLs, where nothing but time is to bind them.
    depot: Depot,
    settings: config::Grant,
    /// Whether devices have certificates here.
    certificates: bool,
    ledger: Mutex<Ledger>,
    pub(crate) figures: Figures,
}

/// How many there were of each.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// By kind and strength, as [`GRANTS`] has them.
    minted: [AtomicU64; GRANTS.len()],
    used: [AtomicU64; GRANTS.len()],
    /// By the reason of [`Ungranted::ALL`].
    withheld: [AtomicU64; Ungranted::ALL.len()],
    /// By the reason of [`Refused::REASONS`].
    refused: [AtomicU64; Refused::REASONS.len()],
}

/// The grants that there are.
const GRANTS: [(GrantKind, Strength); 5] = [
    (GrantKind::Presigned, Strength::Time),
    (GrantKind::Presigned, Strength::Address),
    (GrantKind::Presigned, Strength::Device),
    (GrantKind::Credential, Strength::Device),
    (GrantKind::Credential, Strength::Time),
];

fn place(kind: GrantKind, strength: Strength) -> usize {
    match kind {
        GrantKind::Presigned => strength as usize,
        GrantKind::Credential if matches!(strength, Strength::Time) => 4,
        GrantKind::Credential => 3,
    }
}

impl Figures {
    pub(crate) fn minted(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        by_grant(&self.minted)
    }

    pub(crate) fn used(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        by_grant(&self.used)
    }

    pub(crate) fn withheld(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let reasons = Ungranted::ALL.into_iter().map(Ungranted::as_str);
        reasons.zip(self.withheld.iter().map(|count| count.load(Relaxed)))
    }

    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Relaxed));
        Refused::REASONS.into_iter().zip(counts)
    }
}

fn by_grant(
    counts: &[AtomicU64; GRANTS.len()],
) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
    let grants = GRANTS.iter().zip(counts);
    grants.map(|((kind, strength), count)| (kind.as_str(), strength.as_str(), count.load(Relaxed)))
}

impl Granting {
    pub(crate) fn new(
        grants: Arc<Grants>,
        depot: Depot,
        settings: config::Grant,
        certificates: bool,
    ) -> Self {
        Self {
            grants,
            depot,
            settings,
            certificates,
            ledger: Mutex::new(Ledger::default()),
            figures: Figures::default(),
        }
    }

    /// Tells whether what is wanted is to be had by a credential, as its policy and things are.
    pub(crate) fn is_by_credential(&self, wanted: &Wanted<'_>, now: Timestamp) -> bool {
        let policy = wanted.policy.unwrap_or(&self.settings.policy);
        let circumstances = self.circumstances(wanted.device, wanted.job, wanted.address, now);
        let least = self.settings.policy.min_strength;
        choose(policy, least, &circumstances) == Ok(Choice::Credential)
    }

    /// Mints a credential for an artifact, for this certificate alone. Returns it, and when it expires.
    pub(crate) fn credential(
        &self,
        wanted: &Wanted<'_>,
        thumbprint: &[u8; 32],
        feed: &Feed,
        now: Timestamp,
    ) -> (String, Timestamp) {
        let policy = wanted.policy.unwrap_or(&self.settings.policy);
        let expires = self.expires(policy, wanted.length, now);
        let certificate = Certificate {
            device: wanted.device,
            thumbprint,
        };
        let token = self
            .grants
            .mint_credential(&wanted.digest, &certificate, expires);
        self.credential_minted(wanted, Strength::Device, feed, now);
        (token, expires)
    }

    /// Tells what a credential for this is bound to: an object store's own, by STS, to nothing but time; where more is
    /// demanded, or the store gives none, it is ours, which only the certificate's device can use.
    pub(crate) fn credential_strength(&self, policy: Option<&GrantPolicy>) -> Strength {
        let policy = policy.unwrap_or(&self.settings.policy);
        let least = policy.min_strength.max(self.settings.policy.min_strength);
        if self.depot.gives_sessions() && least == Strength::Time {
            Strength::Time
        } else {
            Strength::Device
        }
    }

    /// Asks the object store for a credential for an artifact; `None` if it gives none.
    pub(crate) async fn session(
        &self,
        wanted: &Wanted<'_>,
        feed: &Feed,
        now: Timestamp,
    ) -> Result<Option<SessionCredential>, refit_depot::backend::Error> {
        let policy = wanted.policy.unwrap_or(&self.settings.policy);
        let expires = self.expires(policy, wanted.length, now);
        let left = Duration::from_millis(expires.as_millis().saturating_sub(now.as_millis()));
        let session = self.depot.session(&wanted.digest, left, wanted.device, now);
        let session = session.await?;
        if session.is_some() {
            self.credential_minted(wanted, Strength::Time, feed, now);
        }
        Ok(session)
    }

    fn credential_minted(
        &self,
        wanted: &Wanted<'_>,
        strength: Strength,
        feed: &Feed,
        now: Timestamp,
    ) {
        self.minted(wanted, GrantKind::Credential, strength);
        let event = GrantEvent {
            job: wanted.job.cloned(),
            kind: Some(GrantKind::Credential),
            strength: Some(strength),
            act: GrantAct::Minted,
        };
        feed.add(
            now,
            Some(wanted.device.clone()),
            EventKind::Grant(Box::new(event)),
        );
    }

    /// Notes that a device itself, as its connection proves, asked over HTTPS from this address.
    pub(crate) fn seen(&self, device: &DeviceId, address: IpAddr, now: Timestamp) {
        self.ledger.lock().seen(device, address, now);
    }

    /// Notes that a grant was used.
    pub(crate) fn used(&self, granted: &Granted, feed: &Feed, now: Timestamp) {
        self.figures.used[place(granted.kind, granted.strength)].fetch_add(1, Relaxed);
        let Some(job) = self.ledger.lock().used(&granted.device) else {
            return;
        };
        let event = GrantEvent {
            job,
            kind: Some(granted.kind),
            strength: Some(granted.strength),
            act: GrantAct::Used,
        };
        feed.add(
            now,
            Some(granted.device.clone()),
            EventKind::Grant(Box::new(event)),
        );
    }

    /// Notes that a grant was refused. Whose it was is known only if its signature was good.
    pub(crate) fn refused(&self, refused: &Refused, feed: &Feed, now: Timestamp) {
        self.figures.refused[refused.place()].fetch_add(1, Relaxed);
        let told = self.ledger.lock().refused(refused, now);
        let Some(job) = told else { return };
        let event = GrantEvent {
            job,
            kind: None,
            strength: None,
            act: GrantAct::Refused(refused.reason()),
        };
        let device = refused.device().cloned();
        feed.add(now, device, EventKind::Grant(Box::new(event)));
    }

    fn minted(&self, wanted: &Wanted<'_>, kind: GrantKind, strength: Strength) {
        self.figures.minted[place(kind, strength)].fetch_add(1, Relaxed);
        self.ledger.lock().minted(wanted.device, wanted.job);
    }

    fn circumstances(
        &self,
        device: &DeviceId,
        job: Option<&JobId>,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Circumstances {
        let ledger = self.ledger.lock();
        Circumstances {
            certificates: self.certificates,
            address: ledger.address(device, now).or(address),
            refusals: ledger.refusals(device, job),
        }
    }

    fn expires(&self, policy: &GrantPolicy, length: Option<u64>, now: Timestamp) -> Timestamp {
        let lifetime = self.settings.lifetime(policy, length).as_millis();
        let lifetime = u64::try_from(lifetime).unwrap_or(u64::MAX);
        // A grant counts whole seconds.
        Timestamp(now.as_millis().saturating_add(lifetime) / 1000 * 1000)
    }
}

impl Granting {
    fn url(&self, wanted: &Wanted<'_>, bound: Bound, expires: Timestamp, now: Timestamp) -> String {
        if bound.strength() == Strength::Time {
            let left = expires.as_millis().saturating_sub(now.as_millis());
            match self
                .depot
                .presign(&wanted.digest, Duration::from_millis(left))
            {
                Ok(Some(url)) => return url,
                Ok(None) => {}
                // Our own is as good, and costs our own line: a device need not wait for who mends this.
                Err(error) => tracing::warn!(
                    "a URL of our own is given instead of the store's: {}",
                    with_sources(&error)
                ),
            }
        }
        let device = wanted.device;
        self.grants.mint(&wanted.digest, device, bound, expires)
    }
}

impl Grantor for Granting {
    fn mint(&self, wanted: &Wanted<'_>, now: Timestamp) -> Result<Minted, Ungranted> {
        let policy = wanted.policy.unwrap_or(&self.settings.policy);
        let circumstances = self.circumstances(wanted.device, wanted.job, wanted.address, now);
        let least = self.settings.policy.min_strength;
        let choice = choose(policy, least, &circumstances).inspect_err(|why| {
            let reason = Ungranted::ALL.iter().position(|other| other == why);
            if let Some(count) = reason.and_then(|place| self.figures.withheld.get(place)) {
                count.fetch_add(1, Relaxed);
            }
        })?;
        let minted = match choice {
            // It is counted when the device asks for it.
            Choice::Credential => Minted {
                url: self.grants.stable_url(&wanted.digest),
                grant: delta::Granted {
                    kind: GrantKind::Credential,
                    strength: self.credential_strength(wanted.policy),
                    expires: None,
                },
            },
            Choice::Url(bound) => {
                let expires = self.expires(policy, wanted.length, now);
                self.minted(wanted, GrantKind::Presigned, bound.strength());
                Minted {
                    url: self.url(wanted, bound, expires, now),
                    grant: delta::Granted {
                        kind: GrantKind::Presigned,
                        strength: bound.strength(),
                        expires: Some(expires),
                    },
                }
            }
        };
        Ok(minted)
    }
}
