//! Plays a script to the machine.
//!
//! `has v1`: version v1 was installed and confirmed; `runs v1`: it runs, and nobody knows why. `+5s` passes time and
//! ticks. `j1: …` is work of another job than the one under way. `same token`: the last two letters had one token. What
//! ends with `…` goes on; anything else is all that happens.

use crate::job::{Command, Delta, Grant, Release, Wanted};
use crate::journal::Entry;
use crate::machine::effect::{Effect, Facts, Saying};
use crate::machine::input::{Answer, FetchFailure, Input, Refusal, Work};
use crate::machine::state::{Policy, State};
use crate::machine::{Waking, next_due, step, wake};
use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::time::{Monotonic, Now, Timestamp};

/// Plays the lines of a script, and compares what each makes the machine do.
pub(super) fn play(script: &str) {
    let mut bench = Bench::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        match line.split_once("=>") {
            None => bench.given(line),
            Some((input, expected)) => {
                let got = bench.take(input.trim());
                let expected = expected.trim();
                let begins = expected.strip_suffix('…');
                let same = got == expected || begins.is_some_and(|begins| got.starts_with(begins));
                assert!(same, "{line}\n  got: {got}\n  after:{script}");
            }
        }
    }
}

pub(super) struct Bench {
    pub(super) state: State,
    now: u64,
    version: u64,
    entry: Entry,
    running: Option<Digest>,
    job: String,
    tokens: Vec<(&'static str, String)>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut bench = Self {
            state: woken(Entry::default(), None, 0).0,
            now: 1_000_000,
            version: 0,
            entry: Entry::default(),
            running: None,
            job: String::new(),
            tokens: Vec::new(),
        };
        bench.restart();
        bench
    }

    fn given(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("has", version)) => {
                self.entry.memory.installed = Some(release(version));
                self.running = Some(digest(version));
                self.restart();
            }
            Some(("runs", version)) => {
                self.running = Some(digest(version));
                self.restart();
            }
            Some(("same", "token")) => {
                let [.., (_, a), (_, b)] = &self.tokens[..] else {
                    panic!("there are no two letters");
                };
                assert_eq!(a, b);
            }
            _ => panic!("what is {line:?}?"),
        }
    }

    fn restart(&mut self) -> Vec<Effect> {
        let (state, effects) = woken(self.entry.clone(), self.running, self.now);
        self.state = state;
        effects
    }

    pub(super) fn take(&mut self, input: &str) -> String {
        let effects = if input == "restart" {
            self.restart()
        } else {
            let input = self.input(input);
            let now = self.now();
            let (state, effects) = step(self.state.clone(), input, now);
            self.state = state;
            effects
        };
        let due = next_due(&self.state);
        assert!(
            due.is_none_or(|due| due.0 > self.now) || self.now == 0 || !ticks(input),
            "a tick leaves nothing due"
        );
        let shown: Vec<String> = effects.iter().map(|effect| self.show(effect)).collect();
        shown.join(", ")
    }

    fn now(&self) -> Now {
        Now {
            wall: Timestamp(self.now),
            mono: Monotonic(self.now),
        }
    }

    fn input(&mut self, text: &str) -> Input {
        if let Some(seconds) = text.strip_prefix('+') {
            let seconds: u64 = seconds.trim_end_matches('s').parse().unwrap();
            self.now += seconds * 1000;
            return Input::Tick;
        }
        let (job, text) = match text.split_once(": ") {
            Some((job, text)) => (job.to_owned(), text),
            None if self.job_under_way().is_empty() => (self.job.clone(), text),
            None => (self.job_under_way(), text),
        };
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["up"] => Input::Connected,
            ["down"] => Input::Disconnected,
            ["delta", job, what] => self.delta(job, what, self.version + 1),
            ["delta", job, what, at] => self.delta(job, what, at[1..].parse().unwrap()),
            ["other", what] => Input::Delta(Delta {
                version: self.version,
                command: None,
                other: Some(what.into()),
            }),
            ["trusts", number] => Input::Trust(number.parse().unwrap()),
            ["accepted", kind] => Input::Accepted(self.answer(kind)),
            ["rejected", kind, code] => Input::Rejected(
                self.answer(kind),
                Refusal {
                    code: code.parse().unwrap(),
                    message: "no".into(),
                },
            ),
            [work, how] => Input::Work(JobId::parse(&job).unwrap(), self.work(work, how)),
            _ => panic!("what is {text:?}?"),
        }
    }

    fn delta(&mut self, job: &str, what: &str, version: u64) -> Input {
        self.version = version;
        self.job = job.into();
        let wanted = match what {
            "foreign" => Ok(Wanted::Foreign { url: url(what) }),
            "bad" => Err("it is nonsense".into()),
            version => Ok(Wanted::Known(release(version))),
        };
        Input::Delta(Delta {
            version,
            command: Some(Command {
                job: JobId::parse(job).unwrap(),
                grant: Grant::Presigned(format!("{}?sig=secret", url(what))),
                wanted,
            }),
            other: None,
        })
    }

    fn answer(&self, kind: &str) -> Answer {
        let letter = self.tokens.iter().rev().find(|(said, _)| *said == kind);
        Answer {
            token: letter.map(|(_, token)| token.clone()),
        }
    }

    fn work(&mut self, work: &str, how: &str) -> Work {
        let result = match how {
            "ok" => Ok(()),
            _ => Err("it failed".to_owned()),
        };
        let running = crate::machine::entry(&self.state).stage;
        match work {
            "progress" => Work::Progress(how.parse().unwrap()),
            "fetched" => Work::Fetched(fetched(how)),
            "written" => Work::Written(result),
            "switched" => {
                if let (Ok(()), crate::journal::Stage::Switching(_, trial)) = (&result, running) {
                    self.running = Some(*trial.release.digest());
                }
                Work::Switched(result)
            }
            "checked" => Work::Checked(result),
            "confirmed" => Work::Confirmed(result),
            "went-back" => {
                if let (Ok(()), crate::journal::Stage::GoingBack(_, trial, _)) = (&result, running)
                {
                    self.running = trial.former;
                }
                Work::WentBack(result)
            }
            _ => panic!("what is {work:?}?"),
        }
    }

    fn show(&mut self, effect: &Effect) -> String {
        match effect {
            Effect::Journal(entry) => {
                self.entry = (**entry).clone();
                let job = match &entry.stage {
                    crate::journal::Stage::Idle => "",
                    _ => &self.job_under_way(),
                };
                format!("journal {} {job}", entry.stage.name())
                    .trim_end()
                    .into()
            }
            Effect::Fetch { wanted, .. } => {
                let shown = wanted.release().map_or("foreign", |r| &r.software.version);
                format!("fetch {shown}")
            }
            Effect::StopFetch => "stop".into(),
            Effect::Write(_, release) => format!("write {}", release.software.version),
            Effect::Switch(_, release) => format!("switch {}", release.software.version),
            Effect::Check(_, release) => format!("check {}", release.software.version),
            Effect::Confirm { to, former, .. } => {
                format!("confirm {} over {}", named(Some(*to)), named(*former))
            }
            Effect::GoBack { to, .. } => format!("back to {}", named(*to)),
            Effect::Publish(update) => {
                let (kind, shown) = say(&update.saying);
                self.tokens.push((kind, update.token.clone()));
                format!("say {shown}")
            }
            Effect::Ask => "ask".into(),
            Effect::ApplyState(what) => format!("apply {what}"),
        }
    }

    fn job_under_way(&self) -> String {
        use crate::journal::Stage;
        let job = match &self.entry.stage {
            Stage::Idle => return String::new(),
            Stage::Fetching(job, _)
            | Stage::Writing(job, ..)
            | Stage::Fenced(job, _)
            | Stage::Switching(job, _)
            | Stage::Checking(job, _)
            | Stage::Confirming(job, _)
            | Stage::GoingBack(job, ..) => job,
            Stage::Reporting => &self.entry.memory.last.as_ref().unwrap().job,
        };
        job.to_string()
    }
}

