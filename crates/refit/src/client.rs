//! The API, as commands call it. What the server refuses becomes a [`Failure`].

use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::http::request::Builder;
use ureq::http::{Method, Request, Response};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{AsSendBody, Body, SendBody};

use crate::failure::{Failure, Kind};
use crate::find::Found;

/// How long to try to connect, and to wait for the first line of an answer.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The longest answer that is read into memory, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// How long to wait before a request that was cut is sent again: as often as there are pauses.
const AGAIN_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// A server, and the right to use it.
pub(crate) struct Client {
    agent: ureq::Agent,
    found: Found,
}

impl Client {
    pub(crate) fn new(found: Found) -> Result<Self, Failure> {
        if found.server.starts_with("https:") {
            // An error says that one is installed already, which is as well.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_recv_response(Some(ANSWER_MAX))
            .user_agent(concat!("refit/", env!("CARGO_PKG_VERSION")));
        // A proxy is for the way out; this machine is not out.
        let config = if is_here(&found.server) {
            config.proxy(None)
        } else {
            config
        };
        let config = match &found.roots {
            Some(roots) => config.tls_config(trusting(roots)?),
            None => config,
        };
        Ok(Self {
            agent: config.build().new_agent(),
            found,
        })
    }

    /// Reads a document.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.json(Method::GET, path, &[], "")
    }

