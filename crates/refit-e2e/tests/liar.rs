//! A forwarder before an object store that lies, fails, leads away, or stands still, as it is told, and remembers what
//! it was asked.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::house::PATIENCE;

/// What it does to the answers about artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nothing.
    None,
    /// One byte of an artifact is another.
    Alter,
    /// The last byte of an artifact is missing, and nothing says so.
    Shorten,
    /// The connection is cut in the middle of an artifact.
    Cut,
    /// An artifact is said to be a byte longer.
    Overstate,
    /// Every request is answered by a redirect to this URL.
    LeadAway(String),
    /// Every request is answered 500.
    Fail,
    /// No request is answered.
    Stall,
}

/// The forwarder. It ends with the process.
pub(crate) struct Liar {
    port: u16,
    lie: Arc<Mutex<Lie>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Liar {
    /// Starts one before `endpoint` (`http://host:port`).
    pub(crate) fn before(endpoint: &str) -> Self {
        let store = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let lie = Arc::new(Mutex::new(Lie::None));
        let told = Arc::clone(&lie);
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (store, told, seen) = (store.clone(), Arc::clone(&told), Arc::clone(&seen));
                // Whoever goes away in the middle has seen enough.
                std::thread::spawn(move || drop(forward(client, &store, &told, &seen)));
            }
        });
        Self { port, lie, heads }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Takes the heads of the requests until now, in lower case.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }

    pub(crate) fn tell(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }
}

/// Forwards one request and its answer, and closes.
fn forward(
    mut client: TcpStream,
    store: &str,
    lie: &Mutex<Lie>,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let (head, body) = message(&mut client, false)?;
    heads.lock().unwrap().push(head.to_ascii_lowercase());
    let lie = lie.lock().unwrap().clone();
    match &lie {
        Lie::LeadAway(to) => {
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return client.write_all(answer.as_bytes());
        }
        Lie::Stall => {
            // Until the client gives up.
            let waited = client.read(&mut [0]);
            return waited.map(drop);
        }
        Lie::Fail => {
            return client.write_all(
                b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(store)?;
    upstream.set_read_timeout(Some(PATIENCE))?;
    let (request, headers) = head.split_once("\r\n").unwrap();
    upstream.write_all(format!("{request}\r\nConnection: close\r\n{headers}").as_bytes())?;
    upstream.write_all(&body)?;
    let is_head = request.starts_with("HEAD ");
    let (mut head, mut body) = message(&mut upstream, true)?;
    let reads = is_head || request.starts_with("GET ");
    let of_artifact = reads && request.contains("/sha256/") && !request.contains("refit-probe");
    let is_success = head.starts_with("HTTP/1.1 20");
    if of_artifact && is_success {
        let length = header(&head, "content-length").unwrap_or_default();
        let said = |length: usize| format!("Content-Length: {length}");
        match lie {
            Lie::Alter if !body.is_empty() => {
                let middle = body.len() / 2;
                body[middle] ^= 1;
            }
            Lie::Shorten if !body.is_empty() => {
                body.pop();
                head = head.replace(&said(length), &said(length - 1));
            }
            Lie::Cut => body.truncate(body.len() / 2),
            Lie::Overstate if is_head => head = head.replace(&said(length), &said(length + 1)),
            _ => {}
        }
    }
    client.write_all(head.as_bytes())?;
    client.write_all(&body)
}

/// Reads a head and what follows: as much as is announced, or all there is.
fn message(stream: &mut TcpStream, to_the_end: bool) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        let ends = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(ends) = ends.map(|at| at + 4).filter(|_| !to_the_end) {
            let head = String::from_utf8_lossy(&bytes[..ends]).into_owned();
            let length = header(&head, "content-length").unwrap_or_default();
            if bytes.len() >= ends + length {
                return Ok((head, bytes.split_off(ends)));
            }
        }
        match stream.read(&mut piece)? {
            0 => {
                let ends = ends.ok_or_else(|| std::io::Error::from(ErrorKind::UnexpectedEof))? + 4;
                let body = bytes.split_off(ends);
                return Ok((String::from_utf8_lossy(&bytes).into_owned(), body));
            }
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

fn header(head: &str, name: &str) -> Option<usize> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
    found.next()?.1.trim().parse().ok()
}
