//! What a rollout shall do: a file for all of it, options for what most want. The server reads and checks the plan.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::failure::{Failure, Kind};

/// How a device can end without success, as plans write it.
const CAUSES: [&str; 5] = ["failed", "rejected", "timed-out", "gone-dark", "reverted"];

#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// A plan in TOML, or in JSON; the options below take the place of what it says
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The release: NAME@VERSION
    #[arg(long, value_name = "NAME@VERSION", required_unless_present = "plan")]
    release: Option<String>,
    /// Whom: a selector, such as `model = gw-200 and tag.region in (eu, us)`, or `all`
    #[arg(long, value_name = "SELECTOR", required_unless_present = "plan")]
    select: Option<String>,
    /// How far the rollout has come at the end of each wave: 1%,10%,100%, or numbers of devices
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    waves: Vec<String>,
    /// Pause when more than this share ends without success: 5%
    #[arg(long, value_name = "SHARE")]
    max_failed: Option<String>,
    /// Open so many jobs a minute
    #[arg(long, value_name = "JOBS")]
    pace: Option<u32>,
    /// So many devices at work at once
    #[arg(long, value_name = "DEVICES")]
    max_in_flight: Option<u32>,
    /// Send devices an older version than they report, too
    #[arg(long)]
    downgrade: bool,
    /// Ask for a second person
    #[arg(long)]
    approval: bool,
}

impl Asked {
    /// Returns the plan as the API takes it.
    pub(super) fn plan(&self) -> Result<Value, Failure> {
        let mut plan = match &self.plan {
            Some(file) => read(file)?,
            None => json!({}),
        };
        let Some(object) = plan.as_object_mut() else {
            return Err(Failure::new(Kind::Usage, "a plan is a table of settings"));
        };
        let mut set = |name: &str, value: Value| drop(object.insert(name.into(), value));
        if let Some(release) = &self.release {
            set("releases", json!([release]));
        }
        if let Some(select) = &self.select {
            set("select", json!(select));
        }
        if !self.waves.is_empty() {
            let waves = self.waves.iter().map(|wave| json!({ "upTo": up_to(wave) }));
            set("waves", waves.collect());
        }
        if let Some(share) = &self.max_failed {
            // A share says something once 100 have ended; before that, 5 of the first 20 are too many.
            let early = json!({ "of": CAUSES, "count": 5, "first": 20 });
            set(
                "thresholds",
                json!([early, { "of": CAUSES, "share": share }]),
            );
        }
        if let Some(pace) = self.pace {
            set("pace", json!({ "perMinute": pace }));
        }
        if let Some(most) = self.max_in_flight {
            set("maxInFlight", json!(most));
        }
        if self.downgrade {
            set("downgrade", json!(true));
        }
        if self.approval {
            set("approval", json!(true));
        }
        Ok(plan)
    }
}

/// A share, or a number of devices.
fn up_to(text: &str) -> Value {
    let text = text.trim();
    text.parse::<u32>()
        .map_or_else(|_| json!(text), |count| json!(count))
}

fn read(file: &PathBuf) -> Result<Value, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(Kind::Usage, format!("the plan {shown} cannot be read")).because(&error)
    })?;
    let wrong = |error: &dyn std::error::Error| {
        Failure::new(Kind::Usage, format!("the plan {shown} is not understood"))
            .because(error)
            .next("docs/reference/plan.md says how one is written")
    };
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text).map_err(|error| wrong(&error));
    }
    toml::from_str(&text).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        asked: Asked,
    }

    #[test]
    fn options_make_the_plan_of_the_guide() {
        let line = Line::parse_from([
            "refit",
            "--release",
            "firmware@2.0.0",
            "--select",
            "model = gw-200",
            "--waves",
            "1%,50,100%",
            "--max-failed",
            "5%",
        ]);
        let plan = line.asked.plan().unwrap();
        assert_eq!(plan["releases"], json!(["firmware@2.0.0"]));
        assert_eq!(
            plan["waves"],
            json!([{ "upTo": "1%" }, { "upTo": 50 }, { "upTo": "100%" }])
        );
        assert_eq!(plan["thresholds"][1]["share"], "5%");
    }

    #[test]
    fn a_file_says_all_and_options_take_the_place_of_parts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("plan.toml");
        let text = "releases = [\"firmware@1.0.0\"]\nselect = \"all\"\n[[waves]]\nupTo = \"10%\"\n";
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let line = Line::parse_from(["refit", "--plan", file, "--release", "firmware@2.0.0"]);
        let plan = line.asked.plan().unwrap();
        assert_eq!(plan["releases"], json!(["firmware@2.0.0"]));
        assert_eq!(plan["waves"], json!([{ "upTo": "10%" }]));
    }
}
