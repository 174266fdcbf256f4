//! How rollouts look to people.

use serde_json::Value;

use crate::output::{bytes, cell, facts, printable, table, text, time};

/// Writes a rollout: where it stands and why, its waves, what it waits for, and what failures have in common.
pub(super) fn shown(rollout: &Value) -> String {
    let list = |name: &str| {
        let items = rollout[name].as_array()?;
        let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    };
    let releases = rollout["plan"]["releases"].as_array();
    let releases = releases.map(|all| {
        let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
        all.join(", ")
    });
    let mut lines = vec![facts(
        &cell(rollout, "name"),
        &[
            ("status", text(rollout, "status")),
            ("because", text(rollout, "because.text")),
            ("since", time(rollout, "since")),
            ("by", text(rollout, "by")),
            ("release", releases),
            ("select", text(rollout, "plan.select")),
            ("devices", text(rollout, "devices")),
            ("counts", counted(&rollout["counts"])),
            ("waits for", list("waitsFor")),
            ("started by", text(rollout, "startedBy")),
            ("approved by", list("approvedBy")),
            ("an abort", toll(&rollout["toll"])),
            ("revision", text(rollout, "revision")),
        ],
    )];
    let waves = rows(rollout, "waves", |wave| {
        vec![
            cell(wave, "name"),
            cell(wave, "status"),
            cell(wave, "devices"),
            cell(wave, "opened"),
            counted(&wave["counts"]).unwrap_or_default(),
        ]
    });
    if !waves.is_empty() {
        let heads = ["WAVE", "STATUS", "DEVICES", "OPENED", "COUNTS"];
        lines.push(String::new());
        lines.push(table(&heads, waves));
    }
    let clusters = rows(rollout, "clusters", |cluster| {
        vec![
            cell(cluster, "jobs"),
            cell(cluster, "kind"),
            cell(cluster, "reason"),
            cell(cluster, "model"),
            cell(cluster, "from"),
        ]
    });
    if !clusters.is_empty() {
        let heads = ["JOBS", "ENDED", "REASON", "MODEL", "FROM"];
        lines.push(String::new());
        lines.push(table(&heads, clusters));
    }
    lines.join("\n")
}

fn rows(document: &Value, name: &str, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    let items = document[name].as_array().map_or(&[][..], Vec::as_slice);
    items.iter().map(row).collect()
}

/// Writes counts in a line; none if there are none.
pub(super) fn counted(counts: &Value) -> Option<String> {
    let counts = counts.as_object()?;
    let counts = counts.iter().map(|(kind, count)| format!("{count} {kind}"));
    let counts: Vec<String> = counts.collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

fn toll(toll: &Value) -> Option<String> {
    toll.as_object()?;
    Some(format!(
        "takes back {} jobs that have not begun, lets {} end, leaves {} as they were; {} run the release and keep it",
        cell(toll, "cancelled"),
        cell(toll, "finishing"),
        cell(toll, "untouched"),
        cell(toll, "stay"),
    ))
}

/// Writes what is wrong with a plan, and what it would do.
pub(super) fn rehearsed(said: &Value) -> String {
    let complaints = said["complaints"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines: Vec<String> = complaints
        .iter()
        .map(|one| {
            printable(&format!(
                "{}: {}: {}; {}",
                cell(one, "severity"),
                cell(one, "path"),
                cell(one, "message"),
                cell(one, "hint")
            ))
        })
        .collect();
    if let Some(rehearsal) = said.get("rehearsal") {
        let left_out = rehearsal["leftOut"].as_array();
        let left_out = left_out.filter(|all| !all.is_empty()).map(|all| {
            let all = all
                .iter()
                .map(|one| format!("{} {}", one[1], cell_of(&one[0])));
            all.collect::<Vec<_>>().join(", ")
        });
        let to_load = rehearsal["bytes"].as_u64().map(bytes);
        lines.push(facts(
            "what it would do",
            &[
                ("selected", text(rehearsal, "matched")),
                ("taken in", text(rehearsal, "eligible")),
                ("left out", left_out),
                ("to download", to_load),
                ("takes at least", text(rehearsal, "atLeast")),
                ("would end", text(rehearsal, "forecast.ends")),
                ("because", text(rehearsal, "forecast.because")),
            ],
        ));
        let waves = rows(rehearsal, "waves", |wave| {
            vec![cell(wave, "name"), cell(wave, "devices")]
        });
        lines.push(table(&["WAVE", "DEVICES"], waves));
        let notes = rehearsal["notes"].as_array().map_or(&[][..], Vec::as_slice);
        lines.extend(notes.iter().map(cell_of));
    }
    lines.join("\n")
}

fn cell_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), printable)
}

/// Writes a report.
pub(super) fn report(report: &Value) -> String {
    let mut lines = vec![facts(
        &cell(report, "name"),
        &[
            ("status", text(report, "status")),
            ("because", text(report, "because")),
            ("started by", text(report, "startedBy")),
            ("devices", text(report, "devices")),
            ("succeeded", text(report, "succeeded")),
            ("that is", text(report, "share")),
            ("unreached", text(report, "unreached")),
        ],
    )];
    let waves = rows(report, "waves", |wave| {
        let jobs = wave["jobs"].as_array().map_or(&[][..], Vec::as_slice);
        let jobs = jobs
            .iter()
            .map(|job| format!("{} {}", job[1], cell_of(&job[0])));
        vec![
            cell(wave, "name"),
            cell(wave, "devices"),
            jobs.collect::<Vec<_>>().join(", "),
        ]
    });
    lines.push(table(&["WAVE", "DEVICES", "RESULTS"], waves));
    lines.join("\n")
}
