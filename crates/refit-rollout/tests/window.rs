//! Maintenance windows, against the clock on the wall: minute by minute where clocks are changed.

use jiff::civil::date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;
use refit_protocol::time::Timestamp;
use refit_rollout::describe;
use refit_rollout::window::{Window, Zone, is_open, never_opens, next, read};

const MINUTE_MS: u64 = 60_000;

fn windows(texts: &[&str]) -> Vec<Window> {
    read(texts.iter().copied()).unwrap()
}

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

/// `2026-03-29T01:00` as UTC.
fn utc(text: &str) -> Timestamp {
    let at: jiff::Timestamp = format!("{text}:00Z").parse().unwrap();
    Timestamp(at.as_millisecond().unsigned_abs())
}

fn show(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.0).unwrap()).unwrap();
    at.to_string()[..16].to_owned()
}

/// From `now`, in UTC: `from .. until`.
fn opening(texts: &[&str], name: &str, now: &str) -> String {
    let opening = next(&windows(texts), &zone(name), utc(now)).unwrap();
    let until = opening.until.map_or_else(|| "for ever".into(), show);
    format!("{} .. {until}", show(opening.from))
}

#[test]
fn windows_open_by_the_clock_on_the_wall() {
    for (texts, zone, now, expected) in [
        (
            &["mon-fri 22:00-05:00"][..],
            "Europe/Berlin",
            "2026-11-24T12:00",
            "2026-11-24T21:00 .. 2026-11-25T04:00",
        ),
        // Friday's night ends on Saturday; then it is Monday's turn.
        (
            &["mon-fri 22:00-05:00"],
            "Europe/Berlin",
            "2026-11-28T03:59",
            "2026-11-28T03:59 .. 2026-11-28T04:00",
        ),
        (
            &["mon-fri 22:00-05:00"],
            "Europe/Berlin",
            "2026-11-28T04:00",
            "2026-11-30T21:00 .. 2026-12-01T04:00",
        ),
        // Sunday's night goes over the end of the week.
        (
            &["sun 23:00-01:00"],
            "UTC",
            "2026-11-29T23:30",
            "2026-11-29T23:30 .. 2026-11-30T01:00",
        ),
        // What abuts is one.
        (
            &["sat 20:00-24:00", "sun 00:00-03:00"],
            "UTC",
            "2026-11-24T00:00",
            "2026-11-28T20:00 .. 2026-11-29T03:00",
        ),
        (
            &["daily 00:00-24:00"],
            "Asia/Kolkata",
            "2026-11-24T00:00",
            "2026-11-24T00:00 .. for ever",
        ),
        (
            &["daily 00:00-24:00"],
            "Europe/Berlin",
            "2026-11-24T00:00",
            "2026-11-24T00:00 .. for ever",
        ),
        // Spring: 02:00 to 03:00 is skipped at 01:00 UTC. What begins in it begins at 03:00 ...
        (
            &["sun 02:30-04:00"],
            "Europe/Berlin",
            "2026-03-28T12:00",
            "2026-03-29T01:00 .. 2026-03-29T02:00",
        ),
        // ... and what lies within it does not open that day.
        (
            &["sun 02:15-02:45"],
            "Europe/Berlin",
            "2026-03-28T12:00",
            "2026-04-05T00:15 .. 2026-04-05T00:45",
        ),
        // Autumn: 02:00 to 03:00 comes twice, from 00:00 and from 01:00 UTC.
        (
            &["sun 02:00-03:00"],
            "Europe/Berlin",
            "2026-10-24T12:00",
            "2026-10-25T00:00 .. 2026-10-25T02:00",
        ),
        (
            &["sun 02:15-02:45"],
            "Europe/Berlin",
            "2026-10-24T12:00",
            "2026-10-25T00:15 .. 2026-10-25T00:45",
        ),
        (
            &["sun 02:15-02:45"],
            "Europe/Berlin",
            "2026-10-25T00:45",
            "2026-10-25T01:15 .. 2026-10-25T01:45",
        ),
        // Half an hour of DST only.
        (
            &["sun 01:45-02:15"],
            "Australia/Lord_Howe",
            "2026-04-04T12:00",
            "2026-04-04T14:45 .. 2026-04-04T15:00",
        ),
    ] {
        assert_eq!(
            opening(texts, zone, now),
            expected,
            "{texts:?} {zone} {now}"
        );
    }
}

#[test]
fn a_day_that_a_zone_left_out_has_no_window() {
    // Samoa went over the date line: there was no 30 December 2011, a Friday.
    assert_eq!(
        opening(&["fri 10:00-11:00"], "Pacific/Apia", "2011-12-29T12:00"),
        "2012-01-05T20:00 .. 2012-01-05T21:00"
    );
}

const CHANGING: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Tehran",
    "America/St_Johns",
    "Pacific/Chatham",
    "Antarctica/Troll",
];

