//! The language of the scripts: a line is something that happens, `->`, and what follows from it.
//!
//! ```text
//! operator desires v2     -> accepted 1 j1 QUEUED
//! device subscribes       -> delta j1 v2, j1 SENT
//! device says j1 SUCCESS  -> accepted 2 j1 SUCCEEDED
//! ```
//!
//! Jobs are named by their order (`j9` never existed), software by `v1`… (the depot's) and `f1`… (another's; see
//! `bench.rs`). What follows is listed in this order: the answer with the version and the job that it names; other
//! jobs that changed; the delta with its job, software and other state; events. `stored` means that the record
//! changed and nothing else is seen of it, `nothing` that it did not even do that.
//!
//! A rollout has a number, the higher the newer; `rollout 2 aborts`, `freeze` and `thaw` set marks and happen to no
//! device; `read` shows the record as it is read through them.

use crate::bench::{Bench, name_of, url_of};
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::JobId;
use refit_protocol::rollout::{Assignment, RolloutId};
use refit_protocol::update::Update;
use refit_replica::delta;
use refit_replica::effect::{Answer, Assigned, Decision, Event};
use refit_replica::input::{Assign, Input};
use refit_replica::marks::through;
use refit_replica::speaker::{Speaker, Wishes};
use refit_replica::why::why_under;
use serde_json::{Map, Value};

/// Plays a script and compares what follows with what it says.
pub(crate) fn play(script: &str) {
    let mut bench = Bench::new();
    let mut said = String::new();
    let mut happened = String::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with("--"))
    {
        let (act, outcome) = line.split_once("->").unwrap_or((line, ""));
        let (act, outcome) = (act.trim(), outcome.trim());
        said.push_str(&[act, outcome].join(" -> "));
        said.push('\n');
        happened.push_str(&[act, &bench.act(act)].join(" -> "));
        happened.push('\n');
    }
    assert!(
        said == happened,
        "the script says\n{said}\nbut what happened is\n{happened}"
    );
}

impl Bench {
    fn act(&mut self, act: &str) -> String {
        let words: Vec<&str> = act.split_whitespace().collect();
        let operator = || Speaker::Operator("ops".into());
        let decision = match words.as_slice() {
            ["device", "subscribes"] => self.subscribe(),
            ["device", "leaves"] => self.leave(),
            ["device", "asks"] => self.step(Input::Ask {
                speaker: Speaker::Device,
            }),
            ["device", "says", id, rest @ ..] => {
                let payload = format!("jobID:{} {}", self.job_id(id), rest.join(" "));
                return self.send(Speaker::Device, &payload);
            }
            ["device", "reports", software] => {
                return self.send(Speaker::Device, &states("reported", software));
            }
            ["device", "sends", ..] => return self.send(Speaker::Device, rest_of(act)),
            ["operator", "desires", software] => {
                return self.send(operator(), &states("desired", software));
            }
            ["operator", "sends", ..] => return self.send(operator(), rest_of(act)),
            ["operator", "asks"] => self.step(Input::Ask {
                speaker: operator(),
            }),
            ["operator", "cancels"] => self.step(Input::Cancel),
            ["operator", "holds"] => self.step(Input::Hold(true)),
            ["operator", "releases"] => self.step(Input::Hold(false)),
            ["operator", "retries"] => self.step(Input::Retry),
            ["operator", "removes"] => self.step(Input::Remove),
            ["operator", "pins"] => self.step(Input::Pin(true)),
            ["operator", "unpins"] => self.step(Input::Pin(false)),
            ["application", "desires", software] => {
                let shop = Speaker::Application("shop".into(), Wishes::ALL);
                return self.send(shop, &states("desired", software));
            }
            ["rollout", number, "assigns", software, rest @ ..] => {
                let assign = assign(number, software, rest);
                self.step(Input::Assign(Box::new(assign)))
            }
            ["rollout", number, "aborts"] => {
                self.marks.aborted.push(RolloutId(number.parse().unwrap()));
                return String::new();
            }
            ["freeze"] => {
                self.marks.frozen = true;
                return String::new();
            }
            ["thaw"] => {
                self.marks.frozen = false;
                return String::new();
            }
            ["sweeper", "folds"] => self.step(Input::Fold),
            ["read"] => return self.read_through(),
            ["no", "certificates"] => {
                self.policy.certificates = false;
                return String::new();
            }
            ["server", "crashes"] => {
                self.crash();
                return String::new();
            }
            ["server", "restarts"] => self.restart(),
            ["epoch", epoch] => {
                self.epoch = epoch.parse().unwrap();
                return String::new();
            }
            ["start", "timer", number, unit] => {
                self.policy.start_ms = Some(millis(number, unit));
                return String::new();
            }
            ["after", number, unit] => {
                let mut told = Vec::new();
                self.pass(millis(number, unit), |bench, decision| {
                    told.push(bench.tell(decision))
                });
                told.retain(|told| told != "nothing");
                return if told.is_empty() {
                    "nothing".into()
                } else {
                    told.join("; ")
                };
            }
            ["why"] => return self.why(),
            ["record"] => return self.show(),
            _ => panic!("the bench does not know {act:?}"),
        };
        self.tell(&decision)
    }

