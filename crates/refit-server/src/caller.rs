//! Whoever makes a request: who, with which rights, from where, in which request. Every change carries its caller to
//! [`crate::desk`].

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use refit_access::matrix::Operation;
use refit_access::rights::{Denial, Rights};
use refit_access::role::Role;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_replica::speaker::Speaker;

use crate::access::{Credential, Pass, Who, application};
use crate::http::error::{Kind, Problem};

/// Somebody who is known, in one request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) rights: Arc<Rights>,
    /// Until when; `None`: for ever.
    pub(crate) expires: Option<Timestamp>,
    /// What was shown, to be looked up again by what lasts longer than a request.
    pub(crate) credential: Credential,
    /// Where it comes from: behind trusted proxies, as they say it.
    pub(crate) source: Option<IpAddr>,
    /// The request, as its answer and the log name it.
    pub(crate) request_id: String,
}

/// What a request is called.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestId(pub(crate) String);

impl Caller {
    /// Somebody with a pass, in this request.
    pub(crate) fn of(
        pass: &Pass,
        credential: Credential,
        source: Option<IpAddr>,
        request: &axum::http::Extensions,
    ) -> Self {
        let id = request.get::<RequestId>().map(|id| id.0.clone());
        Self {
            who: pass.who.clone(),
            rights: Arc::clone(&pass.rights),
            expires: pass.expires,
            credential,
            source,
            request_id: id.unwrap_or_default(),
        }
    }

    /// Lets it pass, or says why not.
    pub(crate) fn may(
        &self,
        operation: Operation,
        device: Option<&DeviceId>,
    ) -> Result<(), Problem> {
        let denial = match self.rights.may(operation, device) {
            Ok(()) => return Ok(()),
            Err(denial) => denial,
        };
        if let Some(device) = device
            && denial.hides(operation)
        {
            return Err(no_such_device(device));
        }
        let detail = match denial {
            Denial::Role => format!(
                "{operation} is not for the role {} of {}",
                self.rights.role(),
                self.who
            ),
            Denial::Operation => {
                format!("the scope of {} does not name {operation}", self.who)
            }
            Denial::Device => format!(
                "the device {} is outside of the scope of {}",
                device.map_or("", |device| device.as_str()),
                self.who
            ),
        };
        Err(Problem::new(Kind::Forbidden, detail).with("operation", operation.as_str()))
    }

    /// Returns who speaks when this caller desires something of a device.
    pub(crate) fn speaker(&self, device: &DeviceId) -> Speaker {
        let name = self.who.name().to_owned();
        match self.rights.role() {
            Role::Application => {
                Speaker::Application(name, application::wishes(Some(&self.rights), device))
            }
            Role::Viewer | Role::Operator | Role::Admin => Speaker::Operator(name),
        }
    }
}

/// Says that there is no such device, or none for whoever asks: both are one answer.
pub(crate) fn no_such_device(device: &DeviceId) -> Problem {
    let detail = format!(
        "no device {device} has connected or has been given a desired state; GET /api/v1/devices lists those that have"
    );
    Problem::new(Kind::NoDevice, detail)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal("a route was reached without its caller"))
    }
}
