//! `refit device why`: the reasons that the server gives, as a sentence.

use serde_json::{Value, json};

use crate::output::{cell, printable, software, text, time};

/// Returns what a program wants to know of it.
pub(super) fn document(device: &Value) -> Value {
    json!({
        "id": device["id"],
        "converged": device["converged"],
        "desiredSoftware": device["desiredSoftware"],
        "reportedSoftware": device["reportedSoftware"],
        "why": device["why"],
        "rollouts": device["rollouts"],
        "sentence": sentence(device),
    })
}

/// Says why the device does not run what it should, the gravest reason first.
pub(super) fn sentence(device: &Value) -> String {
    let id = cell(device, "id");
    if let Some(waiting) = waiting(device) {
        return waiting;
    }
    let Some(wanted) = software(device, "desiredSoftware") else {
        return format!(
            "no software is desired of {id}: give it some with `refit device set {id} NAME@VERSION`"
        );
    };
    if device["converged"] == true {
        return format!("{id} runs {wanted}, as it should");
    }
    let why = device["why"].as_array().map_or(&[][..], Vec::as_slice);
    let mut reasons = why.iter().filter_map(|blocker| text(blocker, "sentence"));
    let Some(first) = reasons.next() else {
        let since = time(device, "seenAt").map_or_else(String::new, |at| format!(" since {at}"));
        return format!("{id} does not run {wanted}, and it is not known why: no word{since}");
    };
    let mut sentence = format!("{id} does not run {wanted}: {first}");
    if let Some(said) = last_words(device) {
        sentence = format!("{sentence} (it said: {said})");
    }
    for more in reasons {
        sentence.push_str("; and ");
        sentence.push_str(&more);
    }
    printable(&typed(&sentence, &id))
}

/// Says what keeps a device from its job of the newest rollout that means it; nothing while it has a job.
fn waiting(device: &Value) -> Option<String> {
    let rollouts = device["rollouts"].as_array()?;
    let newest = rollouts.first().filter(|_| device["job"].is_null())?;
    let (id, name) = (cell(device, "id"), cell(newest, "name"));
    match newest["standing"].as_str()? {
        "blocked" => {
            let why = newest["why"].as_array().map_or(&[][..], Vec::as_slice);
            let why: Vec<String> = why.iter().filter_map(|b| text(b, "sentence")).collect();
            let sentence = format!("{id} waits for the rollout {name}: {}", why.join("; and "));
            Some(printable(&typed(&sentence, &id)))
        }
        "next" => Some(format!("{id} is next in the rollout {name}")),
        _ => None,
    }
}

/// Names the device in the commands of a sentence, so that they can be typed as they are: the server's reasons do not
/// know whom they are about.
fn typed(sentence: &str, id: &str) -> String {
    ["release", "retry"]
        .iter()
        .fold(sentence.to_owned(), |sentence, verb| {
            sentence.replace(
                &format!("`refit device {verb}`"),
                &format!("`refit device {verb} {id}`"),
            )
        })
}

/// Returns why the last job failed, where that is what stands in the way.
fn last_words(device: &Value) -> Option<String> {
    let ended = device["why"].as_array()?.first()?["rule"] == "ended";
    text(device, "lastJob.reason").filter(|_| ended && device["job"].is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(more: Value) -> Value {
        let mut device = json!({
            "id": "lamp-7", "converged": false, "why": [], "job": null,
            "desiredSoftware": {"release": "firmware@2.0.0", "softwareURL": "http://h"},
        });
        for (name, value) in more.as_object().unwrap() {
            device[name] = value.clone();
        }
        device
    }

    #[test]
    fn it_is_a_sentence_in_every_case() {
        for (more, sentence_starts) in [
            (
                json!({"desiredSoftware": null}),
                "no software is desired of lamp-7",
            ),
            (
                json!({"rollouts": [{"name": "spring", "standing": "blocked", "why": [{"sentence": "it is in wave 3, which is not open yet"}]}]}),
                "lamp-7 waits for the rollout spring: it is in wave 3, which is not open yet",
            ),
            (
                json!({"converged": true}),
                "lamp-7 runs firmware@2.0.0, as it should",
            ),
            (
                json!({"seenAt": "2026-11-24T11:38:18.123Z"}),
                "lamp-7 does not run firmware@2.0.0, and it is not known why: no word since 2026-11-24 11:38:18Z",
            ),
            (
                json!({"why": [{"rule": "held", "sentence": "an operator holds it"}, {"rule": "offline", "sentence": "it is not connected"}]}),
                "lamp-7 does not run firmware@2.0.0: an operator holds it; and it is not connected",
            ),
            (
                json!({"why": [{"rule": "ended", "sentence": "its job ended as FAILED: `refit device retry`"}], "lastJob": {"reason": "exit 1"}}),
                "lamp-7 does not run firmware@2.0.0: its job ended as FAILED: `refit device retry lamp-7` (it said: exit 1)",
            ),
        ] {
            let said = sentence(&device(more));
            assert!(said.starts_with(sentence_starts), "{said}");
        }
    }
}
