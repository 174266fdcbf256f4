//! HTTP and HTTPS for the agent, with time limits on every step.
//!
//! The device's certificate is shown to its own server, and to a depot that the fleet's authority vouches for, whose
//! name may be another; nobody else sees it. Other hosts are believed by the world's authorities and get a URL, no
//! more. Redirects are followed here, one by one: no header and no certificate goes to
//! another host, what began with TLS does not go on without it, and a stranger's answer leads to no address of this
//! device's own (semantics 4).

mod connector;
pub(crate) mod date;
mod resolver;
pub mod route;

use crate::credential::{self, Pass};
use crate::fetch::{Answer, Http};
use crate::identity::current::Current;
use crate::job::Grant;
use crate::tls::{self, Roots};
use connector::Secure;
use refit_protocol::job::JobId;
use refit_protocol::software_url::depot_digest;
use resolver::Elsewhere;
use route::{Origin, follow};
use rustls::ClientConfig;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{HeaderMap, HeaderName, Request, Response, header};
use ureq::unversioned::resolver::{DefaultResolver, Resolver};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::{Agent, Body};

/// The time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(20);

/// The time to the head of the answer.
const ANSWER: Duration = Duration::from_secs(60);

/// The time without a byte after which a download has stalled.
const STALL: Duration = Duration::from_secs(60);

const NEXT_POLL: HeaderName = HeaderName::from_static("refit-next-poll");

const REDIRECTS_MAX: u32 = 5;

/// The longest document that is read whole, in bytes: a trust bundle is the longest.
const DOCUMENT_BYTES_MAX: u64 = 256 * 1024;

/// As much as is shown of what a server says of its refusal.
const PROBLEM_CHARACTERS_MAX: usize = 500;

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    home: Home,
    foreign: Arc<ClientConfig>,
}

/// By whom a URL is vouched for, if its host is no home of the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voucher {
    /// By the world.
    World,
    /// By the fleet: what goes there is for a server of the fleet alone.
    Fleet,
    /// It looks like one of the fleet's depot, which may stand behind a host of the world's.
    Either,
}

/// Which hosts are the device's own.
#[derive(Clone, Debug)]
enum Home {
    Nowhere,
    Current(Arc<Current>),
    /// For an exchange with one server, before there is an identity or beside it.
    At(Origin, Arc<ClientConfig>),
}

/// An answer to a small request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// `ETag`.
    pub entity_tag: Option<String>,
    /// `Refit-Next-Poll`, in seconds: when a device that polls is to come again.
    pub next_poll: Option<u64>,
    /// The document.
    pub body: Vec<u8>,
}

impl Reply {
    /// Tells whether the server does not let this device in any more: revoked, retired, or cloned. That a certificate
    /// is not valid now is another matter: it can be renewed.
    pub fn is_barred(&self) -> bool {
        let document = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        let is = |name, word| {
            let said = document.get(name).and_then(serde_json::Value::as_str);
            said.is_some_and(|said| said.contains(word))
        };
        let barred =
            is("code", "device_barred") || is("detail", "revoked") || is("detail", "retired");
        barred && !is("detail", "not valid now")
    }

    /// Says for a person what a refusal says (RFC 9457), on one line.
    pub fn problem(&self) -> String {
        let document = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        let said = ["detail", "title", "message"]
            .iter()
            .find_map(|name| document.get(name)?.as_str())
            .unwrap_or_default();
        let said: String = said
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(PROBLEM_CHARACTERS_MAX)
            .collect();
        match said.is_empty() {
            true => format!("HTTP {}", self.status),
            false => format!("{said} (HTTP {})", self.status),
        }
    }
}

impl Client {
    /// Makes a client for a device without an identity.
    pub fn new() -> Result<Self, String> {
        Self::with(Home::Nowhere, "")
    }

