//! Claim tokens and the bodies of `/device/v1`: what is written is read, what is odd is refused.

use proptest::prelude::*;
use refit_protocol::claim::{CLAIM_TEXT_BYTES, Claim, ClaimId, InvalidClaim};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::enrolment::{
    ENROLMENT_BYTES_MAX, Enrol, Issued, Nonce, Renew, RenewExpired, TrustBundle, proof_message,
};
use refit_protocol::rejection::Code;
use refit_protocol::time::Timestamp;
use serde_json::{Map, Value};

fn claim() -> impl Strategy<Value = Claim> {
    any::<([u8; 32], [u8; 8], [u8; 16])>().prop_map(|(server, id, secret)| Claim {
        server: Digest::from_bytes(server),
        id: ClaimId(id),
        secret,
    })
}

proptest! {
    #[test]
    fn a_claim_has_one_spelling(claim in claim(), at in 4usize..CLAIM_TEXT_BYTES, to in "[A-Za-z0-9_-]") {
        let text = claim.to_text();
        prop_assert_eq!(text.len(), CLAIM_TEXT_BYTES);
        prop_assert_eq!(Claim::parse(&text), Ok(claim.clone()));
        prop_assert_eq!(ClaimId::parse(&claim.id.to_string()), Some(claim.id));
        let mut other = text.clone();
        other.replace_range(at..=at, &to);
        if other != text {
            prop_assert_ne!(Claim::parse(&other), Ok(claim));
        }
    }

    #[test]
    fn any_text_is_a_claim_or_refused(text in "(rfe_)?[\\x00-\\x7fé]{0,90}") {
        if let Ok(claim) = Claim::parse(&text) {
            prop_assert_eq!(claim.to_text(), text);
        }
    }

    #[test]
    fn bodies_read_back_what_they_write(
        token in prop::option::of(claim()),
        id in prop::option::of("[A-Za-z0-9:_-]{1,128}"),
        csr in "[A-Za-z\n -]{0,200}",
        model in prop::option::of("[a-z]{0,9}"),
        nonce in any::<[u8; 32]>(),
        signature in prop::collection::vec(any::<u8>(), 0..300),
        time in 0u64..1 << 53,
    ) {
        let id = id.and_then(|id| DeviceId::parse(&id).ok());
        let attributes: Map<_, _> = model.into_iter().map(|m| ("model".into(), m.into())).collect();
        let enrol = Enrol { token, id: id.clone(), csr: csr.clone(), attributes };
        prop_assert_eq!(Enrol::parse(enrol.to_json().as_bytes()), Ok(enrol));
        let renew = Renew { csr: csr.clone() };
        prop_assert_eq!(Renew::parse(renew.to_json().as_bytes()), Ok(renew));
        let expired = RenewExpired { certificate: csr.clone(), csr: csr.clone(), nonce, signature };
        prop_assert_eq!(RenewExpired::parse(expired.to_json().as_bytes()), Ok(expired));
        let answer = Nonce { nonce, expires: Timestamp(time) };
        prop_assert_eq!(Nonce::parse(answer.to_json().to_string().as_bytes()), Ok(answer));
        if let Some(id) = id {
            let trust = TrustBundle { number: time, roots: csr.clone(), renew: time % 2 == 1 };
            let issued = Issued {
                id, certificate: csr, trust, mqtt: "mqtts://h:1".into(),
                renew_after: Timestamp(time), expires: Timestamp(time),
            };
            prop_assert_eq!(Issued::parse(issued.to_json().to_string().as_bytes()), Ok(issued));
        }
    }

    #[test]
    fn any_body_is_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Enrol::parse(&body));
        drop(Renew::parse(&body));
        drop(RenewExpired::parse(&body));
        drop(Issued::parse(&body));
        drop(Nonce::parse(&body));
        drop(TrustBundle::parse(&body));
    }
}

