//! Who is who. The identity of a speaker comes from its connection, never from a payload (design §5).
//!
//! A [`Gate`] decides at CONNECT. [`DevGate`] is the one of `refit serve --dev`; the one that reads certificates is the
//! server's, since it knows which of them are still good.

use std::net::SocketAddr;

use refit_packet::{ReasonCode, Secret};
use refit_protocol::device_id::DeviceId;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

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
    /// An application with an operator's rights.
    Application {
        /// Its name in the history of jobs.
        name: String,
    },
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
                "the password is not the operator's token; a device connects without one"
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
    /// that have one.
    fn confirm(&self, _who: &Who) -> Result<(), Refusal> {
        Ok(())
    }
}

/// The gate of `--dev` (semantics 36): without a password, the client ID is the device ID; a password must be the
/// operator's token. That it stands on loopback only is the server's care.
pub struct DevGate {
    token: [u8; 32],
}

impl DevGate {
    /// Makes a gate that knows the operator's token by its SHA-256.
    pub fn new(token: &str) -> Self {
        Self {
            token: Sha256::digest(token.as_bytes()).into(),
        }
    }
}

impl Gate for DevGate {
    fn admit(&self, credentials: &Credentials<'_>) -> Result<Who, Refusal> {
        let Some(password) = credentials.password else {
            return DeviceId::parse(credentials.client_id)
                .map(Who::Device)
                .map_err(|_| Refusal::ClientId);
        };
        // Hashing first makes both sides equally long, so that the comparison tells nothing by its time.
        let given: [u8; 32] = Sha256::digest(password.expose()).into();
        if bool::from(given.ct_eq(&self.token)) {
            Ok(Who::Application {
                name: name_of(credentials),
            })
        } else {
            Err(Refusal::Password)
        }
    }
}

const NAME_CHARS_MAX: usize = 64;

/// What an application is called: the user name, or the client ID, as far as it can stand in a log line.
pub fn name_of(credentials: &Credentials<'_>) -> String {
    let given = [
        credentials.username.unwrap_or_default(),
        credentials.client_id,
    ];
    let name = given.into_iter().find(|name| !name.is_empty());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-' | '.' | '@');
    name.unwrap_or("application")
        .chars()
        .take(NAME_CHARS_MAX)
        .map(|c| if plain(c) { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(
        client_id: &str,
        username: Option<&str>,
        password: Option<&str>,
    ) -> Result<Who, Refusal> {
        DevGate::new("secret").admit(&Credentials {
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
    fn a_password_must_be_the_operators_token() {
        let named = |name: &str| Ok(Who::Application { name: name.into() });
        assert_eq!(admit("x", Some("shop"), Some("secret")), named("shop"));
        assert_eq!(admit("lamp/7", None, Some("secret")), named("lamp_7"));
        assert_eq!(admit("", Some("a\nb"), Some("secret")), named("a_b"));
        for wrong in ["", "Secret", "secre", "secret "] {
            assert_eq!(admit("lamp-7", None, Some(wrong)), Err(Refusal::Password));
        }
    }
}
