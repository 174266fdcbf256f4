//! What rehearsals say of plans whose course can be worked out by hand.

use super::*;
use crate::pace::Pace;
use crate::plan::{GoOn, UpTo, Wave as Spec};
use refit_protocol::measure::Span;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn plan() -> Plan {
    let wave = |up_to, soak| Spec {
        up_to: Some(UpTo::Share(Share::percent(up_to))),
        go_on: GoOn {
            soak: Span::minutes(soak),
            ..GoOn::default()
        },
        ..Spec::default()
    };
    Plan {
        waves: vec![wave(1, 60), wave(10, 60), wave(100, 0)],
        ..Plan::new("firmware@2.0.0", "all")
    }
}

fn fleet() -> Fleet {
    Fleet {
        waves: vec![1_000, 9_000, 90_000],
        left_out: vec![(LeftOut::Incompatible, 250)],
        loads: vec![
            Load {
                devices: 60_000,
                bytes: 10_000_000,
            },
            Load {
                devices: 40_000,
                bytes: 25_000_000,
            },
        ],
        ..Fleet::default()
    }
}

fn rehearsed(plan: &Plan, fleet: &Fleet, fails: u32) -> Rehearsal {
    let assumed = Assumed {
        job: Span::minutes(10),
        fails: Share::percent(fails),
    };
    rehearse(plan, fleet, assumed, NOW, &|_| None)
}

#[test]
fn it_counts_who_what_and_how_long() {
    let rehearsal = rehearsed(&plan(), &fleet(), 1);
    assert_eq!((rehearsal.matched, rehearsal.eligible), (100_250, 100_000));
    assert_eq!(
        rehearsal.left_out,
        [("the release did not fit it".into(), 250)]
    );
    assert_eq!(rehearsal.bytes, 1_600_000_000_000);
    // Three times ten minutes, and two soaks.
    assert_eq!(rehearsal.at_least, Some(Span::minutes(150)));
    assert_eq!(rehearsal.forecast.ends, "FINISHED");
    assert_eq!(rehearsal.forecast.opened, 100_000);
    assert_eq!(rehearsal.forecast.failed, 1_000);
    let opens = rehearsal
        .waves
        .iter()
        .map(|wave| wave.opens.unwrap().0 - NOW.as_millis());
    assert_eq!(opens.collect::<Vec<_>>(), [0, 70 * 60_000, 140 * 60_000]);
}

#[test]
fn a_release_that_fails_stops_in_the_model_as_it_would_in_the_field() {
    let rehearsal = rehearsed(&plan(), &fleet(), 20);
    assert_eq!(rehearsal.forecast.ends, "PAUSED");
    assert_eq!(rehearsal.forecast.opened, 1_000);
    let because = rehearsal.forecast.because.unwrap();
    assert!(because.contains("200 of 1000 ended so"), "{because}");
}

#[test]
fn pace_and_windows_take_their_time() {
    let paced = Plan {
        waves: vec![],
        pace: Some(Pace::constant(1_000)),
        ..plan()
    };
    let all = Fleet {
        waves: vec![10_000],
        ..Fleet::default()
    };
    let least = rehearsed(&paced, &all, 0).at_least.unwrap();
    assert!(
        (Span::minutes(19)..=Span::minutes(21)).contains(&least),
        "{least}"
    );

    // Closed for the first five hours.
    let opens = Timestamp(NOW.as_millis() + 5 * 3_600_000);
    let assumed = Assumed {
        job: Span::minutes(10),
        fails: Share::percent(0),
    };
    let late = rehearse(&Plan::new("f@2", "all"), &all, assumed, NOW, &|at| {
        (at < opens).then_some(opens)
    });
    assert_eq!(late.at_least, Some(Span::minutes(310)));
}

#[test]
fn who_is_away_is_said_and_not_waited_for() {
    let fleet = Fleet {
        waves: vec![100],
        away: vec![30],
        ..Fleet::default()
    };
    let rehearsal = rehearsed(&Plan::new("f@2", "all"), &fleet, 0);
    assert_eq!(
        (rehearsal.forecast.ends, rehearsal.forecast.succeeded),
        ("FINISHED", 70)
    );
    assert!(
        rehearsal
            .notes
            .iter()
            .any(|note| note.contains("30 of 100 devices are away"))
    );
}

#[test]
fn nobody_and_too_few_are_noted() {
    let nobody = rehearsed(&Plan::new("f@2", "all"), &Fleet::default(), 0);
    assert!(
        nobody.notes[0].contains("finds nobody"),
        "{:?}",
        nobody.notes
    );
    let few = Fleet {
        waves: vec![50],
        ..Fleet::default()
    };
    let few = rehearsed(&Plan::new("f@2", "all"), &few, 0);
    assert!(
        few.notes[0].contains("threshold 2 never stops"),
        "{:?}",
        few.notes
    );
}
