//! HTTP and HTTPS for the agent, with time limits on every step.
//!
//! Nothing but the URL itself carries permission: no header, cookie or referrer follows a redirect to another host
//! (semantics 4). What began with TLS does not go on without it.

use crate::fetch::{Answer, Http};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, Response, header};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

/// The time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(20);

/// The time to the head of the answer.
const ANSWER: Duration = Duration::from_secs(60);

/// The time without a byte after which a download has stalled.
const STALL: Duration = Duration::from_secs(60);

const REDIRECTS_MAX: u32 = 5;

/// The longest document that is read whole, in bytes.
const DOCUMENT_BYTES_MAX: u64 = 64 * 1024;

/// A client.
#[derive(Clone, Debug)]
pub struct Client(Agent);

impl Client {
    /// Makes a client.
    pub fn new() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(REDIRECTS_MAX)
            .redirect_auth_headers(RedirectAuthHeaders::Never)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(STALL))
            .timeout_per_write(Some(STALL))
            // A download is rare: an idle connection would only cost memory and a socket.
            .max_idle_connections(0)
            .user_agent(concat!("refit-agent/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.new_agent())
    }

    /// Returns a small document.
    pub fn document(&self, url: &str) -> Result<Vec<u8>, String> {
        let answer = self.call(url, &[])?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(format!("HTTP {status}"));
        }
        let body = answer.into_body();
        body.into_with_config()
            .limit(DOCUMENT_BYTES_MAX)
            .read_to_vec()
            .map_err(|e| e.to_string())
    }

    fn call(
        &self,
        url: &str,
        headers: &[(header::HeaderName, String)],
    ) -> Result<Response<Body>, String> {
        let mut request = self.0.get(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let secure = url
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        let request = request.config().https_only(secure).build();
        request.call().map_err(|e| without_url(&e))
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Http for Client {
    fn get(&self, url: &str, from: u64, entity_tag: Option<&str>) -> Result<Answer, String> {
        let mut headers = Vec::new();
        if from > 0 {
            headers.push((header::RANGE, format!("bytes={from}-")));
            // Stores ignore If-Range; If-Match they heed.
            headers.extend(entity_tag.map(|tag| (header::IF_MATCH, tag.to_owned())));
        }
        let answer = self.call(url, &headers)?;
        let text = |name| value(answer.headers(), &name);
        Ok(Answer {
            status: answer.status().as_u16(),
            entity_tag: text(header::ETAG),
            range: text(header::CONTENT_RANGE).and_then(|range| content_range(&range)),
            length: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            body: reader(answer),
        })
    }
}

fn reader(answer: Response<Body>) -> Box<dyn Read> {
    Box::new(answer.into_body().into_reader())
}

fn value(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Reads `bytes FIRST-LAST/TOTAL` (RFC 9110 §14.4); TOTAL may be `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()))
}

/// Some errors hold the URL, and a URL may be a grant.
fn without_url(e: &ureq::Error) -> String {
    match e {
        ureq::Error::BadUri(_) => "it is not a URL that can be fetched".into(),
        ureq::Error::RequireHttpsOnly(_) => "it leads from https to http".into(),
        e => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_read() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for bad in ["", "bytes */10", "bytes 5/10", "lines 5-9/10"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
