//! `refit-agent enrol`: a device without an identity gets one (semantics 17).
//!
//! The key is made first and made durable; then the server, known by the fingerprint in the token, is asked to certify
//! it; then the identity is written as a whole. Killed anywhere and run again, it asks with the same key and ends with
//! the same certificate.

use crate::files::Real;
use crate::http::Client;
use crate::identity::current::Bearer;
use crate::identity::key::Key;
use crate::identity::store::Store;
use crate::identity::{Identity, Trust};
use crate::root::Lock;
use crate::tls::{self, Roots, Shown};
use refit_protocol::claim::Claim;
use refit_protocol::device_id::DeviceId;
use refit_protocol::enrolment::{Enrol, Issued};
use rustls::ClientConfig;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest token file that is read, in bytes.
const TOKEN_BYTES_MAX: u64 = 1024;

/// The name of the token among a service's credentials (systemd's `LoadCredential=`).
const CREDENTIAL: &str = "refit-token";

/// How often a server is asked that has too much to do.
const TRIES: u32 = 8;

/// The longest wait that it can ask for, in seconds.
const WAIT_S_MAX: u64 = 60;

/// The first bound of what is added to that wait; it doubles.
const JITTER_MS: u64 = 250;

/// What was asked for.
#[derive(Debug)]
pub struct Order {
    /// The HTTPS address of the server.
    pub server: String,
    /// Where the claim token is.
    pub token: TokenFrom,
    /// The ID that the device would have.
    pub id: Option<DeviceId>,
    /// The folder that the agent owns.
    pub root: PathBuf,
    /// What the device says of itself.
    pub attributes: Map<String, Value>,
    /// The certificate that the factory gave it, and its key: files in PEM.
    pub factory: Option<(PathBuf, PathBuf)>,
    /// A file of the authorities, in PEM, by which the server is known where there is no token.
    pub trust: Option<PathBuf>,
    /// Whether a device that has an identity gets a new one.
    pub again: bool,
}

/// Where the claim token is.
pub enum TokenFrom {
    /// It was typed.
    Typed(Zeroizing<String>),
    /// It comes on the standard input.
    Input,
    /// In the file that `REFIT_TOKEN_FILE` names, or among the service's credentials; there may be none.
    Environment,
}

impl fmt::Debug for TokenFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenFrom(…)")
    }
}

/// Enrols, and returns what to tell. `Err` says what is wrong, and what to do; no token is in it.
pub fn run(order: &Order) -> Result<String, String> {
    let mut lock = Lock::take(&order.root)?;
    let store = Store::new(&Real, &order.root);
    let shown = order.root.display();
    if !order.again
        && let Some(identity) = store.read()?
    {
        let device = identity.device;
        return match &order.id {
            Some(id) if *id != device => Err(format!(
                "{shown} holds the identity of the device {device}: give another --root, or --again"
            )),
            Some(_) | None => Ok(format!(
                "{device} is enrolled already; nothing was changed (--again gets it another identity, where an operator allows one)"
            )),
        };
    }
    let token = token(&order.token)?;
    let claim = token
        .as_ref()
        .map(|text| Claim::parse(text))
        .transpose()
        .map_err(|e| format!("the token cannot be used: {e}"))?;
    if claim.is_none() && order.factory.is_none() {
        return Err(
            "there is no token: give --token, or --certificate and --key of the factory".into(),
        );
    }
    let id = match (&order.id, &order.factory) {
        (Some(id), _) => Some(id.clone()),
        (None, Some(_)) => None, // the factory's certificate says it
        (None, None) => Some(usual_id()?),
    };
    if let Some(id) = &id {
        lock.belongs(id, &order.root)?;
    }
    let key = store.pending()?;
    let request = Enrol {
        token: claim.clone(),
        id: id.clone(),
        csr: key.request(id.as_ref())?,
        attributes: order.attributes.clone(),
    };
    let issued = ask(order, claim.as_ref(), &request)
        .map_err(|why| without(why, token.as_ref().map(|token| token.as_str())))?;
    if id.is_some_and(|id| id != issued.id) {
        return Err(format!(
            "the server certified another device, {}",
            issued.id
        ));
    }
    lock.belongs(&issued.id, &order.root)?;
    let identity = identity(issued, key, order.server.clone())?;
    let device = identity.device.clone();
    let identity = Bearer::new(identity, &[])?.identity; // what cannot be used is not kept
    store.keep(&identity)?;
    lock.claim(&device, &order.root)?;
    Ok(format!(
        "{device} is enrolled; next: refit-agent run --root {shown}"
    ))
}

/// Makes an identity of what the server issued for a key.
pub fn identity(issued: Issued, key: Key, server: String) -> Result<Identity, String> {
    let mqtt = issued
        .mqtt
        .strip_prefix("mqtts://")
        .ok_or(
            "the server names no address for MQTT over TLS: with --dev a device needs no identity",
        )?
        .trim_end_matches('/')
        .to_owned();
    Ok(Identity {
        device: issued.id,
        key,
        certificate: issued.certificate,
        trust: Trust {
            number: issued.trust.number,
            roots: issued.trust.roots,
        },
        server,
        mqtt,
        renew_after: issued.renew_after,
        expires: issued.expires,
    })
}

fn ask(order: &Order, claim: Option<&Claim>, request: &Enrol) -> Result<Issued, String> {
    let server = &order.server;
    let client = Client::at(server, tls_for(order, claim)?)?;
    let url = format!("{server}/device/v1/enrol");
    for tried in 1.. {
        let reply = client
            .post(&url, request.to_json())
            .map_err(|e| format!("cannot enrol at {server}: {e}"))?;
        match reply.status {
            200 | 201 => return Issued::parse(&reply.body),
            429 | 503 if tried < TRIES => wait(reply.retry_after, tried)?,
            _ => {
                let problem = reply.problem();
                return Err(format!("{server} refused the enrolment: {problem}"));
            }
        }
    }
    Err("the server has too much to do".into())
}

