//! `refit rollout`: who gets what, how fast, and when it has to stop.

mod asked;
mod shown;
mod status;

use serde_json::{Value, json};
use ureq::http::Method;

use self::asked::Asked;
use self::shown::{rehearsed, shown};
use super::Dry;
use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, hint, table, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Start a rollout
    Start {
        /// What it is called
        name: String,
        #[command(flatten)]
        asked: Asked,
        /// Make it, and do not start it yet
        #[arg(long)]
        draft: bool,
        #[command(flatten)]
        dry: Dry,
    },
    /// Look at a plan before it starts: what is wrong with it, and what it would do
    Plan {
        #[command(flatten)]
        asked: Asked,
    },
    /// List rollouts, the newest first
    #[command(alias = "ls")]
    List {
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show a rollout: where it stands, and what it waits for
    Show(Name),
    /// Show where a rollout stands, or wait until it is over
    Status(status::Arguments),
    /// Start a draft
    Begin(Act),
    /// Agree to a rollout that somebody else started
    Approve(Act),
    /// Open no more jobs until it is resumed
    Pause {
        #[command(flatten)]
        act: Act,
        /// Why, for the report
        #[arg(long)]
        reason: Option<String>,
    },
    /// Go on from a pause
    Resume(Act),
    /// Open the next wave now
    Advance(Act),
    /// End it for good: what has not begun is taken back
    Abort {
        #[command(flatten)]
        act: Act,
        /// Why, for the report
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give devices that failed for good one more try
    Retry {
        #[command(flatten)]
        act: Act,
        #[command(flatten)]
        group: Group,
    },
    /// Give some devices no more jobs of it
    Exclude {
        #[command(flatten)]
        act: Act,
        #[command(flatten)]
        group: Group,
        /// Why, for the report
        #[arg(long)]
        reason: String,
    },
    /// Change how fast its jobs are opened
    Pace {
        #[command(flatten)]
        act: Act,
        /// So many a minute; without it, the pace of the plan
        per_minute: Option<u32>,
    },
    /// Report what became of it
    Report {
        #[command(flatten)]
        name: Name,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Name {
    /// The rollout's name
    name: String,
}

/// What is done to a rollout.
#[derive(Debug, clap::Args)]
pub(crate) struct Act {
    #[command(flatten)]
    name: Name,
    /// Only if it has this revision
    #[arg(long, value_name = "REVISION")]
    if_version: Option<u64>,
    #[command(flatten)]
    dry: Dry,
}

/// Devices with something in common.
#[derive(Debug, clap::Args)]
pub(crate) struct Group {
    /// Only those of this model
    #[arg(long)]
    model: Option<String>,
    /// Only those that come from this version
    #[arg(long)]
    from: Option<String>,
}

impl Group {
    fn document(&self) -> Value {
        let mut group = json!({});
        for (name, value) in [("model", &self.model), ("from", &self.from)] {
            if let Some(value) = value {
                group[name] = value.as_str().into();
            }
        }
        group
    }
}

impl Name {
    fn path(&self) -> String {
        path(&self.name)
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/rollouts/{}", encoded(name))
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::Start {
            name,
            asked,
            draft,
            dry,
        } => {
            let body = json!({ "name": name, "plan": asked.plan()?, "start": !draft });
            let made = client.send(
                Method::POST,
                &dry.path("/api/v1/rollouts".into()),
                Some(&body),
            )?;
            dry.hint();
            output.document(&made, || shown(&made))
        }
        Command::Plan { asked } => {
            let body = json!({ "plan": asked.plan()? });
            let said = client.send(Method::POST, "/api/v1/rollouts:plan", Some(&body))?;
            output.document(&said, || rehearsed(&said))?;
            match said.get("rehearsal") {
                Some(_) => Ok(()),
                None => Err(Failure::new(Kind::Usage, "the plan cannot be run")
                    .next("correct what is named above")),
            }
        }
        Command::List { limit } => list(client, limit, output),
        Command::Show(name) => {
            let rollout = client.get(&name.path())?;
            output.document(&rollout, || shown(&rollout))
        }
        Command::Status(arguments) => arguments.run(client, output),
        Command::Begin(act) => acted(client, &act, "start", &json!({}), output),
        Command::Approve(act) => acted(client, &act, "approve", &json!({}), output),
        Command::Pause { act, reason } => {
            acted(client, &act, "pause", &json!({ "reason": reason }), output)
        }
        Command::Resume(act) => acted(client, &act, "resume", &json!({}), output),
        Command::Advance(act) => acted(client, &act, "advance", &json!({}), output),
        Command::Abort { act, reason } => {
            acted(client, &act, "abort", &json!({ "reason": reason }), output)
        }
        Command::Retry { act, group } => {
            let group = group.document();
            let body = match group == json!({}) {
                true => json!({}),
                false => json!({ "group": group }),
            };
            acted(client, &act, "retry", &body, output)
        }
        Command::Exclude { act, group, reason } => {
            let body = json!({ "group": group.document(), "reason": reason });
            acted(client, &act, "exclude", &body, output)
        }
        Command::Pace { act, per_minute } => {
            let body = json!({ "perMinute": per_minute });
            acted(client, &act, "pace", &body, output)
        }
        Command::Report { name } => {
            let report = client.get(&format!("{}/report", name.path()))?;
            output.document(&report, || shown::report(&report))
        }
    }
}

fn acted(
    client: &Client,
    act: &Act,
    word: &str,
    body: &Value,
    output: Output,
) -> Result<(), Failure> {
    let path = act.dry.path(format!("{}/{word}", act.name.path()));
    let rollout = client.wish(Method::POST, &path, body, act.if_version)?;
    act.dry.hint();
    output.document(&rollout, || shown(&rollout))
}

fn list(client: &Client, limit: usize, output: Output) -> Result<(), Failure> {
    let rollouts = client.get_all("/api/v1/rollouts", limit.max(1))?;
    let items = rollouts["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        hint(
            "there are no rollouts yet: `refit rollout start NAME --release NAME@VERSION --select all`",
        );
        return output.nothing(&rollouts);
    }
    output.document(&rollouts, || {
        let rows = items.iter().map(|rollout| {
            vec![
                cell(rollout, "name"),
                cell(rollout, "status"),
                time(rollout, "createdAt").unwrap_or_default(),
                time(rollout, "changedAt").unwrap_or_default(),
            ]
        });
        table(&["NAME", "STATUS", "CREATED", "CHANGED"], rows)
    })
}