    /// Reads a list to its end, page by page.
    pub(crate) fn get_all(&self, path: &str, most: usize) -> Result<Value, Failure> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let limit = (most - items.len()).min(500);
            let mut page = self.get(&format!("{path}{sign}limit={limit}{cursor}"))?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            let next = page.get("nextCursor").and_then(Value::as_str).map(encoded);
            match next {
                Some(next) if items.len() < most => cursor = format!("&cursor={next}"),
                next => {
                    let more = next.is_some();
                    return Ok(serde_json::json!({ "items": items, "more": more }));
                }
            }
        }
    }

    /// Sends a document, and reads the one that answers; nothing reads as null.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        match body {
            Some(body) => {
                let headers = [("content-type", "application/json".to_owned())];
                self.json(method, path, &headers, &body.to_string())
            }
            None => self.json(method, path, &[], ""),
        }
    }

    /// Sends a wish for a device; only for a record of this version, if one is given.
    pub(crate) fn wish(
        &self,
        method: Method,
        path: &str,
        wish: &Value,
        version: Option<u64>,
    ) -> Result<Value, Failure> {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.push(if_match(version));
        self.json(method, path, &headers, &wish.to_string())
    }

    /// Does something with a device; only with a record of this version, if one is given.
    pub(crate) fn operate(&self, path: &str, version: Option<u64>) -> Result<Value, Failure> {
        self.json(Method::POST, path, &[if_match(version)], "")
    }

    /// Removes something; only with a record of this version, if one is given.
    pub(crate) fn remove(&self, path: &str, version: Option<u64>) -> Result<Value, Failure> {
        self.json(Method::DELETE, path, &[if_match(version)], "")
    }

    /// Sends an artifact of this length and digest; tells also whether it was new.
    pub(crate) fn upload(
        &self,
        path: &str,
        artifact: impl Read,
        length: u64,
        digest: &str,
    ) -> Result<(bool, Value), Failure> {
        let mut artifact = artifact;
        let headers = [
            ("content-type", "application/octet-stream".to_owned()),
            ("content-length", length.to_string()),
            ("content-digest", digest.to_owned()),
            // What is refused by its head alone is told before gigabytes are sent.
            ("expect", "100-continue".to_owned()),
        ];
        let body = SendBody::from_reader(&mut artifact);
        let response = self.call(Method::POST, path, &headers, body)?;
        let new = response.status() == 201;
        Ok((new, self.read(response)?))
    }

    /// Opens a stream of events.
    pub(crate) fn stream(
        &self,
        path: &str,
        after: Option<&str>,
    ) -> Result<BufReader<impl Read + Send + 'static>, Failure> {
        let mut headers = vec![("accept", "text/event-stream".to_owned())];
        headers.extend(after.map(|id| ("last-event-id", id.to_owned())));
        let response = self.call(Method::GET, path, &headers, ())?;
        let response = if response.status().is_success() {
            response
        } else {
            return Err(self.refused(response));
        };
        Ok(BufReader::new(response.into_body().into_reader()))
    }

    /// Reads lines, as they come.
    pub(crate) fn lines(&self, path: &str) -> Result<impl Read + Send + use<>, Failure> {
        let response = self.call(Method::GET, path, &[], ())?;
        if !response.status().is_success() {
            return Err(self.refused(response));
        }
        Ok(response.into_body().into_reader())
    }

    /// Puts lines in the place of others.
    pub(crate) fn put(&self, path: &str, lines: &[u8]) -> Result<Value, Failure> {
        let headers = [("content-type", "text/plain".to_owned())];
        let response = self.call(Method::PUT, path, &headers, lines)?;
        self.read(response)
    }

    /// Sends lines, and returns the stream of lines that answers them.
    pub(crate) fn exchange(
        &self,
        path: &str,
        lines: Vec<u8>,
    ) -> Result<impl Read + Send + use<>, Failure> {
        let headers = [("content-type", "application/x-ndjson".to_owned())];
        let response = self.call(Method::POST, path, &headers, lines.as_slice())?;
        if !response.status().is_success() {
            return Err(self.refused(response));
        }
        Ok(response.into_body().into_reader())
    }

    /// Asks, and reads the document that answers. A change carries a key of its own: when the connection is cut it is
    /// sent again under that, and is done once all the same.
    fn json(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Result<Value, Failure> {
        let mut headers = headers.to_vec();
        if method != Method::GET {
            headers.push(("idempotency-key", format!("{:032x}", fastrand::u128(..))));
        }
        let mut pauses = AGAIN_PAUSES.into_iter();
        loop {
            let answer = self.once(method.clone(), path, &headers, body);
            let is_undecided = match &answer {
                Err(error) => is_cut(error),
                Ok((409, content)) => is_under_way(content),
                Ok(_) => false,
            };
            match (pauses.next().filter(|_| is_undecided), answer) {
                (Some(pause), _) => std::thread::sleep(pause),
                (None, Ok((status, content))) => return self.understood(status, &content),
                (None, Err(error)) => return Err(self.unreachable(&error)),
            }
        }
    }

    fn once(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Result<(u16, Vec<u8>), ureq::Error> {
        let request = self.request(method, path, headers);
        let response = match body {
            "" => self.agent.run(request.body(())?)?,
            body => self.agent.run(request.body(body)?)?,
        };
        contents(response)
    }

    fn request(&self, method: Method, path: &str, headers: &[(&'static str, String)]) -> Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.found.server))
            .header("authorization", format!("Bearer {}", self.found.token));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: impl AsSendBody,
    ) -> Result<Response<Body>, Failure> {
        let request = self.request(method, path, headers);
        let request = request.body(body).map_err(|error| {
            Failure::new(Kind::Usage, "the request cannot be written").because(&error)
        })?;
        self.agent
            .run(request)
            .map_err(|error| self.unreachable(&error))
    }

    fn read(&self, response: Response<Body>) -> Result<Value, Failure> {
        let (status, content) = contents(response).map_err(|error| self.unreachable(&error))?;
        self.understood(status, &content)
    }

    fn understood(&self, status: u16, content: &[u8]) -> Result<Value, Failure> {
        if !(200..300).contains(&status) {
            return Err(self.problem(status, content));
        }
        if content.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(content).map_err(|error| {
            Failure::new(
                Kind::Error,
                format!(
                    "{} answers something that is not Refit's",
                    self.found.server
                ),
            )
            .because(&error)
        })
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let server = &self.found.server;
        let error: &dyn std::error::Error = match error {
            ureq::Error::Io(error) => error,
            error => error,
        };
        let failure = Failure::new(Kind::Error, format!("{server} cannot be reached"));
        let stranger = std::iter::successors(Some(error), |error| error.source())
            .any(|error| error.to_string().contains("peer certificate"));
        failure.because(error).next(if stranger {
            "name what its certificate leads to with --ca or REFIT_CA: a server keeps it in ca/root.pem of its data directory"
        } else {
            "is it running? start it with `refit serve`, or name another with --server"
        })
    }

    fn refused(&self, response: Response<Body>) -> Failure {
        let status = response.status().as_u16();
        let (_, content) = contents(response).unwrap_or_default();
        self.problem(status, &content)
    }

    fn problem(&self, status: u16, content: &[u8]) -> Failure {
        let kind = match status {
            400 | 413 | 415 => Kind::Usage,
            401 | 403 => Kind::Refused,
            404 | 410 => Kind::NotFound,
            409 | 412 | 428 => Kind::Conflict,
            422 => Kind::Refused,
            _ => Kind::Error,
        };
        let problem: Value = serde_json::from_slice(content).unwrap_or_default();
        let of = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = match of("code").as_deref() {
            // What is missing is named in the body, not in the path.
            Some("unknown_release") => Kind::NotFound,
            _ => kind,
        };
        let title = of("title").map_or_else(
            || format!("{} answers {status}", self.found.server),
            |title| lowered(&title),
        );
        let failure = match of("detail") {
            Some(detail) if detail != title => {
                Failure::new(kind, title).why(without_request(&detail))
            }
            _ => Failure::new(kind, title),
        };
        let failure = match of("code").as_deref().and_then(next) {
            Some(next) => failure.next(next),
            None => failure,
        };
        // Only what the server did wrong is worth looking up in its log.
        failure.request(of("instance").filter(|_| status == 500))
    }
}

/// Reads an answer to its end.
fn contents(mut response: Response<Body>) -> Result<(u16, Vec<u8>), ureq::Error> {
    let content = response
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .read_to_vec()?;
    Ok((response.status().as_u16(), content))
}

/// Tells whether a connection was there and ended before its answer did: nobody knows then what became of the request.
fn is_cut(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        ureq::Error::Io(error) => matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
        ),
        _ => false,
    }
}

/// Tells whether the request that was cut is still being done.
fn is_under_way(content: &[u8]) -> bool {
    let problem: Value = serde_json::from_slice(content).unwrap_or_default();
    problem["code"] == "idempotency_key_in_use"
}

/// Trusts these certificates (PEM) and no others.
pub(crate) fn trusting(roots: &[u8]) -> Result<TlsConfig, Failure> {
    let found: Vec<_> = parse_pem(roots)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            Ok(_) | Err(_) => None,
        })
        .collect();
    if found.is_empty() {
        return Err(Failure::new(Kind::Usage, "there is no certificate in the file of the CA")
            .next("name a PEM file with --ca or REFIT_CA: root.pem in the directory ca of the server's data"));
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(found)))
        .build())
}

