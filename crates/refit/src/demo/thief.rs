//! One agent tries what another was given: its URL, and its credential.
//!
//! The owner shows that both are good; the thief has its own certificate, which is as good as the owner's for whatever
//! is its own, and the very URL and token.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::badge::Badge;

/// What the owner was given for its job.
pub(super) struct Booty {
    /// The path and query of the pre-signed URL.
    pub(super) url: String,
    /// The path of the plain URL, and the token for it.
    pub(super) credential: (String, String),
}

/// The statuses that somebody was answered for the URL, and for the credential.
pub(super) type Statuses = [u16; 2];

/// Asks, as the owner, for the command with the pre-signed URL.
pub(super) fn presigned(owner: &Badge, server: SocketAddr) -> Result<String, String> {
    let delta = ask(owner, server, "GET", "/device/v1/delta", "", "")?;
    text(&delta, "/state/softwareURL").map(path)
}

/// Asks, as the owner, for a credential for the job.
pub(super) fn credential(
    owner: &Badge,
    server: SocketAddr,
    job: &str,
) -> Result<(String, String), String> {
    let wish = json!({ "jobID": job }).to_string();
    let headers = "content-type: application/json\r\n";
    let given = ask(
        owner,
        server,
        "POST",
        "/device/v1/credential",
        headers,
        &wish,
    )?;
    Ok((text(&given, "/url").map(path)?, text(&given, "/token")?))
}

/// Tries both.
pub(super) fn tries(who: &Badge, server: SocketAddr, booty: &Booty) -> Result<Statuses, String> {
    let (plain, token) = &booty.credential;
    let bearer = format!("authorization: Bearer {token}\r\n");
    let get = |path: &str, headers: &str| {
        let answer = who.ask(server, "GET", path, headers, "");
        answer
            .map(|answer| answer.status)
            .map_err(|e| format!("a download was not answered: {e}"))
    };
    Ok([get(&booty.url, "")?, get(plain, &bearer)?])
}

fn ask(
    who: &Badge,
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Result<Value, String> {
    let answer = who
        .ask(server, method, path, headers, body)
        .map_err(|e| format!("{path} was not answered: {e}"))?;
    match answer.status {
        200 => Ok(answer.json()),
        status => Err(format!(
            "{path} was refused with {status}: {}",
            String::from_utf8_lossy(&answer.body)
        )),
    }
}

fn text(document: &Value, pointer: &str) -> Result<String, String> {
    let found = document.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| format!("the answer has no {pointer}"))
}

/// What follows the authority of a URL.
fn path(url: String) -> String {
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    rest.find('/')
        .and_then(|at| rest.get(at..))
        .unwrap_or("/")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_path_keeps_its_grant() {
        assert_eq!(path("https://a:1/b/c?d=e".into()), "/b/c?d=e");
        assert_eq!(path("https://a".into()), "/");
    }
}