/// What the words say, as naively as can be: is the wall clock in a window of today, or in yesterday's that goes on?
fn wall_says(texts: &[(u8, u16, u16)], zone: &TimeZone, at: Timestamp) -> bool {
    let instant = jiff::Timestamp::from_millisecond(i64::try_from(at.0).unwrap()).unwrap();
    let wall = zone.to_datetime(instant);
    let minute = u16::try_from(i32::from(wall.hour()) * 60 + i32::from(wall.minute())).unwrap();
    let today = u8::try_from(wall.weekday().to_monday_zero_offset()).unwrap();
    let yesterday = (today + 6) % 7;
    texts.iter().any(|(day, from, to)| {
        if from < to {
            *day == today && (*from..*to).contains(&minute)
        } else {
            *day == today && minute >= *from || *day == yesterday && minute < *to
        }
    })
}

fn text((day, from, to): (u8, u16, u16)) -> String {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let (day, from_h, from_m) = (days[usize::from(day)], from / 60, from % 60);
    format!(
        "{day} {from_h:02}:{from_m:02}-{:02}:{:02}",
        to / 60,
        to % 60
    )
}

/// Windows of Saturday to Monday, when nearly all clocks are changed, with odd minutes on purpose.
fn some_windows() -> impl Strategy<Value = Vec<(u8, u16, u16)>> {
    let window = (
        prop_oneof![Just(5_u8), Just(6), Just(0)],
        0..1_440_u16,
        0..=1_440_u16,
    );
    let window = window.prop_filter("opens", |(_, from, to)| from != to);
    proptest::collection::vec(window, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Around each change of a clock, every minute of three days is open if the wall says so, and the next opening is
    /// the first such minute.
    #[test]
    fn around_each_change_the_wall_is_right(
        texts in some_windows(), name in 0..CHANGING.len(), year in 2005..2037_i16, which in 0..2_usize,
    ) {
        let name = CHANGING[name];
        let rules = TimeZoneDatabase::bundled().get(name).unwrap();
        let start = rules.to_timestamp(date(year, 1, 1).at(0, 0, 0, 0)).unwrap();
        let change = rules.following(start).nth(which).map_or(start, |change| change.timestamp());
        let change = change.as_millisecond().unsigned_abs();
        let first = (change / MINUTE_MS - 36 * 60) * MINUTE_MS;
        let written: Vec<String> = texts.iter().copied().map(text).collect();
        let windows = read(written.iter().map(String::as_str)).unwrap();
        let zone: Zone = name.parse().unwrap();

        let minutes: Vec<bool> = (0..72 * 60)
            .map(|minute| wall_says(&texts, &rules, Timestamp(first + minute * MINUTE_MS)))
            .collect();
        for (minute, open) in minutes.iter().enumerate() {
            let now = Timestamp(first + minute as u64 * MINUTE_MS);
            prop_assert_eq!(is_open(&windows, &zone, now), *open, "{:?} {} {}", written, name, show(now));
        }
        for minute in (0..minutes.len()).step_by(61) {
            let at = |minute: usize| Timestamp(first + minute as u64 * MINUTE_MS);
            let opening = next(&windows, &zone, at(minute)).unwrap();
            match minutes[minute..].iter().position(|open| *open) {
                Some(ahead) => {
                    let opens = minute + ahead;
                    prop_assert_eq!(opening.from, at(opens), "{:?} {}", &written, name);
                    if let Some(long) = minutes[opens..].iter().position(|open| !*open) {
                        prop_assert_eq!(opening.until, Some(at(opens + long)), "{:?} {}", &written, name);
                    }
                }
                None => prop_assert!(opening.from >= at(minutes.len()), "{:?} {}", &written, name),
            }
        }
    }

    /// What is printed is read as the same, and printed the same.
    #[test]
    fn a_printed_window_is_the_window(days in 1..128_u8, from in 0..1_440_u16, to in 0..=1_440_u16) {
        prop_assume!(from != to);
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let on: Vec<&str> = (0..7).filter(|day| days >> day & 1 == 1).map(|day| names[day]).collect();
        let times = text((0, from, to));
        let written = format!("{} {}", on.join(","), &times[4..]);
        let window: Window = written.parse().unwrap();
        let again: Window = window.to_string().parse().unwrap();
        prop_assert_eq!(window, again);
        prop_assert_eq!(window.to_string(), again.to_string());
    }
}

#[test]
fn windows_print_canonically_and_store_as_text() {
    for (written, printed) in [
        ("MON,tue,wed 9:00-10:00", None),
        ("mon,tue,wed 09:00-10:00", Some("mon-wed 09:00-10:00")),
        ("sat-mon 09:00-10:00", Some("mon,sat,sun 09:00-10:00")),
        ("mon-sun 22:00-05:00", Some("daily 22:00-05:00")),
        ("Fri,Mon 22:00-24:00", Some("mon,fri 22:00-24:00")),
    ] {
        let window = written.parse::<Window>();
        assert_eq!(
            window.ok().map(|window| window.to_string()).as_deref(),
            printed
        );
    }
    let window: Window = serde_json::from_str("\"sun 02:00-04:00\"").unwrap();
    assert_eq!(
        serde_json::to_string(&window).unwrap(),
        "\"sun 02:00-04:00\""
    );
}

#[test]
fn what_is_wrong_with_windows_is_said_at_once_with_what_to_write() {
    let wrong = read([
        "sun 02:00-04:00",
        "someday 02:00-04:00",
        "sun 02:00-25:00",
        "sun 04:00-04:00",
        "sun 24:00-03:00",
        "02:00-04:00",
        "",
    ])
    .unwrap_err();
    let said: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "the window `someday 02:00-04:00`: `someday` is no day: write mon, tue, wed, thu, fri, sat, sun or daily",
            "the window `sun 02:00-25:00`: `25:00` is no time: write 00:00 to 24:00",
            "the window `sun 04:00-04:00`: it never opens, since it ends when it begins: a whole day is 00:00-24:00",
            "the window `sun 24:00-03:00`: 24:00 is an end; one that begins at midnight begins at 00:00",
            "the window `02:00-04:00`: write days and times, such as `mon-fri 22:00-05:00` or `daily 01:00-05:00`",
            "the window ``: write days and times, such as `mon-fri 22:00-05:00` or `daily 01:00-05:00`",
        ]
    );
}

