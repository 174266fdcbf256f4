//! View models with something in them: for the tests, and for `cargo run -p refit-console --example gallery`.

mod more;

use refit_console::chart::{Area, Heat, Layer, Segment};
use refit_console::layout::{Page, Section, Viewer};
use refit_console::page::device::{Action, Device, Field, Job, device};
use refit_console::page::devices::{Devices, Mistake, Row, devices};
use refit_console::page::fleet::{Fleet, UnderWay, fleet};
use refit_console::page::releases::{self, Releases, releases};
use refit_console::page::sign_in::{SignIn, sign_in};
use refit_console::part::{Figure, Tone};
use refit_protocol::time::Timestamp;

const NOW: Timestamp = Timestamp(1_795_000_000_000);
const HOUR: u64 = 3_600_000;

const fn ago(millis: u64) -> Timestamp {
    Timestamp(NOW.0 - millis)
}

/// Every page, by the name of its file.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("fleet", fleet_page()),
        ("first", first_page()),
        ("devices", devices_page()),
        ("mistake", mistake_page()),
        ("device", device_page()),
        ("releases", releases_page()),
        ("sign-in", sign_in_page()),
        ("rollouts", more::rollouts_page()),
        ("rollout", more::rollout_page()),
        ("new-rollout", more::new_rollout_page()),
        ("activity", more::activity_page()),
    ]
}

fn page(title: &str, here: Section, live: Option<&str>, body: maud::Markup) -> String {
    let viewer = Viewer {
        name: "ada",
        role: "operator",
        may_operate: true,
    };
    let page = Page {
        title,
        here: Some(here),
        viewer: Some(viewer),
        notice: None,
        live,
        body,
    };
    page.render()
}

fn segment<'a>(name: &'a str, n: u64, tone: Tone, class: &'static str) -> Segment<'a> {
    Segment {
        name,
        n,
        href: format!("/devices?q={name}"),
        tone,
        class,
    }
}

fn figure(name: &str, n: u64, tone: Tone) -> Figure<'_> {
    Figure {
        name,
        n,
        of: Some((2000, "devices")),
        href: format!("/devices?q={name}"),
        tone,
    }
}

fn fleet_page() -> String {
    let at: Vec<Timestamp> = (0..48).rev().map(|h| ago(h * HOUR)).collect();
    let grown =
        |from: u64, to: u64| -> Vec<u64> { (0..48).map(|i| from + (to - from) * i / 47).collect() };
    let shrunk =
        |from: u64, to: u64| -> Vec<u64> { (0..48).map(|i| from - (from - to) * i / 47).collect() };
    let layers = [
        Layer {
            name: "gateway 1.0.0",
            class: "c1",
            n: shrunk(1800, 212),
            href: "/devices".into(),
        },
        Layer {
            name: "gateway 1.1.0",
            class: "c2",
            n: grown(120, 1600),
            href: "/devices".into(),
        },
        Layer {
            name: "other",
            class: "c8",
            n: grown(80, 188),
            href: "/devices".into(),
        },
    ];
    let view = Fleet {
        now: NOW,
        devices: 2000,
        verdict: (
            Tone::Warn,
            "61 devices failed their last update, 61 of them gw-200 rev B.".into(),
        ),
        figures: vec![
            figure("online", 1912, Tone::Good),
            figure("drifting from what they should run", 340, Tone::Busy),
            figure("failing", 61, Tone::Bad),
            figure("not heard for 7 days", 12, Tone::Warn),
        ],
        software: vec![
            segment("gateway 1.1.0", 1600, Tone::Plain, "c2"),
            segment("gateway 1.0.0", 212, Tone::Plain, "c1"),
            segment("other", 188, Tone::Plain, "c8"),
        ],
        history: Area {
            label: "Devices by software over two days",
            at: &at,
            layers: &layers,
        },
        heat: Heat {
            caption: "Devices by model and version",
            of_rows: "Model",
            columns: vec!["1.0.0".into(), "1.1.0".into(), "other".into()],
            rows: [
                ("gw-100", [12, 700, 0]),
                ("gw-200 rev A", [40, 640, 88]),
                ("gw-200 rev B", [160, 260, 100]),
            ]
            .map(|(model, cells)| (model.into(), cells.map(|n| (n, "/devices".into())).to_vec()))
            .to_vec(),
        },
        rollouts: vec![paused()],
    };
    page(
        "Fleet",
        Section::Fleet,
        Some("/console/live/fleet"),
        fleet(&view),
    )
}

fn paused() -> UnderWay<'static> {
    UnderWay {
        name: "gateway-1.1",
        href: "/rollouts/gateway-1.1".into(),
        state: "paused",
        tone: Tone::Warn,
        eligible: 1988,
        parts: vec![
            segment("succeeded", 1600, Tone::Good, ""),
            segment("running", 40, Tone::Busy, ""),
            segment("failed", 61, Tone::Bad, ""),
            segment("waiting", 287, Tone::Waiting, ""),
        ],
        waits: Some("Failed: 3.6 % of 1,661 that ended, over the 3 % at which it pauses.".into()),
    }
}