    fn send(&mut self, speaker: Speaker, payload: &str) -> String {
        match Update::parse(self.expand(payload).as_bytes()) {
            Ok(update) => {
                let decision = self.step(Input::Update { speaker, update });
                self.tell(&decision)
            }
            Err(refused) => format!("refused {}", refused.rejection.code.number()),
        }
    }

    /// Puts URLs and job IDs in the place of their names, and so many letters in that of `"letters 700"`.
    fn expand(&self, payload: &str) -> String {
        let mut parts: Vec<String> = payload.split('"').map(String::from).collect();
        for part in parts.iter_mut().skip(1).step_by(2) {
            if let Some(url) = url_of(part) {
                *part = url;
            } else if let Some(count) = part.strip_prefix("letters ") {
                *part = "x".repeat(count.parse().unwrap());
            } else if part.starts_with('j') && part.len() == 2 {
                *part = self.job_id(part).to_string();
            }
        }
        parts.join("\"")
    }

    fn job_id(&self, name: &str) -> JobId {
        let number: usize = name.trim_start_matches('j').parse().unwrap();
        self.jobs
            .get(number - 1)
            .cloned()
            .unwrap_or_else(|| JobId::parse("9-neverwas").unwrap())
    }

    fn job_name(&self, id: &JobId) -> String {
        let at = self.jobs.iter().position(|known| known == id);
        at.map_or_else(|| "j?".into(), |at| format!("j{}", at + 1))
    }

    fn tell(&self, decision: &Decision) -> String {
        let mut parts = Vec::new();
        let mut named = None;
        match &decision.answer {
            None => {}
            Some(Answer::Shown) => parts.push("shown".into()),
            Some(Answer::Assigned(assigned)) => parts.push(match assigned {
                Assigned::Opened(id) => format!("opened {}", self.job_name(id)),
                Assigned::AlreadyThere(id) => format!("already there {}", self.job_name(id)),
                Assigned::Stands(id) => format!("stands {}", self.job_name(id)),
                Assigned::Declined(blocker) => format!("declined {}", blocker.rule),
            }),
            Some(Answer::Rejected(no)) => {
                parts.push(format!("rejected {}", no.rejection.code.number()))
            }
            Some(Answer::Accepted(yes)) => {
                named = yes.job.clone();
                let job = yes.job.as_ref().map_or_else(String::new, |(id, status)| {
                    format!(" {} {status}", self.job_name(id))
                });
                parts.push(format!("accepted {}{job}", version(yes.version)));
            }
        }
        for entry in &decision.jobs {
            if named.as_ref() != Some(&(entry.id.clone(), entry.status)) {
                parts.push(format!("{} {}", self.job_name(&entry.id), entry.status));
            }
        }
        if decision.delta {
            parts.push(self.delta());
        }
        for event in &decision.events {
            parts.push(match event {
                Event::Reverted(id) => format!("reverted from {}", self.job_name(id)),
                Event::LateSuccess(id) => format!("late success of {}", self.job_name(id)),
            });
        }
        match (parts.is_empty(), decision.changed) {
            (true, true) => "stored".into(),
            (true, false) => "nothing".into(),
            (false, _) => parts.join(", "),
        }
    }