#[test]
fn a_window_that_does_not_open_before_the_end_never_opens() {
    let sunday = windows(&["sun 02:00-04:00"]);
    let (start, zone) = (utc("2026-11-24T00:00"), Zone::utc());
    let ends = |end| never_opens(&sunday, &zone, start, Some(utc(end)));
    assert!(ends("2026-11-29T02:00"));
    assert!(!ends("2026-11-29T02:01"));
    assert!(!never_opens(&sunday, &zone, start, None));
    assert!(never_opens(&[], &zone, start, None));
}

#[test]
fn zones_that_do_not_exist_are_refused_with_the_one_that_was_meant() {
    for (wrong, meant) in [
        ("Europe/Berln", Some("Europe/Berlin")),
        ("berlin", Some("Europe/Berlin")),
        ("new york", Some("America/New_York")),
        ("UTC+2", Some("Etc/GMT-2")),
        ("-05:00", Some("Etc/GMT+5")),
        ("+99", None),
        ("Mars/Olympus_Mons", None),
        ("", None),
    ] {
        let refused = wrong.parse::<Zone>().unwrap_err();
        assert_eq!(refused.suggestion.as_deref(), meant, "{wrong}");
    }
    let refused = "Europe/Berln".parse::<Zone>().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is no time zone `Europe/Berln`: did you mean Europe/Berlin?"
    );
    assert!("x".repeat(100_000).parse::<Zone>().is_err());
    assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
    assert!(serde_json::from_str::<Zone>("\"Europe/Berln\"").is_err());
}

#[test]
fn a_device_has_its_own_zone_or_the_plans() {
    let plans = zone("Europe/Berlin");
    let of = |attribute| Zone::of_device(attribute, &plans);
    assert_eq!(of(None), Ok(plans.clone()));
    assert_eq!(of(Some("Asia/Tokyo")).unwrap().name(), "Asia/Tokyo");
    assert!(of(Some("Tokio")).is_err());
}

#[test]
fn a_closed_window_is_described_with_its_time_and_zone() {
    let zone = zone("Europe/Berlin");
    let say = |texts: &[&str], now| {
        let opening = next(&windows(texts), &zone, utc(now));
        describe::window(opening.as_ref(), &zone, utc(now))
    };
    let closed = say(&["sun 02:00-04:00"], "2026-11-24T12:00");
    assert_eq!(
        closed.unwrap(),
        "window closed until Sun 02:00 Europe/Berlin"
    );
    let far = say(&["sun 02:00-04:00"], "2026-11-22T12:00");
    assert_eq!(
        far.unwrap(),
        "window closed until Sun 2026-11-29 02:00 Europe/Berlin"
    );
    assert_eq!(say(&["sun 02:00-04:00"], "2026-11-29T01:30"), None);
    assert!(say(&[], "2026-11-29T01:30").unwrap().contains("no window"));
}

#[test]
fn a_clock_of_another_age_panics_nowhere() {
    let daily = windows(&["daily 02:00-04:00"]);
    for now in [0, 1, u64::MAX / 2, u64::MAX] {
        let zone = zone("America/New_York");
        let _ = next(&daily, &zone, Timestamp(now));
        is_open(&daily, &zone, Timestamp(now));
    }
}