    /// Makes a client for a device with an identity; `more` are authorities, in PEM, that are believed of other hosts.
    pub fn of(current: Arc<Current>, more: &str) -> Result<Self, String> {
        Self::with(Home::Current(current), more)
    }

    /// Makes a client that speaks with one server in its own way.
    pub fn at(server: &str, tls: Arc<ClientConfig>) -> Result<Self, String> {
        let origin = Origin::of(server).ok_or_else(|| format!("{server:?} is no server"))?;
        Self::with(Home::At(origin, tls), "")
    }

    fn with(home: Home, more: &str) -> Result<Self, String> {
        Ok(Self {
            home,
            foreign: tls::client(Roots::Public(more), None)?,
        })
    }

    /// Returns a small document.
    pub fn document(&self, url: &str) -> Result<Reply, String> {
        self.ask(url, &[])
    }

    /// Returns a small document, asked for with these headers.
    pub fn ask(&self, url: &str, headers: &[(HeaderName, String)]) -> Result<Reply, String> {
        reply(self.get_from(url, headers, Voucher::World)?)
    }

    /// Posts a small document, and returns the answer. It is not sent on elsewhere.
    pub fn post(&self, url: &str, document: String) -> Result<Reply, String> {
        self.post_with(url, document, &[])
    }

    /// The same, with these headers.
    pub fn post_with(
        &self,
        url: &str,
        document: String,
        headers: &[(HeaderName, String)],
    ) -> Result<Reply, String> {
        let agent = agent(self.usual(&origin(url)?), DefaultResolver::default());
        let mut request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(document).map_err(|_| BAD_URL)?;
        reply(agent.run(request).map_err(|e| without_url(&e))?)
    }

    /// Gets, and follows redirects. The headers stay with the origin that they were meant for.
    fn get_from(
        &self,
        url: &str,
        headers: &[(HeaderName, String)],
        voucher: Voucher,
    ) -> Result<Response<Body>, String> {
        let first = origin(url)?;
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let here = origin(&url)?;
            let own = here == first;
            let ask = |tls| get_once(&url, headers, own, tls, own || first.is_here());
            let answer = match (voucher, self.fleet()) {
                (Voucher::Fleet | Voucher::Either, Some(fleet)) if own && here.secure => {
                    match ask(fleet) {
                        Err(e) if voucher == Voucher::Either && is_stranger(&e) => {
                            ask(self.usual(&here))
                        }
                        asked => asked,
                    }
                }
                (Voucher::World | Voucher::Fleet | Voucher::Either, _) => ask(self.usual(&here)),
            };
            let answer = answer.map_err(|e| without_url(&e))?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let Some(location) = value(answer.headers(), &header::LOCATION) else {
                return Ok(answer);
            };
            url = follow(&url, &location)?;
        }
        Err(format!("it leads on more than {REDIRECTS_MAX} times"))
    }

    /// Returns TLS as it is usual with a host: the identity's at home, the world's elsewhere.
    fn usual(&self, to: &Origin) -> Arc<ClientConfig> {
        let own = match &self.home {
            Home::Current(current) => {
                let bearer = current.get();
                bearer.is_home(to).then(|| Arc::clone(&bearer.tls))
            }
            Home::At(origin, tls) => (origin == to).then(|| Arc::clone(tls)),
            Home::Nowhere => None,
        };
        own.unwrap_or_else(|| Arc::clone(&self.foreign))
    }

    /// Returns TLS with the identity, which believes nobody but servers of the fleet, and shows itself to no other.
    fn fleet(&self) -> Option<Arc<ClientConfig>> {
        match &self.home {
            Home::Current(current) => Some(Arc::clone(&current.get().tls)),
            Home::At(..) | Home::Nowhere => None,
        }
    }
}

