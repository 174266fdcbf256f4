//! Who is who. The identity of a speaker comes from its connection, never from a payload (design §5).
//!
//! A [`Gate`] decides at CONNECT. [`DevGate`] is the one of `refit serve --dev`; the one that reads certificates is the
//! server's, since it knows which of them are still good. What an application may do is asked of its [`Rights`] each
//! time, so that what is taken away is gone at once; what roles there are is not known here.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use refit_packet::Secret;

use refit_packet::ReasonCode;
use refit_protocol::device_id::DeviceId;
use refit_replica::speaker::Wishes;

/// What a CONNECT says about its sender.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The client identifier; may be empty.
    pub client_id: &'a str,
    /// The user name.
    pub username: Option<&'a str>,
    /// The password; `Debug` shows its length only.
    pub password: Option<Secret<'a>>,
    /// Where the connection comes from.
    pub peer: SocketAddr,
    /// The certificate that the peer has proved to have, in DER. It was verified when its TLS session began, which for a
    /// resumed one is a while ago.
    pub certificate: Option<&'a [u8]>,
}

/// Who somebody turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A device, on its own connection.
    Device(DeviceId),
    /// An application, or a person who acts as one.
    Application(Application),
}

/// Somebody who speaks of devices without being one.
#[derive(Clone)]
pub struct Application {
    /// The name in the history of jobs.
    pub name: String,
    /// What it may do.
    pub rights: Arc<dyn Rights>,
}

/// What an application may do, now: the answers may change while it is connected.
pub trait Rights: Send + Sync {
    /// Tells whether it may still be connected.
    fn is_good(&self) -> bool;
    /// Tells what it may desire of this device.
    fn wishes(&self, device: &DeviceId) -> Wishes;
    /// Tells whether it may ask for the record of this device.
    fn may_ask(&self, device: &DeviceId) -> bool;
    /// Tells whether it may follow what happens to this device; `None`: to any device at all.
    fn may_watch(&self, device: Option<&DeviceId>) -> bool;
}

/// The rights of whoever may do everything.
#[derive(Clone, Copy, Debug)]
pub struct EveryRight;

impl Rights for EveryRight {
    fn is_good(&self) -> bool {
        true
    }

    fn wishes(&self, _: &DeviceId) -> Wishes {
        Wishes::ALL
    }

    fn may_ask(&self, _: &DeviceId) -> bool {
        true
    }

    fn may_watch(&self, _: Option<&DeviceId>) -> bool {
        true
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Application").field(&self.name).finish()
    }
}

impl PartialEq for Application {
    /// Two of one name are the same: a name is one token's.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Application {}

/// Knows applications by what they give as password.
pub trait Applications: Send + Sync {
    /// Tells whose password this is; it comes from this address. `None`: nobody's; an error: it is not looked at now.
    fn find(&self, password: Secret<'_>, peer: SocketAddr) -> Result<Option<Application>, Refusal>;
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The client identifier is no device ID.
    ClientId,
    /// The password is wrong.
    Password,
    /// It is known who it is, and it may not connect.
    NotAuthorized,
    /// The certificate names no device, or another issuer's.
    Certificate,
    /// The certificate is not valid at this time.
    Expired,
    /// The device or its certificate was revoked, or the device retired.
    Barred,
    /// The client identifier is another than the certificate's device.
    OtherId,
    /// There is neither a certificate nor a password.
    Nobody,
    /// Too many wrong passwords came from there.
    TooOften,
    /// Two connections of the same device took each other's place too often.
    Fighting,
    /// The gate cannot tell now.
    Unavailable,
}

impl Refusal {
    /// Returns the reason code of CONNACK; 3.1.1's return code follows from it.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::ClientId => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            Self::Password => ReasonCode::BAD_USER_NAME_OR_PASSWORD,
            Self::NotAuthorized
            | Self::Certificate
            | Self::Expired
            | Self::Barred
            | Self::Nobody => ReasonCode::NOT_AUTHORIZED,
            Self::OtherId => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            Self::TooOften | Self::Fighting => ReasonCode::CONNECTION_RATE_EXCEEDED,
            Self::Unavailable => ReasonCode::SERVER_UNAVAILABLE,
        }
    }

