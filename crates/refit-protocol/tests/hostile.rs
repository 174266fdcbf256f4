//! Updates that mean harm, as a table: the code of the answer, and that the answer stays short.

use refit_protocol::limits::{CLIENT_TOKEN_BYTES_MAX, REASON_BYTES_MAX, UPDATE_BYTES_MAX};
use refit_protocol::update::Update;

/// The longest message that a refusal may carry, whatever was sent.
const MESSAGE_BYTES_MAX: usize = 512;

fn code(payload: &[u8]) -> u16 {
    match Update::parse(payload) {
        Ok(_) => 200,
        Err(refused) => {
            let message = &refused.rejection.message;
            assert!(
                message.len() <= MESSAGE_BYTES_MAX,
                "a long answer: {message}"
            );
            refused.rejection.code.number()
        }
    }
}

/// `{"state":{"reported":…}}`
fn reported(inner: &str) -> String {
    format!(r#"{{"state":{{"reported":{inner}}}}}"#)
}

#[test]
fn shapes() {
    let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(1000), "}".repeat(1000));
    let deep_arrays = format!(r#"{{"a":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let wide = format!(
        "{{{}}}",
        (0..700)
            .map(|n| format!("\"k{n}\":1"))
            .collect::<Vec<_>>()
            .join(",")
    );
    let same_key = format!("{{{}}}", ["\"k\":1"; 700].join(","));
    let long_key = format!("{{\"{0}\":1,\"{0}\":1}}", "\\u0001".repeat(600));
    for (inner, expected) in [
        (deep_objects.as_str(), 400),
        (&deep_arrays, 400),
        (&wide, 200),
        (&same_key, 400),
        (&long_key, 400),
        (r#"{"a":1,"\u0061":2}"#, 400),
        (r#"{"x":{"\u0061":{},"a":[]}}"#, 400),
        (
            r#"{"softwareURL":"http://h/1","software\u0055RL":"http://h/2"}"#,
            400,
        ),
        (r#"{"a":{},"A":{}}"#, 200),
        (r#"{"":1}"#, 200),
        (r#"{"__proto__":{"x":1}}"#, 200),
        (r#"{"a":[[[[1]]]]}"#, 200),
        (r#"{"a":[[[[[1]]]]]}"#, 200),
        (r#"{"a":[[[[[[1]]]]]]}"#, 400),
        (r#"{"a":[{"b":null}]}"#, 400),
        (r#"[]"#, 400),
        (r#"null"#, 400),
        (r#""x""#, 400),
    ] {
        assert_eq!(code(reported(inner).as_bytes()), expected, "{inner:.80}");
    }
}

#[test]
fn numbers() {
    for (number, expected) in [
        ("0", 200),
        ("-0", 200),
        ("-0.0", 200),
        ("9007199254740991", 200),
        ("9007199254740992", 400),
        ("-9007199254740991", 200),
        ("-9007199254740992", 400),
        ("18446744073709551616", 400),
        ("1e15", 200),
        ("1e16", 400),
        ("1e400", 400),
        ("-1e400", 400),
        ("1e-400", 200),
        ("0.1", 200),
        ("01", 400),
        ("+1", 400),
        (".5", 400),
        ("1.", 400),
        ("0x10", 400),
        ("NaN", 400),
        ("Infinity", 400),
    ] {
        let payload = reported(&format!(r#"{{"n":{number}}}"#));
        assert_eq!(code(payload.as_bytes()), expected, "{number}");
    }
    let digits = reported(&format!(r#"{{"n":{}}}"#, "9".repeat(5000)));
    assert_eq!(code(digits.as_bytes()), 400);
}

#[test]
fn texts() {
    for (text, expected) in [
        (r#""\ud800""#, 400),
        (r#""\udc00\ud800""#, 400),
        (r#""\ud83d\ude00""#, 200),
        (r#""\u0000""#, 200),
        ("\"\u{0}\"", 400),
        ("\"\n\"", 400),
        (r#""\x41""#, 400),
        (r#""\u12""#, 400),
        (r#""unfinished"#, 400),
        ("'a'", 400),
        ("\"\u{feff}\u{202e}\"", 200),
    ] {
        assert_eq!(
            code(reported(&format!(r#"{{"t":{text}}}"#)).as_bytes()),
            expected,
            "{text}"
        );
    }
}

#[test]
fn bytes() {
    let fits = |bytes: usize| {
        let shell = reported(r#"{"a":""}"#).len();
        reported(&format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - shell)))
    };
    let good = reported("{}");
    for (payload, expected) in [
        (fits(UPDATE_BYTES_MAX).into_bytes(), 200),
        (fits(UPDATE_BYTES_MAX + 1).into_bytes(), 413),
        (vec![0; UPDATE_BYTES_MAX + 1], 413),
        (vec![0; 10], 400),
        ([b"\xef\xbb\xbf", good.as_bytes()].concat(), 400),
        ([good.as_bytes(), b"\0"].concat(), 400),
        ([good.as_bytes(), good.as_bytes()].concat(), 400),
        ([b"\x0c", good.as_bytes()].concat(), 400),
        (b"{\"state\":{\"reported\":{\"\xff\":1}}}".to_vec(), 400),
        (
            b"{\"state\":{\"reported\":{\"a\":\"\xc0\xaf\"}}}".to_vec(),
            400,
        ),
        (
            b"{\"state\":{\"reported\":{\"a\":\"\xed\xa0\x80\"}}}".to_vec(),
            400,
        ),
        (b"{\0\"s\0".to_vec(), 400),
        (b"jobID:a SUCCESS\0".to_vec(), 400),
        (b"\xef\xbb\xbfjobID:a SUCCESS".to_vec(), 400),
        (b"jobID:\xc3\xa9 SUCCESS".to_vec(), 400),
        (b"jobID:a SUCCESS \xc3\xa9".to_vec(), 200),
    ] {
        assert_eq!(
            code(&payload),
            expected,
            "{:?}",
            String::from_utf8_lossy(&payload[..payload.len().min(60)])
        );
    }
}

#[test]
fn fields() {
    let id = |n: usize| format!(r#"{{"jobID":"{}","status":"SUCCESS"}}"#, "a".repeat(n));
    let token = |n: usize| {
        format!(
            r#"{{"state":{{"reported":{{}}}},"clientToken":"{}"}}"#,
            "é".repeat(n / 2)
        )
    };
    let url = |n: usize| {
        reported(&format!(
            r#"{{"softwareURL":"http://h/{}"}}"#,
            "x".repeat(n - 9)
        ))
    };
    let why = |n: usize| format!("jobID:a FAILURE {}", "x".repeat(n));
    for (payload, expected) in [
        (id(64), 200),
        (id(65), 400),
        (token(CLIENT_TOKEN_BYTES_MAX), 200),
        (token(CLIENT_TOKEN_BYTES_MAX + 2), 400),
        (url(2048), 200),
        (url(2049), 400),
        (why(REASON_BYTES_MAX), 200),
        (why(REASON_BYTES_MAX + 1), 400),
        (reported(r#"{"softwareURL":{}}"#), 400),
        (reported(r#"{"softwareURL":"http://h/\n"}"#), 400),
        (r#"{"state":{"reported":{},"foreign":{}}}"#.into(), 400),
        (
            format!(r#"{{"state":{{"{}":1}}}}"#, "\\u0301".repeat(1000)),
            400,
        ),
        (r#"{"state":{"reported":{}},"version":1.5}"#.into(), 400),
        (
            r#"{"state":{"reported":{}},"version":9007199254740993}"#.into(),
            400,
        ),
        (
            r#"{"state":{"reported":{}},"progress":{"percent":1}}"#.into(),
            400,
        ),
        (
            r#"{"jobID":"a","status":"RUNNING","progress":{"percent":-1}}"#.into(),
            400,
        ),
        (
            r#"{"jobID":"a","status":"RUNNING","progress":{"percent":1e300}}"#.into(),
            400,
        ),
        (r#"{"jobID":"a","status":"SUCCEEDED"}"#.into(), 400),
        (r#"{"jobID":"a","status":["SUCCESS"]}"#.into(), 400),
        (r#"{"jobID":"../a","status":"SUCCESS"}"#.into(), 400),
    ] {
        assert_eq!(code(payload.as_bytes()), expected, "{payload:.80}");
    }
}
