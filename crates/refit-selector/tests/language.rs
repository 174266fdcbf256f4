//! The examples of the guide, and what each is printed as.

use refit_selector::Selector;
use refit_selector::tree::Term;

#[test]
fn the_printed_form_is_one_for_all_ways_of_writing() {
    for (text, printed) in [
        (
            "model = gw-200 and version < 1.4.0 and tag.region in (eu, us)",
            "",
        ),
        (
            "model=gw-200,tag.ring=canary",
            "model = gw-200 and tag.ring = canary",
        ),
        (
            "online and seen within 2d and not tag.frozen",
            "online and seen within 2d and not has tag.frozen",
        ),
        (
            "(attr.battery >= 40 or attr.power = mains) and id ~ \"berlin-*\"",
            "",
        ),
        ("in list recall-2026-03 or job.reason ~ \"verify:*\"", ""),
        ("model = cam-1 and sample 5%", ""),
        ("  ALL ", "all"),
        (
            "!tag.frozen, tag.a notin (x,y), tag.b==2.50",
            "not has tag.frozen and tag.a not in (x, y) and tag.b = 2.5",
        ),
        ("model in (a, a)", "model = a"),
        ("model not in ('a')", "model != a"),
        ("version <= v1.4", "version <= 1.4.0"),
        ("state = timed-out", "job.status = TIMED_OUT"),
        (
            "certificate.state in (Revoked, cloned)",
            "cert in (revoked, cloned)",
        ),
        ("last_seen < 2026-03-01T02:00:00+02:00", "seen < 2026-03-01"),
        ("first_seen within 336h", "created within 14d"),
        ("seen within PT90M", "seen within 1h30m"),
        (
            "id in list x and not id not in (a, b)",
            "in list x and not id not in (a, b)",
        ),
        (
            "((online)) and ((model = a and model = b))",
            "online and model = a and model = b",
        ),
        (
            "model = \"and\" or model = \"a \\\"b\\\"\"",
            "model = \"and\" or model = \"a \\\"b\\\"\"",
        ),
        (
            "attr.x < 2026-01-01 and attr.x > v2 and attr.x >= -5.0",
            "attr.x < 2026-01-01 and attr.x > 2.0.0 and attr.x >= -5",
        ),
        ("model = \"gw-*\"", ""),
        ("id ~ a**", "id ~ \"a*\""),
        ("sample 012.50%", "sample 12.5%"),
        ("model = 007", ""),
    ] {
        let selector = Selector::parse(text)
            .unwrap_or_else(|mistake| panic!("{}\n{mistake}", mistake.caret(text)));
        assert_eq!(
            selector.to_string(),
            if printed.is_empty() { text } else { printed }
        );
    }
}

#[test]
fn a_selector_tells_what_rests_on_the_word_of_devices() {
    let selector = Selector::parse(
        "model = a and tag.ring = b and (attr.x = 1 or not version < 2) and online and id ~ c*",
    )
    .unwrap();
    let claimed: Vec<String> = selector
        .claimed_by_devices()
        .into_iter()
        .map(Term::to_string)
        .collect();
    assert_eq!(claimed, ["model = a", "attr.x = 1", "version < 2.0.0"]);
}

#[test]
fn a_selector_tells_which_lists_it_names() {
    let selector = Selector::parse("in list a or not (in list b/c or in list a)").unwrap();
    assert_eq!(selector.lists(), ["a", "b/c", "a"]);
}