/// What to type next, where the server can only speak of requests.
fn next(code: &str) -> Option<&'static str> {
    match code {
        "unauthenticated" => {
            Some("give that token with REFIT_TOKEN; for the server on this machine, give none")
        }
        "device_not_found" => Some("`refit device list` lists those that there are"),
        "token_not_found" => Some("`refit token list` lists those that there are"),
        "user_not_found" => Some("`refit user list` lists those that there are"),
        "rollout_not_found" => Some("`refit rollout list` lists those that there are"),
        "job_not_found" => Some("`refit job list` lists those that there are"),
        "release_not_found" | "unknown_release" => {
            Some("`refit release list` lists those that there are")
        }
        _ => None,
    }
}

/// Cuts off what to request next; [`next`] says what to type.
fn without_request(detail: &str) -> &str {
    detail
        .split_once("; GET /api/")
        .map_or(detail, |(before, _)| before)
}

/// Begins a title as every other error begins; but for the name.
fn lowered(title: &str) -> String {
    let mut letters = title.chars();
    match letters.next() {
        Some(first) if !title.starts_with("Refit") => {
            format!("{}{}", first.to_lowercase(), letters.as_str())
        }
        _ => title.to_owned(),
    }
}

/// The precondition of a change: what is typed is meant whatever the record is by now, unless its version is given.
fn if_match(version: Option<u64>) -> (&'static str, String) {
    let version = version.map_or_else(|| "*".into(), |version| format!("\"{version}\""));
    ("if-match", version)
}

fn is_here(server: &str) -> bool {
    let host = server.split("://").nth(1).unwrap_or_default();
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|here| host.starts_with(here))
}

/// Writes a text as part of a query or a path (RFC 3986 §2.3).
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_as_the_command_line_speaks() {
        assert_eq!(lowered("There is no such job"), "there is no such job");
        assert_eq!(lowered("Refit failed"), "Refit failed");
        assert_eq!(
            without_request("there is no job \"x\"; GET /api/v1/jobs lists them"),
            "there is no job \"x\""
        );
    }

    #[test]
    fn what_means_something_in_a_url_is_encoded() {
        assert_eq!(encoded("a-1.0_~"), "a-1.0_~");
        assert_eq!(encoded("1.0+b /?#ä"), "1.0%2Bb%20%2F%3F%23%C3%A4");
    }

    /// Hears a request, head and body, and answers so; with nothing, hangs up.
    fn hear(listener: &std::net::TcpListener, answer: &str) -> String {
        use std::io::{BufRead, Write};
        let mut stream = listener.accept().unwrap().0;
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut heard, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            heard.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        heard + &String::from_utf8(body).unwrap()
    }

    #[test]
    fn a_change_that_is_cut_is_sent_again_under_its_key() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let close = "connection: close\r\ncontent-length: ";
        let under_way = r#"{"code":"idempotency_key_in_use"}"#;
        let answers = [
            String::new(),
            format!("HTTP/1.1 200 OK\r\n{close}9\r\n\r\n{{"),
            format!(
                "HTTP/1.1 409 Conflict\r\n{close}{}\r\n\r\n{under_way}",
                under_way.len()
            ),
            format!("HTTP/1.1 200 OK\r\n{close}7\r\n\r\n{{\"a\":1}}"),
        ];
        let heard = std::thread::spawn(move || answers.map(|answer| hear(&listener, &answer)));
        let found = Found {
            server,
            token: "t".into(),
            roots: None,
            data: None,
        };
        let client = Client::new(found).unwrap();
        let body = serde_json::json!({ "b": 2 });
        let answer = client.send(Method::POST, "/c", Some(&body)).unwrap();
        assert_eq!(answer, serde_json::json!({ "a": 1 }));
        let heard = heard.join().unwrap();
        assert!(heard[0].contains("idempotency-key: ") && heard[0].ends_with(r#"{"b":2}"#));
        assert!(heard.iter().all(|request| *request == heard[0]));
    }

    #[test]
    fn whoever_is_not_there_is_not_asked_again() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let found = Found {
            server,
            token: "t".into(),
            roots: None,
            data: None,
        };
        let failure = Client::new(found).unwrap().get("/c").unwrap_err();
        assert_eq!(failure.kind, Kind::Error);
    }
}
