//! The acts by which a fleet moves to another CA while the server runs: rotate, switch, finish (semantics 18).
//!
//! Each is one row in the store, with its line of the audit log; what it needs is there before, what follows comes after,
//! and a server that was killed between the two is brought to the same end by its next start. They wait for the disk.

use refit_access::audit::Entry;
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_identity::ca::check_root;
use refit_identity::{Bundle, pem};
use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_store::identity::ClaimRow;
use serde_json::{Value, json};

use super::authority::files::Loaded;
use super::authority::trusted::{Said, Trusted};
use super::authority::{Error, record};
use super::enrol::Office;
use super::rotation::{Count, Stage, is_too_many};
use crate::desk;
use crate::http::error::{FieldCode, Kind, Problem};

/// How an act is meant.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// Who wants it.
    pub(crate) by: Author,
    /// Whether nothing is to be changed.
    pub(crate) dry: bool,
    /// Whether devices that are not ready are left behind.
    pub(crate) force: bool,
}

/// What an act has made, or would make.
pub(crate) struct Turned {
    pub(crate) stage: Stage,
    /// The number of the trust bundle.
    pub(crate) number: u64,
    /// Devices heard in 90 days.
    pub(crate) seen: u64,
    /// Devices heard in 90 days that do not trust the root that is to sign.
    pub(crate) lacking: u64,
    /// Certificates in use of an issuer that does not sign any more.
    pub(crate) left: u64,
    /// More that have expired, and could still be renewed.
    pub(crate) left_expired: u64,
    /// Claim tokens that are good, and pin what the server no longer shows.
    pub(crate) ending_tokens: Vec<ClaimId>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(failure) => Self::of_store(failure),
            error => Self::new(Kind::Conflict, error.to_string()),
        }
    }
}

impl Office {
    /// Has devices trust a second root: one that is made here, or the operator's own.
    pub(crate) fn rotate(
        &self,
        root: Option<&str>,
        manner: &Manner,
        now: Timestamp,
    ) -> Result<Turned, Problem> {
        let _turn = self.authority.turn.lock();
        let (trusted, count) = (self.authority.trusted(), self.count(now)?);
        if count.history.stage(&trusted) != Stage::Steady {
            return Err(conflict(
                "a change of the CA is under way; `refit ca status` shows how far it is, `refit ca switch` and `refit ca finish` end it",
            ));
        }
        let root = match root {
            Some(root) => Some(own_root(root, &trusted, now)?),
            None if self.authority.home.is_own() => {
                return Err(conflict(
                    "the fleet's CA is your own, so the next is yours too: give its root (`refit ca rotate --root FILE`)",
                ));
            }
            None => self.next_root(&count, manner.dry, now)?,
        };
        // In a trial there may be no root yet.
        let learnt = match &root {
            Some(root) => self.turn(&trusted, trusted.said.and(root), None, manner, now)?,
            None => trusted.bundle.number + 1,
        };
        Ok(Turned {
            stage: Stage::Learning,
            number: learnt,
            seen: count.seen(),
            lacking: count.seen(),
            left: count.left(trusted.ca.name()),
            left_expired: count.left_expired(trusted.ca.name()),
            ending_tokens: Vec::new(),
        })
    }

    /// Has the new CA sign from now on. Refused while more than so many percent of the devices do not trust its root.
    pub(crate) fn switch(
        &self,
        lacking_max_percent: f64,
        shows_own: bool,
        manner: &Manner,
        now: Timestamp,
    ) -> Result<Turned, Problem> {
        let _turn = self.authority.turn.lock();
        let (trusted, count) = (self.authority.trusted(), self.count(now)?);
        let next = self.next_ca(&trusted, &count)?;
        let lacking = count.history.lacking(next.ca.root_der(), &count.holds);
        let seen = count.seen();
        if !manner.force && is_too_many(lacking, seen, lacking_max_percent) {
            return Err(Problem::new(
                Kind::DevicesLeft,
                format!(
                    "{lacking} of {seen} devices that were heard in 90 days do not trust the new root yet, more than {lacking_max_percent} %: they could not reach the server any more. Wait until they have asked for the trust bundle, or leave them behind (force)"
                ),
            )
            .with("lacking", lacking)
            .with("seen", seen));
        }
        let ending_tokens = match shows_own {
            true => Vec::new(),
            false => self.good_claims(now)?,
        };
        let said = trusted.said.with(&next)?;
        let name = next.ca.name();
        let number = self.turn(&trusted, said, Some(next), manner, now)?;
        if !manner.dry {
            // It stands already; the next start would do this too.
            if let Err(error) = self.authority.home.exchange() {
                tracing::error!("the new CA signs, and its files were not put in place: {error}");
            }
        }
        Ok(Turned {
            stage: Stage::Moving,
            number,
            seen,
            lacking,
            left: count.left(name),
            left_expired: count.left_expired(name),
            ending_tokens,
        })
    }