/// One request. `own` says whether it goes where the headers were meant to go.
fn get_once(
    url: &str,
    headers: &[(HeaderName, String)],
    own: bool,
    tls: Arc<ClientConfig>,
    local: bool,
) -> Result<Response<Body>, ureq::Error> {
    let mut request = Request::get(url);
    for (name, value) in headers.iter().filter(|(name, _)| own || !is_secret(name)) {
        request = request.header(name, value);
    }
    let request = request.body(()).map_err(ureq::Error::Http)?;
    // Where the device looks at itself in the first place, as with a server beside it, it may go on doing so.
    if local {
        agent(tls, DefaultResolver::default()).run(request)
    } else {
        agent(tls, Elsewhere::default()).run(request)
    }
}

/// Tells whether a server is none of the fleet's: its certificate leads to no authority that is believed.
fn is_stranger(e: &ureq::Error) -> bool {
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    matches!(e, ureq::Error::Rustls(tls) if *tls == unknown)
}

fn agent(tls: Arc<ClientConfig>, resolver: impl Resolver) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_read(Some(STALL))
        .timeout_per_write(Some(STALL))
        // A download is rare: an idle connection would only cost memory and a socket.
        .max_idle_connections(0)
        .user_agent(concat!("refit-agent/", env!("CARGO_PKG_VERSION")))
        .build();
    let connector =
        ().chain(TcpConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(Secure(tls));
    Agent::with_parts(config, connector, resolver)
}

impl Http for Client {
    fn get(
        &self,
        job: &JobId,
        grant: &Grant,
        from: u64,
        entity_tag: Option<&str>,
    ) -> Result<Answer, String> {
        let (url, mut headers, voucher) = match grant {
            Grant::Presigned(url) if depot_digest(url).is_some() => {
                (url.clone(), Vec::new(), Voucher::Either)
            }
            Grant::Presigned(url) => (url.clone(), Vec::new(), Voucher::World),
            Grant::Credential(_) => match self.credential(job)? {
                Ok(pass) if pass.home_only => (pass.url, pass.headers, Voucher::Fleet),
                Ok(pass) => (pass.url, pass.headers, Voucher::World),
                Err(refused) => return Ok(refused),
            },
        };
        if from > 0 {
            headers.push((header::RANGE, format!("bytes={from}-")));
            // Stores ignore If-Range; If-Match they heed.
            headers.extend(entity_tag.map(|tag| (header::IF_MATCH, tag.to_owned())));
        }
        let answer = self.get_from(&url, &headers, voucher)?;
        let text = |name| value(answer.headers(), &name);
        Ok(Answer {
            status: answer.status().as_u16(),
            retry_after: retry_after(answer.headers()),
            entity_tag: text(header::ETAG),
            range: text(header::CONTENT_RANGE).and_then(|range| content_range(&range)),
            length: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            body: reader(answer),
        })
    }
}

impl Client {
    /// Asks for the credential of a job; or returns the refusal, which is one of the download.
    fn credential(&self, job: &JobId) -> Result<Result<Pass, Answer>, String> {
        let Home::Current(current) = &self.home else {
            return Err("a credential is for devices with an identity: enrol this one".into());
        };
        let bearer = current.get();
        let url = format!("{}/device/v1/credential", bearer.identity.server);
        let question = serde_json::json!({"jobID": job.as_str()}).to_string();
        let reply = self.post(&url, question)?;
        match reply.status {
            200 | 201 => {}
            // No such job, or none any more: as with a URL that is not good any more, the delta tells.
            400 | 401 | 403 | 404 | 409 | 410 => return Ok(Err(refusal(403, None))),
            status => return Ok(Err(refusal(status, reply.retry_after))),
        }
        let pass = credential::read(&reply.body, now())?;
        if pass.home_only && !Origin::of(&pass.url).is_some_and(|to| to.secure) {
            return Err("the credential is for a depot without TLS, where it is not sent".into());
        }
        Ok(Ok(pass))
    }
}

fn refusal(status: u16, retry_after: Option<u64>) -> Answer {
    Answer {
        status,
        retry_after,
        entity_tag: None,
        range: None,
        length: None,
        body: Box::new(std::io::empty()),
    }
}

