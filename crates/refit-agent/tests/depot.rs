//! A small HTTP server with ranges and entity tags, that can be made to misbehave.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the next answer is like; after these all are `Good`.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// As it should be.
    Good,
    /// The connection is cut after so many bytes of the body.
    CutAfter(usize),
    /// Nothing but a status.
    Status(u16),
    /// The whole, whatever range was asked for.
    NoRanges,
    /// Somewhere else.
    Redirect(String),
    /// More than there is, in chunks without a length.
    Endless,
}

/// A request, as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }
}

#[derive(Default)]
struct Inner {
    bytes: Vec<u8>,
    tag: String,
    manners: VecDeque<Manner>,
    requests: Vec<Request>,
}

/// The server. It serves the same bytes under any path.
#[derive(Clone)]
pub(crate) struct Depot {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl Depot {
    pub(crate) fn start(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = Inner {
            bytes,
            tag: "\"one\"".into(),
            ..Inner::default()
        };
        let depot = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::new(Mutex::new(inner)),
        };
        let serving = depot.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                // A client that goes away is its own affair.
                thread::spawn(move || drop(serving.answer(stream)));
            }
        });
        depot
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn manners(&self, manners: impl IntoIterator<Item = Manner>) {
        self.inner.lock().unwrap().manners.extend(manners);
    }

    pub(crate) fn replace(&self, bytes: Vec<u8>, tag: &str) {
        let mut inner = self.inner.lock().unwrap();
        (inner.bytes, inner.tag) = (bytes, tag.into());
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.inner.lock().unwrap().requests.clone()
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let request = read(&stream)?;
        let (bytes, tag, manner) = {
            let mut inner = self.inner.lock().unwrap();
            inner.requests.push(request.clone());
            let manner = inner.manners.pop_front().unwrap_or(Manner::Good);
            (inner.bytes.clone(), inner.tag.clone(), manner)
        };
        match manner {
            Manner::Good => send(stream, &request, &bytes, &tag, usize::MAX),
            Manner::CutAfter(most) => send(stream, &request, &bytes, &tag, most),
            Manner::NoRanges => send(stream, &Request::default(), &bytes, &tag, usize::MAX),
            Manner::Status(status) => status_only(stream, status, ""),
            Manner::Redirect(to) => status_only(stream, 302, &format!("Location: {to}\r\n")),
            Manner::Endless => endless(stream, &bytes),
        }
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let line = line?;
        match line.split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    Ok(Request { target, headers })
}

fn send(
    mut stream: TcpStream,
    request: &Request,
    bytes: &[u8],
    tag: &str,
    most: usize,
) -> std::io::Result<()> {
    let from = request.header("Range").and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse::<usize>()
            .ok()
    });
    if request
        .header("If-Match")
        .is_some_and(|wanted| wanted != tag)
    {
        return status_only(stream, 412, "");
    }
    if from.is_some_and(|from| from >= bytes.len()) {
        return status_only(stream, 416, "");
    }
    let total = bytes.len();
    let body = &bytes[from.unwrap_or(0)..];
    let head = match from {
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
        Some(from) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}\r\n",
            total - 1
        ),
    };
    let length = body.len();
    write!(
        stream,
        "{head}Content-Length: {length}\r\nETag: {tag}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body[..body.len().min(most)])
}

fn status_only(mut stream: TcpStream, status: u16, header: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

fn endless(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )?;
    loop {
        write!(stream, "{:x}\r\n", bytes.len())?;
        stream.write_all(bytes)?;
        stream.write_all(b"\r\n")?;
    }
}
