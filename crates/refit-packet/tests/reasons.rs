//! Errors and codes: what is said to the peer.

use refit_packet::{
    ConnAck, ConnectReturnCode, Disconnect, Error, ReasonCode, Version, announced_version,
};

use crate::bytes::bytes;

#[test]
fn every_return_code_of_3_1_1_means_a_reason_and_back() {
    for reason in [
        ReasonCode::SUCCESS,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
        ReasonCode::SERVER_UNAVAILABLE,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED,
    ] {
        let code = ConnectReturnCode::of(reason).expect("a return code");
        assert_eq!(code.reason(), reason);
    }
    assert_eq!(ConnectReturnCode::of(ReasonCode::BANNED), None);
}

#[test]
fn a_refused_packet_tells_what_to_answer() {
    assert_eq!(Error::TrailingBytes.reason(), ReasonCode::MALFORMED_PACKET);
    assert_eq!(Error::NothingListed.reason(), ReasonCode::PROTOCOL_ERROR);
    assert_eq!(Error::PacketTooLarge.reason(), ReasonCode::PACKET_TOO_LARGE);
    assert_eq!(
        Error::ClientIdMissing.reason(),
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID
    );
    let level = Error::UnsupportedLevel(3);
    assert_eq!(
        level.return_code(),
        Some(ConnectReturnCode::UnacceptableProtocolVersion)
    );
    assert_eq!(Error::Utf8.return_code(), None);
    assert_eq!(
        Error::DupOnQos0.statements(),
        ["MQTT-3.3.1-2", "MQTT-3.3.1-2"]
    );
}

#[test]
fn messages_are_lower_case_fragments() {
    for error in [Error::UnsupportedLevel(9), Error::Utf8, Error::NoReturnCode] {
        let message = error.to_string();
        assert!(
            message.starts_with(char::is_lowercase) || message.starts_with("UTF"),
            "{message}"
        );
        assert!(!message.ends_with('.'), "{message}");
    }
}

#[test]
fn the_version_of_a_broken_connect_is_known() {
    let broken = bytes("10 .. 'MQTT' 05 03");
    assert_eq!(announced_version(&broken), Some(Version::V5));
    assert_eq!(
        announced_version(&bytes("10 .. 'MQTT' 04")),
        Some(Version::V311)
    );
    assert_eq!(announced_version(&bytes("10 .. 'MQTT' 03")), None);
    assert_eq!(announced_version(&bytes("10 .. 'MQ'")), None);
    assert_eq!(announced_version(&bytes("30 .. 'MQTT' 05")), None);
    assert_eq!(announced_version(&[]), None);
}

#[test]
fn what_3_1_1_cannot_say_is_not_sent() {
    let mut out = vec![7];
    let refusal = ConnAck::refusal(ReasonCode::BANNED);
    assert_eq!(
        refusal.encode(Version::V311, &mut out),
        Err(Error::NoReturnCode)
    );
    let farewell = Disconnect::new(ReasonCode::SERVER_SHUTTING_DOWN);
    assert_eq!(
        farewell.encode(Version::V311, &mut out),
        Err(Error::NotInVersion)
    );
    assert_eq!(out, [7], "nothing was written");
}
