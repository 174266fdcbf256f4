//! What a crowd does to the HTTP door.

use std::io;

use super::Kind;
use super::hostile::{Door, Guise, Hostile};
use super::over_mqtt::{any, half_open, private, reset, stalled, trickled};
use crate::wire::Stream;

/// All of it.
pub const KINDS: &[Kind] = &[
    any("half-open", |one| half_open(one, Door::Http)),
    private("handshake-stalled", |one| stalled(one, Door::Http)),
    private("handshake-byte-by-byte", |one| trickled(one, Door::Http)),
    private("foreign-certificate", |one| {
        is_refused(one, Guise::Foreign, &delta(one))
    }),
    private("no-certificate", |one| {
        is_refused(one, Guise::Nobody, &delta(one))
    }),
    any("nothing-asked", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        one.did();
        one.hold(&mut *stream)
    }),
    any("head-byte-by-byte", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}", "x".repeat(8000));
        one.trickle(&mut *stream, head.as_bytes())
    }),
    any("body-byte-by-byte", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        let head = head(one, "POST /device/v1/update", "content-length: 8000\r\n");
        one.say(&mut *stream, &head)?;
        one.trickle(&mut *stream, &[b' '; 8000])
    }),
    any("body-without-end", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        let head = head(
            one,
            "POST /device/v1/update",
            "transfer-encoding: chunked\r\n",
        );
        one.say(&mut *stream, &head)?;
        let chunk = [b"1000\r\n", &[b' '; 0x1000][..], b"\r\n"].concat();
        one.flood(&mut *stream, &chunk)
    }),
    any("head-huge", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        one.say(&mut *stream, b"GET /livez HTTP/1.1\r\nhost: x\r\nx: ")?;
        one.did();
        one.flood(&mut *stream, &[b'x'; 64 << 10])
    }),
    any("head-lines-without-end", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        one.say(&mut *stream, b"GET /livez HTTP/1.1\r\nhost: x\r\n")?;
        one.flood(&mut *stream, &b"x: x\r\n".repeat(1000))
    }),
    any("requests-pipelined", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        one.flood(&mut *stream, &head(one, "GET /livez", "").repeat(64))
    }),
    any("answers-never-read", |one| {
        let mut stream = one.open_deaf(Door::Http, Guise::Nobody)?;
        let words = head(one, "GET /api/v1/openapi.json", "").repeat(8);
        while one.goes_on() {
            one.say(&mut *stream, &words)?;
            one.did();
            one.rest();
        }
        Ok(())
    }),
    any("download-never-read", |one| {
        let url = granted(one)?;
        let mut stream = one.open_deaf(Door::Http, Guise::Device)?;
        one.say(&mut *stream, &head(one, &format!("GET {url}"), ""))?;
        one.did();
        one.hold_deaf();
        Ok(())
    }),
    any("polls-without-pause", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        one.flood(&mut *stream, &delta(one).repeat(4))
    }),
    any("wrong-token", |one| {
        let bearer = format!("authorization: Bearer rft_{}\r\n", "A".repeat(43));
        is_refused(
            one,
            Guise::Nobody,
            &head(one, "GET /api/v1/devices", &bearer),
        )
    }),
    any("wrong-password", |one| {
        let body = format!(r#"{{"user":"user-{}","password":"a guess"}}"#, one.number);
        is_refused(one, Guise::Nobody, &post(one, "/api/v1/session", &body))
    }),
    any("wrong-claim-token", |one| {
        let body = format!(r#"{{"token":"rfe_{}","csr":"none"}}"#, "A".repeat(43));
        is_refused(one, Guise::Nobody, &post(one, "/device/v1/enrol", &body))
    }),
    any("churn", |one| {
        let mut stream = one.come(Door::Http, Guise::Device)?;
        one.say(&mut *stream, &head(one, "GET /livez", ""))?;
        one.hear_much(&mut *stream, 1)?;
        one.did();
        Ok(())
    }),
    any("reset", |one| reset(one, Door::Http)),
];

/// A request's head. With `--dev` it says which device asks; a certificate goes before it.
fn head(one: &Hostile<'_>, what: &str, lines: &str) -> Vec<u8> {
    let id = one.id();
    format!("{what} HTTP/1.1\r\nhost: localhost\r\nrefit-device: {id}\r\n{lines}\r\n").into_bytes()
}

fn post(one: &Hostile<'_>, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let lines = format!("content-type: application/json\r\ncontent-length: {length}\r\n");
    let mut request = head(one, &format!("POST {path}"), &lines);
    request.extend_from_slice(body.as_bytes());
    request
}

fn delta(one: &Hostile<'_>) -> Vec<u8> {
    head(one, "GET /device/v1/delta", "")
}

/// Asks for what it must not have.
fn is_refused(one: &Hostile<'_>, guise: Guise, request: &[u8]) -> io::Result<()> {
    let answer = one.come(Door::Http, guise).and_then(|mut stream| {
        one.say(&mut *stream, request)?;
        one.hear_much(&mut *stream, 12)
    });
    if answer.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 2")) {
        one.was_let_in();
    }
    one.did();
    Ok(())
}

/// Gets the path of its own artifact, with the grant for it.
fn granted(one: &Hostile<'_>) -> io::Result<String> {
    let mut stream = one.come(Door::Http, Guise::Device)?;
    one.say(&mut *stream, &delta(one))?;
    let answer = until_brace(one, &mut *stream)?;
    let path = answer
        .split_once("/depot/")
        .and_then(|(_, rest)| rest.split('"').next());
    let path = path.ok_or_else(|| io::Error::other("no delta"))?;
    Ok(format!("/depot/{path}"))
}

fn until_brace(one: &Hostile<'_>, stream: &mut dyn Stream) -> io::Result<String> {
    let mut answer = String::new();
    while !answer.ends_with('}') {
        answer.push_str(&String::from_utf8_lossy(&one.hear_much(stream, 1)?));
    }
    Ok(answer)
}
