//! What a device asks for. Unknown members are refused: one of them may be a restriction that we do not know.

use super::{
    CERTIFICATE_PEM_BYTES_MAX, CSR_PEM_BYTES_MAX, ENROLMENT_BYTES_MAX, NONCE_BYTES,
    SIGNATURE_BYTES_MAX,
};
use crate::claim::Claim;
use crate::device_id::DeviceId;
use crate::document::{self, json_bytes, quoted};
use crate::limits::STATE_BYTES_MAX;
use crate::rejection::{Code, Rejection};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The body of `POST /device/v1/enrol`.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrol {
    /// The claim token. Absent if the device shows a factory certificate.
    pub token: Option<Claim>,
    /// The ID that the device would have. Absent if a certificate or the signing request names it.
    pub id: Option<DeviceId>,
    /// The certificate signing request, PEM.
    pub csr: String,
    /// What the device says of itself.
    pub attributes: Map<String, Value>,
}

/// The body of `POST /device/v1/renew`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renew {
    /// The certificate signing request, PEM.
    pub csr: String,
}

/// The body of `POST /device/v1/renew/expired`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenewExpired {
    /// The certificate that has expired, PEM.
    pub certificate: String,
    /// The certificate signing request, PEM.
    pub csr: String,
    /// The challenge, as `GET /device/v1/nonce` gave it.
    pub nonce: [u8; NONCE_BYTES],
    /// The signature of the old key over [`super::proof_message`].
    pub signature: Vec<u8>,
}

impl Enrol {
    /// Reads the body, or says what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let mut members = Members::read(body)?;
        let token = members.text("token")?;
        let id = members.text("id")?;
        let request = Self {
            token: token
                .map(|text| Claim::parse(&text))
                .transpose()
                .map_err(|why| malformed(why.to_string()))?,
            id: id
                .map(|text| DeviceId::parse(&text))
                .transpose()
                .map_err(|why| malformed(why.to_string()))?,
            csr: members.csr()?,
            attributes: members.attributes()?,
        };
        members.end()?;
        Ok(request)
    }

    /// Writes the body.
    pub fn to_json(&self) -> String {
        let mut body = Map::new();
        if let Some(token) = &self.token {
            body.insert("token".into(), token.to_text().into());
        }
        if let Some(id) = &self.id {
            body.insert("id".into(), id.as_str().into());
        }
        body.insert("csr".into(), self.csr.as_str().into());
        if !self.attributes.is_empty() {
            body.insert("attributes".into(), self.attributes.clone().into());
        }
        Value::Object(body).to_string()
    }
}

impl Renew {
    /// Reads the body, or says what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let mut members = Members::read(body)?;
        let csr = members.csr()?;
        members.end()?;
        Ok(Self { csr })
    }

    /// Writes the body.
    pub fn to_json(&self) -> String {
        let body = Map::from_iter([("csr".to_string(), self.csr.as_str().into())]);
        Value::Object(body).to_string()
    }
}

impl RenewExpired {
    /// Reads the body, or says what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let mut members = Members::read(body)?;
        let certificate = members.required("certificate")?;
        if certificate.len() > CERTIFICATE_PEM_BYTES_MAX {
            return Err(too_large("certificate", CERTIFICATE_PEM_BYTES_MAX));
        }
        let nonce = members.bytes("nonce", NONCE_BYTES)?;
        let request = Self {
            certificate,
            csr: members.csr()?,
            nonce: nonce
                .try_into()
                .map_err(|_| malformed(format!("nonce is not {NONCE_BYTES} bytes long")))?,
            signature: members.bytes("signature", SIGNATURE_BYTES_MAX)?,
        };
        members.end()?;
        Ok(request)
    }

    /// Writes the body.
    pub fn to_json(&self) -> String {
        let body: Map<String, Value> = Map::from_iter([
            ("certificate".into(), self.certificate.as_str().into()),
            ("csr".into(), self.csr.as_str().into()),
            ("nonce".into(), URL_SAFE_NO_PAD.encode(self.nonce).into()),
            (
                "signature".into(),
                URL_SAFE_NO_PAD.encode(&self.signature).into(),
            ),
        ]);
        Value::Object(body).to_string()
    }
}

/// The members of a body, taken out one by one; what is left is unknown.
struct Members(Map<String, Value>);

impl Members {
    fn read(body: &[u8]) -> Result<Self, Rejection> {
        if body.len() > ENROLMENT_BYTES_MAX {
            return Err(too_large("body", ENROLMENT_BYTES_MAX));
        }
        document::parse_object(body).map(Self).map_err(malformed)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Rejection> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(format!("{name} is not a string"))),
        }
    }

    fn required(&mut self, name: &str) -> Result<String, Rejection> {
        self.text(name)?
            .ok_or_else(|| malformed(format!("{name} is missing")))
    }

    fn csr(&mut self) -> Result<String, Rejection> {
        let csr = self.required("csr")?;
        if csr.len() > CSR_PEM_BYTES_MAX {
            return Err(too_large("csr", CSR_PEM_BYTES_MAX));
        }
        Ok(csr)
    }

    fn bytes(&mut self, name: &str, most: usize) -> Result<Vec<u8>, Rejection> {
        let text = self.required(name)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| malformed(format!("{name} is not base64url without padding")))?;
        if bytes.len() > most {
            return Err(too_large(name, most));
        }
        Ok(bytes)
    }

    fn attributes(&mut self) -> Result<Map<String, Value>, Rejection> {
        match self.0.remove("attributes") {
            None => Ok(Map::new()),
            Some(Value::Object(map)) if json_bytes(&map) <= STATE_BYTES_MAX => Ok(map),
            Some(Value::Object(_)) => Err(too_large("attributes", STATE_BYTES_MAX)),
            Some(_) => Err(malformed("attributes is not an object".into())),
        }
    }

    fn end(self) -> Result<(), Rejection> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(malformed(format!("the member {} is unknown", quoted(name)))),
        }
    }
}

fn malformed(message: String) -> Rejection {
    Rejection::new(Code::Malformed, message)
}

fn too_large(what: &str, most: usize) -> Rejection {
    Rejection::new(
        Code::TooLarge,
        format!("{what} is longer than {most} bytes"),
    )
}
