//! Where a packet ends, from its first bytes.

use refit_packet::{Error, Frame, PACKET_BYTES_MAX, Version, decode_from_client, frame};

use crate::bytes::bytes;

#[track_caller]
fn framed(received: &str, limit: usize, expected: Result<Frame, Error>) {
    assert_eq!(frame(&bytes(received), limit), expected, "{received}");
}

#[test]
fn an_unfinished_packet_says_how_much_is_missing() {
    framed("", 100, Ok(Frame::Partial { missing: 2 }));
    framed("30", 100, Ok(Frame::Partial { missing: 1 }));
    framed("30 80", 1000, Ok(Frame::Partial { missing: 1 }));
    framed("30 05 00", 100, Ok(Frame::Partial { missing: 4 }));
    framed("30 8001 00", 1000, Ok(Frame::Partial { missing: 127 }));
}

#[test]
fn a_whole_packet_ends_where_the_next_begins() {
    framed("c000", 100, Ok(Frame::Whole { len: 2 }));
    framed("c000 c000", 100, Ok(Frame::Whole { len: 2 }));
    framed("40 02 0001 30", 100, Ok(Frame::Whole { len: 4 }));
    framed("40 8200 0001 30", 100, Ok(Frame::Whole { len: 5 }));
}

#[test]
fn an_oversize_packet_is_refused_before_its_body_comes() {
    framed("30 64", 101, Err(Error::PacketTooLarge));
    framed("30 64", 102, Ok(Frame::Partial { missing: 100 }));
    framed(
        "30 ffffff7f",
        PACKET_BYTES_MAX - 1,
        Err(Error::PacketTooLarge),
    );
    framed(
        "30 ffffff7f",
        PACKET_BYTES_MAX,
        Ok(Frame::Partial {
            missing: 268_435_455,
        }),
    );
}

#[test]
fn a_remaining_length_of_five_bytes_is_refused_at_the_fourth() {
    framed("30 808080", 100, Ok(Frame::Partial { missing: 1 }));
    framed("30 80808080", 100, Err(Error::RemainingLength));
    framed("30 8080808001", 100, Err(Error::RemainingLength));
}

#[test]
fn a_reserved_type_is_refused_at_the_first_byte() {
    framed("00", 100, Err(Error::ReservedType));
    framed("0f 00", 100, Err(Error::ReservedType));
}

#[test]
fn bytes_that_are_not_exactly_one_packet_are_refused() {
    for version in [Version::V311, Version::V5] {
        assert_eq!(decode_from_client(&[], version), Err(Error::UnexpectedEnd));
        assert_eq!(
            decode_from_client(&[0xc0], version),
            Err(Error::UnexpectedEnd)
        );
        assert_eq!(
            decode_from_client(&[0xc0, 1], version),
            Err(Error::UnexpectedEnd)
        );
        assert_eq!(
            decode_from_client(&[0xc0, 0, 0xc0], version),
            Err(Error::TrailingBytes)
        );
    }
}