/// Many devices enrol at once behind one address, and the server takes them one after the other: it says how long to
/// wait, and not all of those whom it told the same come at once.
#[expect(clippy::disallowed_methods, reason = "it is told to wait")]
fn wait(asked: Option<u64>, tried: u32) -> Result<(), String> {
    let chance =
        getrandom::u64().map_err(|e| format!("the system gives no random numbers: {e}"))?;
    let asked = asked.unwrap_or(1).min(WAIT_S_MAX).saturating_mul(1000);
    let jitter = chance % (JITTER_MS << tried.min(6));
    std::thread::sleep(Duration::from_millis(asked + jitter));
    Ok(())
}

fn tls_for(order: &Order, claim: Option<&Claim>) -> Result<Arc<ClientConfig>, String> {
    let trust = order.trust.as_deref().map(text).transpose()?;
    let factory = order
        .factory
        .as_ref()
        .map(|(certificate, key)| {
            let shown = key.display();
            let key = Key::parse(text(key)?).map_err(|e| format!("{shown}: {e}"))?;
            Ok::<_, String>((text(certificate)?, key))
        })
        .transpose()?;
    let roots = match (claim, &trust) {
        (Some(claim), _) => Roots::Pinned(*claim.server.as_bytes()),
        (None, Some(trust)) => Roots::These(trust),
        (None, None) => Roots::Public(""),
    };
    let shown = factory
        .as_ref()
        .map(|(certificate, key)| Shown { certificate, key });
    tls::client(roots, shown)
}

fn text(path: &Path) -> Result<Zeroizing<String>, String> {
    std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

fn token(from: &TokenFrom) -> Result<Option<Zeroizing<String>>, String> {
    let mut read = match from {
        TokenFrom::Typed(token) => token.clone(),
        TokenFrom::Input => short(std::io::stdin().lock(), "the standard input")?,
        TokenFrom::Environment => match token_file() {
            None => return Ok(None),
            Some(path) => {
                let shown = path.display();
                let file = std::fs::File::open(&path)
                    .map_err(|e| format!("the token in {shown} cannot be read: {e}"))?;
                short(file, &shown.to_string())?
            }
        },
    };
    let trimmed = read.trim().len();
    let blanks = read.len() - read.trim_start().len();
    read.drain(..blanks);
    read.truncate(trimmed);
    Ok(Some(read))
}

fn token_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("REFIT_TOKEN_FILE") {
        return Some(path.into());
    }
    let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
    path.exists().then_some(path)
}

fn short(from: impl Read, name: &str) -> Result<Zeroizing<String>, String> {
    // What grows leaves copies of a secret behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * TOKEN_BYTES_MAX as usize));
    from.take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|e| format!("the token in {name} cannot be read: {e}"))?;
    Ok(text)
}

/// A server may repeat what it refuses.
fn without(why: String, token: Option<&str>) -> String {
    match token {
        Some(token) if !token.is_empty() => why.replace(token, "(token)"),
        Some(_) | None => why,
    }
}

/// The ID of a device for which none is given: its host name, which people know. Where that is missing or says
/// nothing, a number made of the machine ID, which is not to be shown itself (machine-id(5)).
fn usual_id() -> Result<DeviceId, String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let host = read("/proc/sys/kernel/hostname");
    pick_id(host.trim(), &read("/etc/machine-id"))
        .ok_or_else(|| "this device has no host name and no machine ID: give --id ID".into())
}

fn pick_id(host: &str, machine: &str) -> Option<DeviceId> {
    let says_something = !matches!(host, "" | "(none)" | "localhost" | "localhost.localdomain");
    if says_something && let Ok(id) = DeviceId::parse(host) {
        return Some(id);
    }
    let machine = machine.trim();
    if machine.is_empty() || machine == "uninitialized" {
        return None;
    }
    let hash = Sha256::new()
        .chain_update("refit device ID\0")
        .chain_update(machine)
        .finalize();
    let short: [u8; 8] = *hash.first_chunk()?;
    DeviceId::parse(&format!("machine-{:016x}", u64::from_be_bytes(short))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_id_is_the_host_name_or_a_hash() {
        let id = |host, machine| pick_id(host, machine).map(|id| id.as_str().to_owned());
        assert_eq!(id("lamp-7", "x").as_deref(), Some("lamp-7"));
        let hashed = id("localhost", "0123456789abcdef\n").unwrap();
        assert!(
            hashed.starts_with("machine-") && hashed.len() == 24,
            "{hashed}"
        );
        assert_eq!(id("", "0123456789abcdef").unwrap(), hashed);
        assert!(!hashed.contains("0123456789abcdef"), "it is not shown");
        assert_ne!(id("", "1123456789abcdef").unwrap(), hashed);
        assert_eq!(id("localhost", "uninitialized\n"), None);
        assert_eq!(id("not a name", ""), None);
    }

    #[test]
    fn no_error_holds_the_token() {
        let why = without("bad: \"rfe_secret\"".into(), Some("rfe_secret"));
        assert_eq!(why, "bad: \"(token)\"");
        let typed = TokenFrom::Typed(Zeroizing::new("  rfe_x \n".into()));
        assert_eq!(token(&typed).unwrap().unwrap().as_str(), "rfe_x");
        assert!(!format!("{typed:?}").contains("rfe_x"));
    }
}
