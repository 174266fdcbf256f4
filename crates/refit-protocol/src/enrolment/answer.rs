//! What the server answers. Unknown members are ignored: a newer server may say more.

use super::{ANSWER_BYTES_MAX, NONCE_BYTES};
use crate::device_id::DeviceId;
use crate::document;
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// The roots that a device trusts, under a number that only rises (semantics 18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustBundle {
    /// Which bundle this is. The device reports it as `reported.agent.trust`.
    pub number: u64,
    /// The certificates of the roots, PEM, one after the other.
    pub roots: String,
    /// Whether the device that asks should renew now: its certificate is of a CA that signs no longer.
    pub renew: bool,
}

/// A certificate that was issued: the answer to enrolment and renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The device's ID.
    pub id: DeviceId,
    /// The certificate, PEM, leaf first, then the issuer.
    pub certificate: String,
    /// What the device shall trust from now on.
    pub trust: TrustBundle,
    /// Where its MQTT endpoint is: `mqtts://host:port`.
    pub mqtt: String,
    /// When it should renew.
    pub renew_after: Timestamp,
    /// When the certificate expires.
    pub expires: Timestamp,
}

/// A challenge for a device that proves its old key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// The challenge. It is good once.
    pub nonce: [u8; NONCE_BYTES],
    /// Until when it is good.
    pub expires: Timestamp,
}

impl TrustBundle {
    /// Returns the answer of `GET /device/v1/trust`.
    pub fn to_json(&self) -> Value {
        let mut answer = json!({"number": self.number, "roots": self.roots});
        if self.renew {
            answer["renew"] = true.into();
        }
        answer
    }

    /// Reads it, or says what is missing.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        Self::from_map(&read(body)?)
    }

    fn from_map(map: &Map<String, Value>) -> Result<Self, String> {
        Ok(Self {
            number: number(map, "number")?,
            roots: text(map, "roots")?,
            renew: map.get("renew").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

impl Issued {
    /// Returns the answer's document.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id.as_str(),
            "certificate": self.certificate,
            "trust": self.trust.to_json(),
            "mqtt": self.mqtt,
            "renewAfter": self.renew_after.as_millis(),
            "expires": self.expires.as_millis(),
        })
    }

    /// Reads it, or says what is missing.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let map = read(body)?;
        let Some(Value::Object(trust)) = map.get("trust") else {
            return Err(missing("trust"));
        };
        Ok(Self {
            id: DeviceId::parse(&text(&map, "id")?).map_err(|why| why.to_string())?,
            certificate: text(&map, "certificate")?,
            trust: TrustBundle::from_map(trust)?,
            mqtt: text(&map, "mqtt")?,
            renew_after: Timestamp(number(&map, "renewAfter")?),
            expires: Timestamp(number(&map, "expires")?),
        })
    }
}

impl Nonce {
    /// Returns the answer of `GET /device/v1/nonce`.
    pub fn to_json(&self) -> Value {
        json!({
            "nonce": URL_SAFE_NO_PAD.encode(self.nonce),
            "expires": self.expires.as_millis(),
        })
    }

    /// Reads it, or says what is missing.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let map = read(body)?;
        let nonce = URL_SAFE_NO_PAD
            .decode(text(&map, "nonce")?)
            .map_err(|_| missing("nonce"))?;
        Ok(Self {
            nonce: nonce.try_into().map_err(|_| missing("nonce"))?,
            expires: Timestamp(number(&map, "expires")?),
        })
    }
}

fn read(body: &[u8]) -> Result<Map<String, Value>, String> {
    if body.len() > ANSWER_BYTES_MAX {
        return Err(format!(
            "the server's answer is longer than {ANSWER_BYTES_MAX} bytes"
        ));
    }
    document::parse_object(body)
}

fn text(map: &Map<String, Value>, name: &str) -> Result<String, String> {
    match map.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(missing(name)),
    }
}

fn number(map: &Map<String, Value>, name: &str) -> Result<u64, String> {
    map.get(name)
        .and_then(Value::as_u64)
        .ok_or_else(|| missing(name))
}

fn missing(name: &str) -> String {
    format!("the server's answer has no valid {name}")
}
