//! What a crowd does to the device endpoint.

use std::io;

use super::Kind;
use super::hostile::{Door, Guise, Hostile};
use crate::wire::{connect, packet, publish, subscribe};

/// All of it.
pub const KINDS: &[Kind] = &[
    any("half-open", |one| half_open(one, Door::Mqtt)),
    private("handshake-stalled", |one| stalled(one, Door::Mqtt)),
    private("handshake-byte-by-byte", |one| trickled(one, Door::Mqtt)),
    private("foreign-certificate", |one| {
        knock(one, Guise::Foreign, None)
    }),
    private("no-certificate", |one| knock(one, Guise::Nobody, None)),
    private("plain-text", |one| {
        let mut stream = one.open(Door::Mqtt)?;
        one.say(&mut stream, &connect(&one.id(), None))?;
        one.did();
        one.hold(&mut stream)
    }),
    any("no-connect", |one| {
        let mut stream = one.come(Door::Mqtt, Guise::Device)?;
        one.did();
        one.hold(&mut *stream)
    }),
    any("connect-byte-by-byte", |one| {
        let mut stream = one.come(Door::Mqtt, Guise::Device)?;
        let long = "x".repeat(3000);
        one.trickle(&mut *stream, &connect(&one.id(), Some(&long)))
    }),
    any("connect-oversize", |one| {
        let mut stream = one.come(Door::Mqtt, Guise::Device)?;
        one.say(&mut *stream, &[0x10, 0xff, 0xff, 0xff, 0x7f])?;
        one.did();
        one.say(&mut *stream, &[b'x'; 64 << 10])?;
        one.hold(&mut *stream)
    }),
    any("packet-oversize", |one| {
        let mut stream = one.member()?;
        one.say(&mut *stream, &[0x30, 0xff, 0xff, 0xff, 0x7f])?;
        one.did();
        one.say(&mut *stream, &[b'x'; 64 << 10])?;
        one.hold(&mut *stream)
    }),
    any("malformed", malformed),
    any("wrong-token", |one| {
        let token = format!("rft_{}", "A".repeat(43));
        knock(one, Guise::Nobody, Some(&token))
    }),
    private("anothers-id", |one| {
        let mut stream = one.come(Door::Mqtt, Guise::Device)?;
        one.say(&mut *stream, &connect("good-through", None))?;
        judge(one, &mut *stream)
    }),
    any("same-device-again", |one| {
        let mut stream = one.as_number(0).member()?;
        one.did();
        one.hold(&mut *stream)
    }),
    any("never-reads", |one| {
        let mut stream = one.open_deaf(Door::Mqtt, Guise::Device)?;
        one.say(&mut *stream, &connect(&one.id(), None))?;
        let all = format!("state/{}/#", one.id());
        one.say(&mut *stream, &subscribe([0, 1], &[&all]))?;
        let words = publish(None, &topic(one, "get"), b"").repeat(64);
        while one.goes_on() {
            one.say(&mut *stream, &words)?;
            one.did();
            one.rest();
        }
        Ok(())
    }),
    any("publish-flood", |one| {
        let mut stream = one.member()?;
        while one.goes_on() {
            let words: Vec<u8> = (1..=64).flat_map(|number| report(one, number)).collect();
            one.say(&mut *stream, &words)?;
            one.did();
            one.hear(&mut *stream)?;
            one.rest();
        }
        Ok(())
    }),
    any("get-flood", |one| {
        let mut stream = one.member()?;
        let all = format!("state/{}/#", one.id());
        one.say(&mut *stream, &subscribe([0, 1], &[&all]))?;
        one.flood(
            &mut *stream,
            &publish(None, &topic(one, "get"), b"").repeat(32),
        )
    }),
    any("ping-flood", |one| {
        let mut stream = one.member()?;
        one.flood(&mut *stream, &packet(0xc0, &[]).repeat(256))
    }),
    any("subscribe-flood", |one| {
        let mut stream = one.member()?;
        let filters = ["update/delta", "update/accepted", "update/rejected"];
        let filters = filters.map(|rest| topic(one, rest));
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        one.flood(&mut *stream, &subscribe([0, 1], &filters).repeat(16))
    }),
    any("churn", |one| {
        drop(one.member()?);
        one.did();
        Ok(())
    }),
    any("reset", |one| reset(one, Door::Mqtt)),
];

