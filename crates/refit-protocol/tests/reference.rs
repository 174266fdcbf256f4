//! What `docs/reference/wire.md` says is what is done: its updates are updates, its table of codes is ours.

use refit_protocol::rejection::Code;
use refit_protocol::update::Update;

const WIRE: &str = include_str!("../../../docs/reference/wire.md");

const CODES: [Code; 10] = [
    Code::Malformed,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::NotFound,
    Code::Conflict,
    Code::TooLarge,
    Code::Unprocessable,
    Code::TooMany,
    Code::Internal,
    Code::Unavailable,
];

#[test]
fn its_updates_are_read() {
    let mut read = 0;
    for block in WIRE.split("```").skip(1).step_by(2) {
        let (kind, lines) = block.split_once('\n').unwrap_or_default();
        for line in lines.lines().filter(|_| kind.ends_with("update")) {
            assert!(Update::parse(line.as_bytes()).is_ok(), "{line}");
            read += 1;
        }
    }
    assert_eq!(read, 8, "the examples are still marked as updates");
}

#[test]
fn its_codes_are_ours() {
    let rows: Vec<(u16, String)> = WIRE
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            Some((cells.get(1)?.parse().ok()?, String::from(*cells.get(3)?)))
        })
        .collect();
    let ours = CODES.map(|code| (code.number(), format!("{:#04x}", code.mqtt_reason())));
    assert_eq!(rows, ours);
}
