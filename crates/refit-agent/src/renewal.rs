//! The identity goes on: renewed before it expires, proven after it has, its trust bundle brought up to date
//! (semantics 17 and 18). Whatever fails leaves the identity as it is, and nothing is ever deleted.

use crate::enrol::identity;
use crate::files::Files;
use crate::http::{Client, Reply};
use crate::identity::current::Current;
use crate::identity::key::{Key, leaf_of, request_digest};
use crate::identity::store::Store;
use crate::identity::{Identity, Trust};
use crate::link::back_off::share;
use crate::tls::{self, Roots};
use refit_protocol::enrolment::{Issued, Nonce, Renew, RenewExpired, TrustBundle, proof_message};
use refit_protocol::time::Timestamp;
use std::path::Path;
use std::time::Duration;

/// The first bound of the back-off of renewals; it doubles, up to [`BACK_OFF_MAX`].
const BACK_OFF: Duration = Duration::from_secs(60);

/// The last bound of that back-off: there are weeks between `renewAfter` and the end.
const BACK_OFF_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// What is to be done for an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing, for so long.
    Wait(Duration),
    /// Renew it.
    Renew,
    /// It has expired: prove that it was this device's.
    Prove,
}

/// Says what is due. Devices that were enrolled together do not renew together: a fleet is spread by a hash of the ID
/// over the first quarter of the time that there is.
pub fn due(identity: &Identity, now: Timestamp) -> Due {
    let Identity {
        renew_after,
        expires,
        ..
    } = identity;
    let spread = expires.0.saturating_sub(renew_after.0) / 4;
    let share = share(identity.device.as_str()).checked_rem(spread);
    let at = renew_after.0.saturating_add(share.unwrap_or(0));
    if now >= *expires {
        Due::Prove
    } else if now.0 >= at {
        Due::Renew
    } else {
        Due::Wait(Duration::from_millis(at - now.0))
    }
}

/// Returns the wait after so many failures in a row. `draw` gives a number below its argument.
pub fn pause(failures: u32, failure: &Failure, draw: &mut dyn FnMut(u64) -> u64) -> Duration {
    let bound = (BACK_OFF * 2u32.saturating_pow(failures.min(16))).min(BACK_OFF_MAX);
    let asked = failure.wait.unwrap_or_default().min(BACK_OFF_MAX);
    let least = if failure.refused {
        BACK_OFF_MAX / 2
    } else {
        asked
    };
    least + Duration::from_millis(draw(bound.as_millis() as u64))
}

/// Why there is no new identity yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Why, for a person.
    pub reason: String,
    /// The server said no, and will say so again: an operator must act.
    pub refused: bool,
    /// How long the server asked to be left alone.
    pub wait: Option<Duration>,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self {
            reason,
            ..Self::default()
        }
    }
}

/// What came of the question for the trust bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The bundle was newer, and is held now.
    pub is_newer: bool,
    /// The server wants the identity renewed: its certificate is of a CA that signs no longer.
    pub renew: bool,
}

/// All that a renewal needs.
pub struct Keeper<'a> {
    /// The files of the device.
    pub files: &'a dyn Files,
    /// The agent's root.
    pub root: &'a Path,
    /// The identity in use.
    pub current: &'a Current,
    /// A client that is at home with it.
    pub client: &'a Client,
    /// Whether a renewal keeps the key.
    pub keep_key: bool,
}