    fn delta(&self) -> String {
        let due = delta::due_under(&self.record, &self.marks).unwrap();
        let mut state = due.state;
        let software = state.remove(SOFTWARE_URL);
        let mut words = vec![String::from("delta")];
        if let (Some(job), Some(Value::String(url))) = (due.job, software) {
            words.extend([self.job_name(&job.id), name_of(&url)]);
        }
        for value in state.values_mut() {
            if let Some(long) = value.as_str().filter(|text| text.len() > 40) {
                *value = Value::String(format!("letters {}", long.len()));
            }
        }
        if !state.is_empty() {
            words.push(Value::Object(state).to_string());
        }
        words.join(" ")
    }

    fn why(&self) -> String {
        let record = through(&self.record, &self.marks);
        let rules: Vec<&str> = why_under(&record, self.reachable, &self.marks)
            .map(|blocker| blocker.rule)
            .collect();
        if rules.is_empty() {
            "nothing".into()
        } else {
            rules.join(", ")
        }
    }

    /// What is read of the record through the marks: its job, and what is desired.
    fn read_through(&self) -> String {
        let record = through(&self.record, &self.marks);
        let job = record.job.as_ref().map_or_else(
            || String::from("no job"),
            |job| format!("{} {}", self.job_name(&job.id), job.status()),
        );
        let desired = record
            .desired_software()
            .map_or_else(|| "nothing".into(), name_of);
        format!("{job}, desired {desired}")
    }

    fn show(&self) -> String {
        let shown = |state: &Map<String, Value>| {
            let mut state = state.clone();
            if let Some(Value::String(url)) = state.get_mut(SOFTWARE_URL) {
                *url = name_of(url);
            }
            Value::Object(state)
                .to_string()
                .replace("\"softwareURL\":", "")
                .replace(['{', '}', '"'], "")
        };
        let (desired, reported) = (shown(&self.record.desired), shown(&self.record.reported));
        format!(
            "version {}, desired {desired}, reported {reported}",
            version(self.record.version)
        )
        .replace(" , ", " nothing, ")
        .trim_end()
        .into()
    }
}

/// Reads `try N` and `priority N`, and `past revert`.
pub(crate) fn assign(number: &str, software: &str, rest: &[&str]) -> Assign {
    let number_after = |word: &str| {
        let at = rest.iter().position(|known| *known == word)?;
        rest.get(at + 1)?.parse().ok()
    };
    Assign {
        assignment: Assignment {
            rollout: RolloutId(number.parse().unwrap()),
            wave: 0,
            attempt: number_after("try").map_or(0, |attempt: i32| attempt as u8),
        },
        origin: format!("rollout/r{number}"),
        priority: number_after("priority").unwrap_or(0),
        software_url: url_of(software).unwrap(),
        grant: None,
        start_ms: None,
        end_ms: 3_600_000,
        past_revert: rest.contains(&"revert"),
    }
}

/// A version of an epoch is shown as `epoch+counter`.
fn version(version: u64) -> String {
    match version >> 40 {
        0 => version.to_string(),
        epoch => format!("{epoch}+{}", version & ((1 << 40) - 1)),
    }
}

fn rest_of(act: &str) -> &str {
    act.split_once(" sends ").unwrap().1
}

fn states(which: &str, software: &str) -> String {
    let url = if software == "nothing" {
        "null".into()
    } else {
        format!("\"{software}\"")
    };
    format!(r#"{{"state":{{"{which}":{{"softwareURL":{url}}}}}}}"#)
}

fn millis(number: &str, unit: &str) -> u64 {
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => panic!("the bench does not know the unit {unit:?}"),
    };
    number.parse::<u64>().unwrap() * unit
}