/// Seconds since 1970, for a signature that is good for minutes.
#[expect(clippy::disallowed_methods, reason = "a request has its time")]
fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

const BAD_URL: &str = "it is not a URL that can be fetched";

fn origin(url: &str) -> Result<Origin, String> {
    Origin::of(url).ok_or_else(|| BAD_URL.into())
}

/// The few headers that may go anywhere say which bytes are wanted.
fn is_secret(name: &HeaderName) -> bool {
    *name != header::RANGE && *name != header::IF_MATCH
}

fn reply(answer: Response<Body>) -> Result<Reply, String> {
    Ok(Reply {
        status: answer.status().as_u16(),
        retry_after: retry_after(answer.headers()),
        entity_tag: value(answer.headers(), &header::ETAG),
        next_poll: seconds(answer.headers(), &NEXT_POLL),
        body: answer
            .into_body()
            .into_with_config()
            .limit(DOCUMENT_BYTES_MAX)
            .read_to_vec()
            .map_err(|e| without_url(&e))?,
    })
}

fn reader(answer: Response<Body>) -> Box<dyn Read> {
    Box::new(answer.into_body().into_reader())
}

fn value(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date. What is left until a date is told by the answer's own `Date`
/// where it has one, so that the device's clock need not be right.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    seconds(headers, &header::RETRY_AFTER).or_else(|| {
        let at = date::http(&value(headers, &header::RETRY_AFTER)?)?;
        let sent = value(headers, &header::DATE).and_then(|text| date::http(&text));
        Some(at.saturating_sub(sent.unwrap_or_else(now)).min(WAIT_S_MAX))
    })
}

/// A date further away than this is a mistake of somebody's clock.
const WAIT_S_MAX: u64 = 24 * 3600;

fn seconds(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    value(headers, name)?.trim().parse().ok()
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
        ureq::Error::BadUri(_) => BAD_URL.into(),
        ureq::Error::Rustls(tls) => tls::explain(tls),
        ureq::Error::Io(io) => tls::inside(io).map_or_else(|| e.to_string(), tls::explain),
        e => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_to_come_back_at_is_told_by_the_clock_of_whoever_says_it() {
        let wait = |after: &str, sent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, after.parse().unwrap());
            headers.insert(header::DATE, sent.parse().unwrap());
            retry_after(&headers)
        };
        let noon = "Sun, 06 Nov 1994 12:00:00 GMT";
        assert_eq!(wait("120", noon), Some(120));
        assert_eq!(wait("Sun, 06 Nov 1994 12:00:30 GMT", noon), Some(30));
        assert_eq!(wait("Sun, 06 Nov 1994 11:00:00 GMT", noon), Some(0));
        assert_eq!(
            wait("Sun, 06 Nov 2094 12:00:00 GMT", noon),
            Some(WAIT_S_MAX)
        );
        assert_eq!(wait("soon", noon), None);
        // Without a `Date` the own clock has to do: 1994 is over.
        assert_eq!(wait("Sun, 06 Nov 1994 12:00:30 GMT", "?"), Some(0));
    }

    #[test]
    fn a_strangers_redirect_reaches_nothing_of_the_device_itself() {
        let inside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        inside.set_nonblocking(true).unwrap();
        let port = inside.local_addr().unwrap().port();
        let tls = tls::client(Roots::Public(""), None).unwrap();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0",
            "localhost",
            "[::ffff:127.0.0.1]",
        ] {
            let url = format!("http://{host}:{port}/");
            assert!(
                get_once(&url, &[], false, Arc::clone(&tls), false).is_err(),
                "{host}"
            );
            assert!(inside.accept().is_err(), "{host} was connected to");
        }
    }

    #[test]
    fn content_range_is_read() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for bad in ["", "bytes */10", "bytes 5/10", "lines 5-9/10"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