    /// Ends the trust in all but the CA that signs. Refused while devices hold certificates of another. By force before the
    /// switch it is the way back: the root that was to be next is withdrawn, and nobody was signed by it.
    pub(crate) fn finish(&self, manner: &Manner, now: Timestamp) -> Result<Turned, Problem> {
        let _turn = self.authority.turn.lock();
        let (trusted, count) = (self.authority.trusted(), self.count(now)?);
        match count.history.stage(&trusted) {
            Stage::Moving => {}
            Stage::Learning if manner.force => {}
            Stage::Learning => {
                return Err(conflict(
                    "the new CA does not sign yet: `refit ca switch` comes first; or withdraw its root, if it is the wrong one (force)",
                ));
            }
            Stage::Steady => {
                return Err(conflict(
                    "there is one CA, and no change of it is under way",
                ));
            }
        }
        let own = trusted.ca.name();
        let left = count.left(own);
        if left > 0 && !manner.force {
            return Err(Problem::new(
                Kind::DevicesLeft,
                format!(
                    "{left} devices still hold certificates of the CA before: they would be locked out. Wait until they have renewed, or leave them behind (force)"
                ),
            )
            .with("left", left));
        }
        let number = self.turn(&trusted, trusted.said.alone(), None, manner, now)?;
        if !manner.dry && left > 0 {
            self.expel_holders(own, now)?;
        }
        Ok(Turned {
            stage: Stage::Steady,
            number,
            seen: count.seen(),
            lacking: count.history.lacking(trusted.ca.root_der(), &count.holds),
            left,
            left_expired: count.left_expired(own),
            ending_tokens: Vec::new(),
        })
    }

    /// Counts who has moved, just now.
    fn count(&self, now: Timestamp) -> Result<Count, Problem> {
        let grace = self.authority.terms.grace_ms;
        self.store
            .reader()
            .and_then(|mut reader| Count::read(&mut *reader, grace, now))
            .map_err(Problem::of_store)
    }

    /// Makes the next CA, or finds the one that a rotation which was cut has made; `None`: in a trial there is none.
    fn next_root(
        &self,
        count: &Count,
        dry: bool,
        now: Timestamp,
    ) -> Result<Option<String>, Problem> {
        let home = &self.authority.home;
        if let Some(next) = home.load_next()? {
            let root = next.ca.root_der();
            // One that was withdrawn is not taken again, perhaps its key is why; and one that is too old is of no use.
            let is_usable = !count.history.knew(root) && check_root(root, now).is_ok();
            match (is_usable, dry) {
                (true, _) => return Ok(Some(next.root)),
                (false, true) => return Ok(None),
                (false, false) => home.set_next_aside()?,
            }
        }
        if !dry {
            home.make_next(now)?;
        }
        Ok(home.load_next()?.map(|next| next.root))
    }