#[test]
fn a_refused_claim_is_named_and_not_repeated() {
    let claim = Claim {
        server: Digest::from_bytes([1; 32]),
        id: ClaimId([2; 8]),
        secret: *b"0123456789abcdef",
    };
    let text = claim.to_text();
    let debug = format!("{claim:?}");
    assert!(
        !debug.contains("48, 49") && !debug.contains("secret"),
        "{debug}"
    );
    let version = text.replacen("rfe_AQ", "rfe_Ag", 1);
    for (bad, why) in [
        ("", InvalidClaim::Prefix),
        ("rft_x", InvalidClaim::Prefix),
        ("rfe_x", InvalidClaim::Length(5)),
        (&text.replacen("rfe_A", "rfe_+", 1), InvalidClaim::Alphabet),
        (&text.replacen("rfe_A", "rfe_=", 1), InvalidClaim::Alphabet),
        (&version, InvalidClaim::Version(2)),
    ] {
        assert_eq!(Claim::parse(bad), Err(why), "{bad}");
        assert!(bad.len() < 10 || !why.to_string().contains(&bad[8..]));
    }
}

#[test]
fn odd_bodies_are_refused_with_the_reason() {
    let long = format!(r#"{{"csr":"{}"}}"#, "x".repeat(9000));
    let longer = format!(r#"{{"csr":"{}"}}"#, "x".repeat(ENROLMENT_BYTES_MAX));
    let large = format!(
        r#"{{"csr":"x","attributes":{{"a":"{}"}}}}"#,
        "x".repeat(8200)
    );
    for (body, code, why) in [
        ("", Code::Malformed, "EOF"),
        ("[]", Code::Malformed, "not an object"),
        ("{}", Code::Malformed, "csr is missing"),
        (r#"{"csr":1}"#, Code::Malformed, "csr is not a string"),
        (r#"{"csr":"x","csr":"y"}"#, Code::Malformed, "twice"),
        (
            r#"{"csr":"x","ID":"y"}"#,
            Code::Malformed,
            "\"ID\" is unknown",
        ),
        (r#"{"csr":"x","id":"a b"}"#, Code::Malformed, "the byte ' '"),
        (r#"{"csr":"x","id":""}"#, Code::Malformed, "empty"),
        (
            r#"{"csr":"x","token":"rfe_"}"#,
            Code::Malformed,
            "claim token",
        ),
        (
            r#"{"csr":"x","attributes":[]}"#,
            Code::Malformed,
            "not an object",
        ),
        (&long, Code::TooLarge, "csr"),
        (&longer, Code::TooLarge, "body"),
        (&large, Code::TooLarge, "attributes"),
    ] {
        let said = Enrol::parse(body.as_bytes()).expect_err(body);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.message.contains(why), "{body}: {said:?}");
    }
    let short = r#"{"csr":"x","certificate":"y","nonce":"AAAA","signature":"AA"}"#;
    let said = RenewExpired::parse(short.as_bytes()).expect_err(short);
    assert!(said.message.contains("nonce is not 32"), "{said:?}");
    let padded = r#"{"csr":"x","certificate":"y","nonce":"AA==","signature":"AA"}"#;
    assert!(RenewExpired::parse(padded.as_bytes()).is_err());
}

#[test]
fn a_proof_names_its_purpose_its_challenge_and_its_key() {
    let message = proof_message(&[7; 32], &Digest::from_bytes([9; 32]));
    assert_eq!(message.len(), 14 + 32 + 32);
    assert!(message.starts_with(b"refit-renew-1\0\x07"));
    assert!(message.ends_with(&[9; 32]));
}

#[test]
fn a_newer_server_may_say_more() {
    let body = r#"{"number":3,"roots":"x","also":{"a":1}}"#;
    let bundle = TrustBundle::parse(body.as_bytes()).map(|b| b.number);
    assert_eq!(bundle, Ok(3));
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    assert!(value.is_object());
}
