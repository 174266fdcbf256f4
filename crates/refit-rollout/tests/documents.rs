//! Plans as documents: TOML and JSON say the same, and what is unknown is refused.

use refit_protocol::time::Timestamp;
use refit_rollout::check::check;
use refit_rollout::plan::{Plan, UpTo};
use refit_rollout::state::{Because, RolloutState, Status};
use refit_rollout::threshold::Crossed;

const FULL: &str = r#"
releases = ["firmware@2.0.0"]
select = "model = gw-200 and version < 1.4.0"
membership = "continuous"
maxInFlight = 500
downgrade = false
priority = 5
approval = true
expectedOffline = "tag.power = solar"

[[waves]]
name = "canary"
select = "tag.ring = canary"
goOn = { succeeded = "95%", floor = 5, soak = "2h", manual = true }

[[waves]]
upTo = 1000

[[waves]]
upTo = "100%"

[pace]
perMinute = 10
grow = { factorPercent = 200, succeeded = 100, upTo = 6000 }

[[thresholds]]
of = ["failed", "rejected", "timed-out"]
count = 5
first = 20

[[thresholds]]
of = ["gone-dark", "reverted"]
share = "2.5%"
after = 200
then = "abort"

[retry]
times = 2
backOff = "PT10M"
after = ["failed"]

[timers]
start = "1h"
end = "12h"

[windows]
open = ["mon-fri 22:00-05:00"]
zoneAttribute = "attr.zone"

[grant]
strength = "device"
minStrength = "device"

[[budgets]]
per = "tag.site"
count = 1
share = "10%"

[holdOut]
share = "5%"

[health]
maxSoak = "3d"
"#;

#[test]
fn toml_and_json_say_the_same_and_read_back() {
    let plan: Plan = toml::from_str(FULL).unwrap();
    assert_eq!(check(&plan, Timestamp(0)), []);
    assert_eq!(plan.waves[1].up_to, Some(UpTo::Count(1000)));
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    let printed = toml::to_string(&plan).unwrap();
    assert_eq!(toml::from_str::<Plan>(&printed).unwrap(), plan);
    // What is printed is canonical: it prints as itself.
    assert_eq!(
        toml::to_string(&toml::from_str::<Plan>(&printed).unwrap()).unwrap(),
        printed
    );
}

#[test]
fn defaults_are_not_printed() {
    let json = serde_json::to_string(&Plan::new("firmware@2.0.0", "all")).unwrap();
    assert_eq!(json, r#"{"releases":["firmware@2.0.0"],"select":"all"}"#);
}

#[test]
fn unknown_names_and_bad_values_are_refused() {
    for (from, to, said) in [
        ("maxInFlight", "maxInflight", "unknown field `maxInflight`"),
        ("floor = 5", "flor = 5", "unknown field `flor`"),
        ("perMinute", "per-minute", "unknown field `per-minute`"),
        ("\"2.5%\"", "\"2.5\"", "is no share"),
        ("\"2h\"", "\"2 hours\"", "is no length of time"),
        ("\"gone-dark\"", "\"dark\"", "unknown variant `dark`"),
        (
            "then = \"abort\"",
            "then = \"stop\"",
            "unknown variant `stop`",
        ),
        ("times = 2", "times = 300", "invalid value"),
    ] {
        let text = FULL.replacen(from, to, 1);
        let why = toml::from_str::<Plan>(&text).unwrap_err().to_string();
        assert!(why.contains(said), "{from}: {why}");
    }
}

#[test]
fn a_state_reads_back_what_it_writes() {
    let crossed = Crossed {
        threshold: refit_rollout::plan::default_thresholds().remove(0),
        wave: Some(1),
        count: 5,
        of: 12,
    };
    let state = RolloutState {
        status: Status::Paused {
            because: Because::Threshold(crossed),
            since: refit_rollout::plan::Millis(5),
            by: None,
        },
        ..RolloutState::default()
    };
    let json = serde_json::to_string(&state).unwrap();
    assert!(
        json.contains(r#""is":"PAUSED","because":{"rule":"threshold""#),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<RolloutState>(&json).unwrap(), state);
    // A state of an older Refit lacks what came later.
    assert_eq!(
        serde_json::from_str::<RolloutState>(r#"{"status":{"is":"DRAFT"}}"#).unwrap(),
        RolloutState::default()
    );
}