    /// The CA that is to sign: what was made for it, or what the operator's own files hold now.
    fn next_ca(&self, trusted: &Trusted, count: &Count) -> Result<Loaded, Problem> {
        let home = &self.authority.home;
        let next = count.history.next(&trusted.bundle);
        if home.is_own() {
            let loaded = home.load()?;
            if loaded.ca.issuer_der() == trusted.ca.issuer_der() {
                return Err(conflict(
                    "the files of [ca] hold the issuer that signs already: put the new certificates and key there, then switch",
                ));
            }
            if loaded.ca.is_namesake_of(&trusted.ca) {
                return Err(conflict(
                    "the new issuer has another key and the same name as the one that signs: certificates are counted by the name of their issuer, so nobody could tell who is left. Make it with another subject",
                ));
            }
            return Ok(loaded);
        }
        let Some(next) = next else {
            return Err(conflict(
                "there is no CA to switch to: `refit ca rotate` makes one",
            ));
        };
        match home.load_next()? {
            Some(loaded) if loaded.ca.root_der() == next => Ok(loaded),
            Some(_) | None => Err(conflict(
                "the next root is your own: name its issuer and key in [ca] of the configuration and restart; that is the switch",
            )),
        }
    }

    /// Makes it so: first in the store, with its line of the audit log, then here. Returns the number of the bundle.
    fn turn(
        &self,
        trusted: &Trusted,
        said: Said,
        next: Option<Loaded>,
        manner: &Manner,
        now: Timestamp,
    ) -> Result<u64, Problem> {
        let (ca, path) = match next {
            Some(next) => (next.ca, next.path),
            None => (trusted.ca.clone(), "the trust bundle".into()),
        };
        let number = trusted.bundle.number + 1;
        let mut new = Trusted::read(number, said, ca, &path)?;
        if manner.dry {
            return Ok(number);
        }
        let audit = line(manner, trusted, &new);
        new.bundle.number = record(&*self.store, &new.said, Some(audit), now)?;
        let number = new.bundle.number;
        self.authority.replace(new);
        Ok(number)
    }

    fn good_claims(&self, now: Timestamp) -> Result<Vec<ClaimId>, Problem> {
        let claims = self.store.reader().and_then(|mut reader| reader.claims());
        let is_good = |row: &ClaimRow| row.revoked.is_none() && row.expires > now && row.left > 0;
        let good = claims
            .map_err(Problem::of_store)?
            .into_iter()
            .filter(is_good);
        Ok(good.map(|row| row.id).collect())
    }

    /// Cuts the connections of devices whose certificates are of an issuer that is trusted no longer.
    fn expel_holders(&self, issuer: Digest, now: Timestamp) -> Result<(), Problem> {
        let holders = self
            .store
            .reader()
            .and_then(|mut reader| reader.holders_of_others(issuer, now));
        let holders: Vec<DeviceId> = holders.map_err(Problem::of_store)?;
        for device in &holders {
            self.fleet.expel(device);
        }
        Ok(())
    }
}

/// Reads a root that the operator brings.
fn own_root(text: &str, trusted: &Trusted, now: Timestamp) -> Result<String, Problem> {
    let refused = |why: String| Problem::of_field("root", FieldCode::Malformed, why);
    let bundle = Bundle::read(1, text).map_err(|why| refused(format!("root: {why}")))?;
    let [root] = bundle.roots() else {
        return Err(refused("root is exactly one certificate".into()));
    };
    check_root(root, now).map_err(|why| refused(format!("root: {why}")))?;
    if trusted.bundle.roots().contains(root) {
        return Err(conflict("devices trust this root already"));
    }
    Ok(pem::cut(text).pop().unwrap_or_default())
}

fn conflict(why: &str) -> Problem {
    Problem::new(Kind::Conflict, why)
}

/// The line of the audit log: the CA before and after.
fn line(manner: &Manner, before: &Trusted, after: &Trusted) -> Entry {
    let shown = |trusted: &Trusted| -> Value {
        let roots = trusted.bundle.roots().iter();
        let roots: Vec<_> = roots
            .map(|root| refit_identity::thumbprint(root).to_hex())
            .collect();
        json!({
            "trust": trusted.bundle.number,
            "issuer": trusted.ca.name().to_hex(),
            "roots": roots,
        })
    };
    let mut after = shown(after);
    if manner.force {
        after["forced"] = true.into();
    }
    let mut line = desk::line(
        &manner.by,
        Operation::TrustWrite.as_str(),
        "ca".into(),
        Some(after),
    );
    line.before = Some(shown(before).to_string());
    line
}