    /// Says what to do about it.
    pub const fn message(self) -> &'static str {
        match self {
            Self::ClientId => "the client ID is the device ID: use 1 to 128 of A-Z a-z 0-9 : _ - .",
            Self::Password => {
                "the password is no token that is good; a device connects without one"
            }
            Self::NotAuthorized => "this client may not connect",
            Self::Certificate => {
                "the certificate is not one of this fleet's devices: enrol the device, or renew its certificate"
            }
            Self::Expired => {
                "the certificate is not valid now: look at the device's clock, or renew it"
            }
            Self::Barred => "the device was revoked or retired; an operator can allow it a new key",
            Self::OtherId => {
                "the client ID must be the device that the certificate names, or empty"
            }
            Self::Nobody => {
                "a device needs its certificate here, an application a token as its password"
            }
            Self::Fighting => {
                "two clients with this identity take each other's place: stop one, or enrol it by itself"
            }
            Self::TooOften => "too many wrong passwords came from there; try again later",
            Self::Unavailable => "it cannot be told now who this is, try again later",
        }
    }
}

/// Decides who somebody is.
pub trait Gate: Send + Sync {
    /// Tells who has these credentials, or why they are refused.
    fn admit(&self, credentials: &Credentials<'_>) -> Result<Who, Refusal>;

    /// Asked again once somebody has a seat: what was decided may have been overtaken by a revocation, which cuts those
    /// that have one. `certificate` is the one of the connection, DER.
    fn confirm(&self, _who: &Who, _certificate: Option<&[u8]>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// The gate of `--dev` (semantics 36): without a password, the client ID is the device ID; a password must be a token.
/// That it stands on loopback only is the server's care.
pub struct DevGate {
    applications: Arc<dyn Applications>,
}

impl DevGate {
    /// Makes a gate that lets these applications in.
    pub fn new(applications: Arc<dyn Applications>) -> Self {
        Self { applications }
    }
}

impl Gate for DevGate {
    fn admit(&self, credentials: &Credentials<'_>) -> Result<Who, Refusal> {
        let Some(password) = credentials.password else {
            return DeviceId::parse(credentials.client_id)
                .map(Who::Device)
                .map_err(|_| Refusal::ClientId);
        };
        let found = self.applications.find(password, credentials.peer)?;
        found.map(Who::Application).ok_or(Refusal::Password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneToken;

    impl Applications for OneToken {
        fn find(
            &self,
            password: Secret<'_>,
            _: SocketAddr,
        ) -> Result<Option<Application>, Refusal> {
            Ok((password.expose() == b"secret").then(|| Application {
                name: "shop".into(),
                rights: Arc::new(EveryRight),
            }))
        }
    }

    fn admit(
        client_id: &str,
        username: Option<&str>,
        password: Option<&str>,
    ) -> Result<Who, Refusal> {
        DevGate::new(Arc::new(OneToken)).admit(&Credentials {
            client_id,
            username,
            password: password.map(|p| Secret::new(p.as_bytes())),
            peer: ([127, 0, 0, 1], 1).into(),
            certificate: None,
        })
    }

    #[test]
    fn without_a_password_the_client_id_is_the_device() {
        let device = DeviceId::parse("lamp-7").unwrap();
        assert_eq!(admit("lamp-7", None, None), Ok(Who::Device(device.clone())));
        assert_eq!(admit("lamp-7", Some("any"), None), Ok(Who::Device(device)));
        assert_eq!(admit("", None, None), Err(Refusal::ClientId));
        assert_eq!(admit("lamp/7", None, None), Err(Refusal::ClientId));
    }

    #[test]
    fn a_password_says_which_application_it_is_whatever_it_calls_itself() {
        for (client_id, username) in [("x", Some("admin")), ("lamp/7", None), ("", Some("a\nb"))] {
            let Ok(Who::Application(found)) = admit(client_id, username, Some("secret")) else {
                panic!("{client_id} should be let in");
            };
            assert_eq!(found.name, "shop");
        }
        for wrong in ["", "Secret", "secre", "secret "] {
            assert_eq!(admit("lamp-7", None, Some(wrong)), Err(Refusal::Password));
        }
    }
}
