//! Whoever speaks MQTT with a token: the table answers for them as it does over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use refit_access::matrix::Operation;
use refit_mqtt::identity::{Application, Applications, Refusal, Rights, Secret};
use refit_mqtt::present::Present;
use refit_protocol::device_id::DeviceId;
use refit_replica::speaker::Wishes;
use tokio::sync::watch;

use super::{Access, Credential, Live};
use crate::wall;

/// Lets in whoever has a token that is good.
pub(crate) struct Tokens(pub(crate) Arc<Access>);

impl Applications for Tokens {
    fn find(&self, password: Secret<'_>, peer: SocketAddr) -> Result<Option<Application>, Refusal> {
        let credential = Credential::of_token(password.expose());
        let tried = self.0.try_token(credential, peer.ip());
        let Some((pass, credential)) = tried.map_err(|_| Refusal::TooOften)? else {
            return Ok(None);
        };
        self.0.note_use(&pass);
        Ok(Some(Application {
            name: pass.who.name().to_owned(),
            rights: Arc::new(Live::new(Arc::clone(&self.0), credential)),
        }))
    }
}

impl Live {
    fn may(&self, operation: Operation, device: Option<&DeviceId>) -> bool {
        self.rights()
            .is_some_and(|rights| rights.may(operation, device).is_ok())
    }
}

impl Rights for Live {
    fn is_good(&self) -> bool {
        self.rights().is_some()
    }

    fn wishes(&self, device: &DeviceId) -> Wishes {
        wishes(self.rights().as_deref(), device)
    }

    fn may_ask(&self, device: &DeviceId) -> bool {
        self.may(Operation::DeviceRead, Some(device))
    }

    fn may_watch(&self, device: Option<&DeviceId>) -> bool {
        self.may(Operation::EventRead, device)
    }
}

/// Returns what somebody with these rights may desire of a device.
pub(crate) fn wishes(rights: Option<&refit_access::rights::Rights>, device: &DeviceId) -> Wishes {
    let may = |operation| rights.is_some_and(|r| r.may(operation, Some(device)).is_ok());
    Wishes {
        software: may(Operation::SoftwareAssign),
        state: may(Operation::StateWrite),
    }
}

/// How long it takes at most until it is seen that a token has expired, should the clock have been set.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Sees to it that whoever lost the right to be connected over MQTT is told to go: at once when a token is revoked, and
/// when it expires.
pub(crate) async fn watch(
    access: Arc<Access>,
    present: Arc<Present>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut changes = access.changes();
    loop {
        present.look();
        let next = access.next_expiry();
        let expiry = next.map_or(LOOK_MAX, |at| {
            Duration::from_millis(at.0.saturating_sub(wall::now().0) + 1).min(LOOK_MAX)
        });
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(expiry) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}