fn first_page() -> String {
    let view = Fleet {
        now: NOW,
        devices: 0,
        verdict: (Tone::Plain, String::new()),
        figures: Vec::new(),
        software: Vec::new(),
        history: Area {
            label: "",
            at: &[],
            layers: &[],
        },
        heat: Heat {
            caption: "",
            of_rows: "",
            columns: Vec::new(),
            rows: Vec::new(),
        },
        rollouts: Vec::new(),
    };
    page("Fleet", Section::Fleet, None, fleet(&view))
}

fn row<'a>(id: &'a str, state: (&'a str, Tone), wants: Option<&str>) -> Row<'a> {
    Row {
        id,
        online: state.1 != Tone::Waiting,
        model: Some("gw-200"),
        runs: Some("gateway 1.0.0".into()),
        wants: wants.map(Into::into),
        state,
        seen: Some(ago(90_000)),
    }
}

fn devices_page() -> String {
    let view = Devices {
        now: NOW,
        selector: "model = gw-200 and version < 1.4.0",
        mistake: None,
        matching: Some(12_408),
        rows: vec![
            row("berlin-0001", ("as desired", Tone::Good), None),
            row(
                "berlin-0002",
                ("running", Tone::Busy),
                Some("gateway 1.1.0"),
            ),
            row("berlin-0003", ("failed", Tone::Bad), Some("gateway 1.1.0")),
            row(
                "berlin-0004",
                ("offline", Tone::Waiting),
                Some("gateway 1.1.0"),
            ),
        ],
        next: Some("/devices?q=model&cursor=x".into()),
    };
    page("Devices", Section::Devices, None, devices(&view))
}

fn mistake_page() -> String {
    let view = Devices {
        now: NOW,
        selector: "modle = gw-200",
        mistake: Some(Mistake {
            message: "there is no field `modle`",
            at: (0, 5),
            suggestion: Some("model"),
        }),
        matching: None,
        rows: Vec::new(),
        next: None,
    };
    page("Devices", Section::Devices, None, devices(&view))
}

fn device_page() -> String {
    let field = |path: &str, desired: Option<&str>, reported: Option<&str>| Field {
        path: path.into(),
        desired: desired.map(Into::into),
        reported: reported.map(Into::into),
        differs: desired.is_some() && desired != reported,
    };
    let view = Device {
        now: NOW,
        id: "berlin-0003",
        state: ("Failed", Tone::Bad),
        online: true,
        seen: Some(ago(5_000)),
        why: vec![
            "its job j-17 ended as FAILED: desire the software again, or `refit device retry`"
                .into(),
            "rollout gateway-1.1 is paused".into(),
        ],
        fields: vec![
            field("softwareURL", Some("gateway 1.1.0"), Some("gateway 1.0.0")),
            field("colour", Some("\"red\""), Some("\"red\"")),
            field("attributes.model", None, Some("\"gw-200\"")),
        ],
        facts: vec![
            ("tag.site".into(), "north".into(), "operator"),
            ("model".into(), "gw-200".into(), "device"),
        ],
        jobs: vec![
            Job {
                id: "0-8f2c",
                software: "gateway 1.1.0".into(),
                origin: "rollout/gateway-1.1",
                state: ("FAILED", Tone::Bad),
                opened: ago(HOUR),
                ended: Some(ago(HOUR - 84_000)),
                said: Some("health: exit code 1\nmodem: no carrier\nmodem: giving up".into()),
            },
            Job {
                id: "0-11aa",
                software: "gateway 1.0.0".into(),
                origin: "direct/shop",
                state: ("SUCCEEDED", Tone::Good),
                opened: ago(400 * HOUR),
                ended: Some(ago(400 * HOUR - 20_000)),
                said: None,
            },
        ],
        more_jobs: None,
        version: 7,
        actions: vec![Action::Retry, Action::Hold],
    };
    page(
        "berlin-0003",
        Section::Devices,
        Some("/console/live/devices/berlin-0003"),
        device(&view),
    )
}

fn releases_page() -> String {
    let release = |version, on, note| releases::Row {
        name: "gateway",
        version,
        digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        length: 17_300_000,
        note,
        added: ago(30 * HOUR),
        on: (on, format!("/devices?q=version={version}")),
    };
    let view = Releases {
        now: NOW,
        rows: vec![
            release("1.1.0", 1600, Some("fixes the modem")),
            release("1.0.0", 212, None),
        ],
        next: None,
    };
    page("Releases", Section::Releases, None, releases(&view))
}

fn sign_in_page() -> String {
    let view = SignIn {
        name: "ada",
        refused: Some("The name or the password is wrong."),
        then: "/rollouts",
    };
    let page = Page {
        title: "Sign in",
        here: None,
        viewer: None,
        notice: None,
        live: None,
        body: sign_in(&view),
    };
    page.render()
}