pub(super) const fn any(name: &'static str, act: fn(&Hostile<'_>) -> io::Result<()>) -> Kind {
    Kind {
        name,
        needs_tls: false,
        act,
    }
}

pub(super) const fn private(name: &'static str, act: fn(&Hostile<'_>) -> io::Result<()>) -> Kind {
    Kind {
        name,
        needs_tls: true,
        act,
    }
}

/// Connects and says nothing.
pub(super) fn half_open(one: &Hostile<'_>, door: Door) -> io::Result<()> {
    let mut stream = one.open(door)?;
    one.did();
    one.hold(&mut stream)
}

/// Begins a handshake, has the server answer, and says nothing more.
pub(super) fn stalled(one: &Hostile<'_>, door: Door) -> io::Result<()> {
    let mut stream = one.open(door)?;
    one.say(&mut stream, &one.client_hello()?)?;
    one.did();
    one.hold(&mut stream)
}

/// Begins a handshake byte by byte.
pub(super) fn trickled(one: &Hostile<'_>, door: Door) -> io::Result<()> {
    let mut stream = one.open(door)?;
    one.trickle(&mut stream, &one.client_hello()?)?;
    one.hold(&mut stream)
}

/// Connects and goes at once, without a farewell.
pub(super) fn reset(one: &Hostile<'_>, door: Door) -> io::Result<()> {
    drop(one.open(door)?);
    one.did();
    Ok(())
}

/// Asks to be let in, and is refused.
fn knock(one: &Hostile<'_>, guise: Guise, password: Option<&str>) -> io::Result<()> {
    // In TLS 1.3 a client learns only afterwards that its certificate was refused.
    let come = one.come(Door::Mqtt, guise);
    let Ok(mut stream) = come else {
        one.did();
        return Ok(());
    };
    drop(one.say(&mut *stream, &connect(&one.id(), password)));
    judge(one, &mut *stream)
}

/// Looks at the answer to a CONNECT that must be refused.
fn judge(one: &Hostile<'_>, stream: &mut dyn crate::wire::Stream) -> io::Result<()> {
    let answer = one.hear_much(stream, 4);
    if answer.is_ok_and(|answer| answer.starts_with(&[0x20, 2, 0, 0])) {
        one.was_let_in();
    }
    one.did();
    Ok(())
}

/// Bytes that are no packet, before and after a CONNECT.
fn malformed(one: &Hostile<'_>) -> io::Result<()> {
    const WORDS: [&[u8]; 6] = [
        &[0xc1, 0],
        &[0x30, 0xff, 0xff, 0xff, 0xff],
        &[0x00, 0x00],
        &[0x20, 0x02, 0, 0],
        &[0x32, 3, 0, 1, b'#'],
        &[0x82, 2, 0, 0],
    ];
    let words = WORDS
        .get(one.number % WORDS.len())
        .copied()
        .unwrap_or_default();
    let mut stream = if one.number.is_multiple_of(2) {
        one.come(Door::Mqtt, Guise::Device)?
    } else {
        one.member()?
    };
    one.say(&mut *stream, words)?;
    one.did();
    one.hold(&mut *stream)
}

fn topic(one: &Hostile<'_>, rest: &str) -> String {
    format!("state/{}/{rest}", one.id())
}

/// A report that changes the record.
fn report(one: &Hostile<'_>, number: u16) -> Vec<u8> {
    let n = one.acts() * 64 + u64::from(number);
    let payload = format!(r#"{{"state":{{"reported":{{"n":{n}}}}}}}"#);
    publish(
        Some(number.to_be_bytes()),
        &topic(one, "update"),
        payload.as_bytes(),
    )
}
