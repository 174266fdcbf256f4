//! The temporary credential: asked for with the device's identity, good for one artifact and a short while
//! (semantics 1 and 4).
//!
//! On Refit's own depot it is a token that is only good over a connection with this device's certificate (RFC 8705):
//! it is sent to a server that the fleet's authority vouches for, and to nobody else. On an S3-compatible store it is a session of the store's
//! own, with which the request is signed.

mod aws;

use aws::Session;
use serde_json::{Map, Value};
use ureq::http::{HeaderName, header};

/// What a request with the credential looks like.
#[derive(PartialEq, Eq)]
pub struct Pass {
    /// Where the artifact is.
    pub url: String,
    /// What is sent along, to that origin alone.
    pub headers: Vec<(HeaderName, String)>,
    /// Whether what is sent along is this device's alone, and goes to a server of the fleet only.
    pub home_only: bool,
}

/// Reads the server's answer. `now` is in seconds since 1970. No error holds a secret.
pub fn read(body: &[u8], now: u64) -> Result<Pass, String> {
    let map: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "the credential is not a JSON object")?;
    if let Some(Value::Object(aws)) = map.get("aws") {
        return Session::read(aws)?.pass(now);
    }
    let url = text(&map, "url")?.to_owned();
    let mut headers = Vec::new();
    if let Some(Value::Object(given)) = map.get("headers") {
        for (name, value) in given {
            headers.push(given_header(name, value)?);
        }
    }
    let token = map.get("token").and_then(Value::as_str);
    if let Some(token) = token {
        headers.push((header::AUTHORIZATION, format!("Bearer {token}")));
    }
    Ok(Pass {
        url,
        headers,
        home_only: token.is_some(),
    })
}

/// Of the headers that a server may give only those are taken that carry permission; the rest of a request is ours.
fn given_header(name: &str, value: &Value) -> Result<(HeaderName, String), String> {
    let header = HeaderName::from_bytes(name.as_bytes())
        .ok()
        .filter(|name| *name == header::AUTHORIZATION || name.as_str().starts_with("x-"));
    match (header, value.as_str()) {
        (Some(header), Some(value)) => Ok((header, value.to_owned())),
        (_, _) => Err("the credential has a header that this agent does not send".into()),
    }
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    map.get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("the credential has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_json(document: &Value) -> Result<Pass, String> {
        read(document.to_string().as_bytes(), 0)
    }

    #[test]
    fn a_token_of_the_depot_is_for_home() {
        let pass =
            read_json(&json!({"url": "https://h/depot/x", "token": "t", "expires": 1})).unwrap();
        assert_eq!(pass.url, "https://h/depot/x");
        assert_eq!(
            pass.headers,
            [(header::AUTHORIZATION, "Bearer t".to_owned())]
        );
        assert!(pass.home_only);
    }

    #[test]
    fn headers_are_for_the_store_that_they_name() {
        let headers = json!({"Authorization": "Bearer g", "x-goog-user-project": "p"});
        let pass = read_json(&json!({"url": "https://s/x", "headers": headers})).unwrap();
        assert_eq!(pass.headers.len(), 2);
        assert!(!pass.home_only);
        for bad in [
            json!({"Host": "h"}),
            json!({"Range": "bytes=0-"}),
            json!({"x-a": 1}),
            json!({"a b": "c"}),
        ] {
            assert!(
                read_json(&json!({"url": "https://s/x", "headers": bad})).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_shown() {
        for (bad, named) in [
            (json!({"token": "t"}), "no url"),
            (
                json!({"aws": {"secretAccessKey": "hidden"}}),
                "no accessKeyId",
            ),
        ] {
            let Err(why) = read_json(&bad) else {
                panic!("{bad}");
            };
            assert!(why.contains(named) && !why.contains("hidden"), "{why}");
        }
        assert!(read(b"[]", 0).is_err());
    }
}