fn ticks(input: &str) -> bool {
    input.starts_with('+')
}

fn woken(entry: Entry, running: Option<Digest>, now: u64) -> (State, Vec<Effect>) {
    let waking = Waking {
        entry,
        running,
        policy: Policy {
            allow_unverified: false,
            length_max: 1 << 30,
        },
        facts: Facts::default(),
        seed: now,
    };
    let now = Now {
        wall: Timestamp(now),
        mono: Monotonic(now),
    };
    wake(waking, now)
}

fn fetched(how: &str) -> Result<Release, FetchFailure> {
    Err(match how {
        "refused" => FetchFailure::Refused,
        "broken" => FetchFailure::Broken {
            wait: 0,
            gained: false,
            reason: "cut off".into(),
        },
        "wrong" => FetchFailure::Wrong("wrong bytes".into()),
        "disk" => FetchFailure::Disk("the disk is full".into()),
        version => return Ok(release(version)),
    })
}

fn say(saying: &Saying) -> (&'static str, String) {
    use crate::job::Outcome;
    match saying {
        Saying::Facts(_, installed) => {
            let version = installed.as_ref().map_or("", |r| &r.software.version);
            ("facts", format!("facts {version}").trim_end().into())
        }
        Saying::Running(job, progress) => {
            let percent = progress
                .percent
                .map(|p| format!(" {p}"))
                .unwrap_or_default();
            (
                "RUNNING",
                format!("RUNNING {job} {}{percent}", progress.stage),
            )
        }
        Saying::Ended(job, outcome) => {
            let shown = match outcome {
                Outcome::Success(release) => format!("SUCCESS {job} {}", release.software.version),
                Outcome::Failure(reason) => format!("FAILURE {job} {reason}"),
                Outcome::Rejected(reason) => format!("REJECTED {job} {reason}"),
            };
            ("end", shown)
        }
    }
}

fn url(what: &str) -> String {
    format!("http://127.0.0.1:8080/{what}")
}

pub(super) fn release(version: &str) -> Release {
    Release {
        url: url(version),
        software: Software {
            name: "firmware".into(),
            version: version.into(),
            digest: digest(version),
            length: if version == "huge" { 1 << 40 } else { 5 },
            format: Format::File,
        },
    }
}

fn digest(version: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes[..version.len()].copy_from_slice(version.as_bytes());
    Digest::from_bytes(bytes)
}

fn named(digest: Option<Digest>) -> String {
    digest.map_or_else(
        || "nothing".into(),
        |digest| {
            let bytes = digest
                .as_bytes()
                .iter()
                .copied()
                .take_while(|b| *b != 0)
                .collect();
            String::from_utf8(bytes).unwrap()
        },
    )
}
