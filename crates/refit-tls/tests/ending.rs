//! How a connection ends: with a goodbye, without one, by a fault.

use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use refit_tls::server::Oldest;
use tokio::io::AsyncWrite;

use crate::authority::Authority;
use crate::pair::{Both, client, server};

fn talking() -> Both {
    let authority = Authority::new("fleet");
    let mut both = Both::new(
        &client(&authority, None),
        &server(&authority, Oldest::Tls13).0,
    );
    both.settle();
    assert!(!both.server.is_handshaking());
    both
}

#[test]
fn a_goodbye_is_an_end_and_one_may_still_answer() {
    let mut both = talking();
    both.client_says(b"last");
    both.client.send_close_notify();
    both.to_say = b"answer".to_vec().into();
    both.settle();
    assert_eq!(both.server_got, b"last");
    assert!(both.is_ended && both.fault.is_none());
    assert_eq!(both.client_got, b"answer");
}

#[test]
fn a_cut_is_told_from_an_end() {
    let mut both = talking();
    both.client_says(b"half");
    both.pipe().incoming.pop_back();
    both.pipe().is_cut = true;
    both.settle();
    assert!(both.server_got.is_empty());
    assert_eq!(both.fault.unwrap().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn our_goodbye_is_heard_even_through_a_narrow_pipe() {
    let mut both = talking();
    both.pipe().portions = [3, 3, 0].into();
    let cx = &mut Context::from_waker(Waker::noop());
    let mut turns = 0;
    while Pin::new(&mut both.server).poll_shutdown(cx).is_pending() {
        turns += 1;
        assert!(turns < 100);
    }
    let came: Vec<u8> = both.pipe().outgoing.drain(..).collect();
    both.client.read_tls(&mut &came[..]).unwrap();
    assert!(both.client.process_new_packets().unwrap().peer_has_closed());
    let again = Pin::new(&mut both.server).poll_shutdown(cx);
    assert!(matches!(again, Poll::Ready(Ok(()))));
    assert!(both.pipe().outgoing.is_empty(), "it was said twice");
}

#[test]
fn an_altered_record_is_refused_with_an_alert_and_for_ever() {
    let mut both = talking();
    both.client_says(b"good");
    both.client_says(b"evil");
    *both.pipe().incoming.back_mut().unwrap() ^= 1;
    both.server_turn();
    both.server_turn();
    assert_eq!(both.server_got, b"good");
    assert_eq!(both.fault.as_ref().unwrap().kind(), ErrorKind::InvalidData);
    let alert = both.client_hears().unwrap_err();
    assert!(alert.to_string().contains("BadRecordMac"), "{alert}");
    let cx = &mut Context::from_waker(Waker::noop());
    let written = Pin::new(&mut both.server).poll_write(cx, b"more");
    assert!(matches!(written, Poll::Ready(Err(_))));
}

#[test]
fn what_is_not_tls_is_refused_at_its_first_bytes() {
    let authority = Authority::new("fleet");
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x10, 12, 0, 4, b'M', b'Q'],
    ] {
        let mut both = Both::new(
            &client(&authority, None),
            &server(&authority, Oldest::Tls13).0,
        );
        both.pipe().incoming.extend(bytes);
        both.server_turn();
        assert_eq!(both.fault.unwrap().kind(), ErrorKind::InvalidData);
    }
}
