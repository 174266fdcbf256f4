//! Packets written down so that a reader can check them against the standard: hex bytes, with
//! `..` for the remaining length, `'text'` for a field with its two-byte length, `"text"` for bare
//! bytes.

use refit_packet::{Error, Packet, Version, decode_from_client, decode_from_server};

/// Who sent the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Client,
    Server,
}

pub(crate) fn decode(bytes: &[u8], from: From, version: Version) -> Result<Packet<'_>, Error> {
    match from {
        From::Client => decode_from_client(bytes, version),
        From::Server => decode_from_server(bytes, version),
    }
}

pub(crate) fn bytes(written: &str) -> Vec<u8> {
    let (mut out, mut length_at) = (Vec::new(), None);
    let mut rest = written.trim_start();
    while let Some(first) = rest.chars().next() {
        let quoted = matches!(first, '\'' | '"');
        let end = if quoted {
            rest[1..].find(first).expect("closing quote") + 2
        } else {
            rest.find(' ').unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(end);
        match (first, token) {
            (_, "..") => length_at = Some(out.len()),
            ('\'', _) => field(&mut out, &token.as_bytes()[1..end - 1]),
            ('"', _) => out.extend_from_slice(&token.as_bytes()[1..end - 1]),
            _ => out.extend(hex(token)),
        }
        rest = after.trim_start();
    }
    if let Some(at) = length_at {
        let length = remaining_length(out.len() - at);
        out.splice(at..at, length);
    }
    out
}

fn field(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend_from_slice(text);
}

fn hex(token: &str) -> Vec<u8> {
    assert!(token.len().is_multiple_of(2), "hex in pairs: {token}");
    let pair = |at| u8::from_str_radix(&token[at..at + 2], 16).expect("hex");
    (0..token.len()).step_by(2).map(pair).collect()
}

fn remaining_length(mut len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while len > 0x7f {
        out.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out
}