impl Keeper<'_> {
    /// Renews over the identity itself.
    pub fn renew(&self) -> Result<(), Failure> {
        let old = &self.current.get().identity;
        let key = self.key(old)?;
        let body = Renew {
            csr: key.request(Some(&old.device))?,
        };
        let url = format!("{}/device/v1/renew", old.server);
        let reply = self.client.post(&url, body.to_json())?;
        self.take(old, key, &reply)
    }

    /// Renews an identity that has expired, by a signature of its key over a challenge of the server.
    pub fn prove(&self) -> Result<(), Failure> {
        let old = &self.current.get().identity;
        // Without a certificate: it would be refused, and the server's is still checked.
        let tls = tls::client(Roots::These(&old.trust.roots), None)?;
        let client = Client::at(&old.server, tls)?;
        let reply = client.document(&format!("{}/device/v1/nonce", old.server))?;
        let nonce = Nonce::parse(&good(&reply)?.body)?.nonce;
        let key = self.key(old)?;
        let csr = key.request(Some(&old.device))?;
        let message = proof_message(&nonce, &request_digest(&csr)?);
        let body = RenewExpired {
            certificate: leaf_of(&old.certificate)?,
            csr,
            nonce,
            signature: old.key.sign(&message)?,
        };
        let url = format!("{}/device/v1/renew/expired", old.server);
        let reply = client.post(&url, body.to_json())?;
        self.take(old, key, &reply)
    }

    /// Asks for the trust bundle, and takes it if it is newer.
    pub fn trust(&self) -> Result<Heard, Failure> {
        let old = &self.current.get().identity;
        let reply = self
            .client
            .document(&format!("{}/device/v1/trust", old.server))?;
        let bundle = TrustBundle::parse(&good(&reply)?.body)?;
        let heard = Heard {
            is_newer: bundle.number > old.trust.number,
            renew: bundle.renew,
        };
        if !heard.is_newer {
            return Ok(heard);
        }
        self.keep(Identity {
            trust: Trust {
                number: bundle.number,
                roots: bundle.roots,
            },
            ..old.clone()
        })?;
        Ok(heard)
    }

    fn key(&self, old: &Identity) -> Result<Key, String> {
        if self.keep_key {
            return Ok(old.key.clone());
        }
        Store::new(self.files, self.root).pending()
    }

    fn take(&self, old: &Identity, key: Key, reply: &Reply) -> Result<(), Failure> {
        let issued = Issued::parse(&good(reply)?.body)?;
        if issued.id != old.device {
            return Err(format!("the server certified another device, {}", issued.id).into());
        }
        let mut new = identity(issued, key, old.server.clone())?;
        if new.trust.number < old.trust.number {
            new.trust = old.trust.clone(); // an old answer takes no authority away
        }
        Ok(self.keep(new)?)
    }

    /// What cannot be used is not kept; and what is used from now on is durable.
    fn keep(&self, new: Identity) -> Result<(), String> {
        let bearer = self.current.prepare(new)?;
        Store::new(self.files, self.root).keep(&bearer.identity)?;
        self.current.replace(bearer);
        Ok(())
    }
}

fn good(reply: &Reply) -> Result<&Reply, Failure> {
    match reply.status {
        200 | 201 => Ok(reply),
        status => Err(Failure {
            reason: format!("the server refused: {}", reply.problem()),
            refused: matches!(status, 400..=428 | 430..=499),
            wait: reply.retry_after.map(Duration::from_secs),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_protocol::device_id::DeviceId;

    const DAY: u64 = 86_400_000;

    fn identity(device: &str) -> Identity {
        Identity {
            device: DeviceId::parse(device).unwrap(),
            key: Key::make().unwrap(),
            certificate: String::new(),
            trust: Trust {
                number: 1,
                roots: String::new(),
            },
            server: String::new(),
            mqtt: String::new(),
            renew_after: Timestamp(60 * DAY),
            expires: Timestamp(100 * DAY),
        }
    }

    #[test]
    fn a_fleet_that_was_enrolled_together_renews_spread_out() {
        let mut identity = identity("x");
        let mut days = [0; 10];
        for n in 0..1000 {
            identity.device = DeviceId::parse(&format!("lamp-{n}")).unwrap();
            let Due::Wait(wait) = due(&identity, Timestamp(0)) else {
                panic!("nothing is due yet");
            };
            let at = Timestamp(wait.as_millis() as u64);
            assert_eq!(due(&identity, at), Due::Renew);
            days[(at.0 / DAY - 60) as usize] += 1;
        }
        assert!(
            days.iter().all(|count| (60..=140).contains(count)),
            "{days:?}"
        );
        assert_eq!(due(&identity, Timestamp(100 * DAY)), Due::Prove);
    }

    #[test]
    fn waits_grow_and_heed_the_server() {
        let wait = |failures, failure: &Failure| pause(failures, failure, &mut |end| end);
        let lost = Failure::from("lost".to_owned());
        assert_eq!(wait(0, &lost), Duration::from_secs(60));
        assert_eq!(wait(3, &lost), Duration::from_secs(8 * 60));
        assert_eq!(wait(100, &lost), BACK_OFF_MAX);
        assert_eq!(pause(5, &lost, &mut |_| 0), Duration::ZERO, "full jitter");
        let busy = Failure {
            wait: Some(Duration::from_secs(90)),
            ..lost.clone()
        };
        assert_eq!(pause(0, &busy, &mut |_| 0), Duration::from_secs(90));
        let refused = Failure {
            refused: true,
            ..lost
        };
        assert_eq!(
            pause(0, &refused, &mut |_| 0),
            BACK_OFF_MAX / 2,
            "about hourly"
        );
    }
}
