//! What runs where, and is anything wrong?

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

use crate::chart::{Area, Heat, Segment, area, heat, segments};
use crate::part::{Figure, Tone, count, figures, when};

/// The fleet.
#[derive(Clone, Debug)]
pub struct Fleet<'a> {
    /// When the figures were taken.
    pub now: Timestamp,
    /// How many devices there are.
    pub devices: u64,
    /// The sentence that says whether the fleet is well.
    pub verdict: (Tone, String),
    /// Online, drifting, failing, unseen.
    pub figures: Vec<Figure<'a>>,
    /// Devices by software, now.
    pub software: Vec<Segment<'a>>,
    /// Devices by software, over time.
    pub history: Area<'a>,
    /// Model against version.
    pub heat: Heat<'a>,
    /// What is under way.
    pub rollouts: Vec<UnderWay<'a>>,
}

/// A rollout, in one line.
#[derive(Clone, Debug)]
pub struct UnderWay<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is.
    pub href: String,
    /// Its state, as a word.
    pub state: &'a str,
    /// How that is.
    pub tone: Tone,
    /// How many devices it is about.
    pub eligible: u64,
    /// What has become of them.
    pub parts: Vec<Segment<'a>>,
    /// What it waits for, as a sentence.
    pub waits: Option<String>,
}

/// Draws the page.
pub fn fleet(view: &Fleet<'_>) -> Markup {
    if view.devices == 0 {
        return first_steps();
    }
    html! {
        h1 { "Fleet" }
        (head(view))
        (now(view))
        (under_way(view))
        section.card aria-labelledby="history-title" {
            h2 #history-title { "Software over time" }
            (area(&view.history, view.now))
        }
        section.card aria-labelledby="heat-title" {
            h2 #heat-title { "Model and version" }
            (heat(&view.heat))
        }
    }
}

/// The verdict, and the numbers that it rests on.
pub fn head(view: &Fleet<'_>) -> Markup {
    html! {
        div #fleet-head {
            p.verdict.(view.verdict.0.class()) { (view.verdict.1) }
            (figures("fleet-figures", "The fleet in numbers", &view.figures))
            p.as-of { "As of " (when(view.now, view.now)) ", of " (count(view.devices)) " devices" }
        }
    }
}

/// What runs now.
pub fn now(view: &Fleet<'_>) -> Markup {
    html! {
        section.card #fleet-now aria-labelledby="now-title" {
            h2 #now-title { "Software, now" }
            (segments("Devices by software", view.devices, &view.software))
        }
    }
}

/// The rollouts that are under way.
pub fn under_way(view: &Fleet<'_>) -> Markup {
    html! {
        section.card #fleet-rollouts aria-labelledby="rollouts-title" {
            h2 #rollouts-title { "Under way" }
            @if view.rollouts.is_empty() {
                p.empty { "No rollout is under way. " a href="/rollouts/new" { "Start one" } }
            }
            @for rollout in &view.rollouts { (line(rollout)) }
        }
    }
}

/// One rollout, in one line.
pub fn line(rollout: &UnderWay<'_>) -> Markup {
    html! {
        article.rollout {
            h3 { a href=(rollout.href) { (rollout.name) } " " span.state.(rollout.tone.class()) { (rollout.state) } }
            (segments("Its devices", rollout.eligible, &rollout.parts))
            @if let Some(waits) = &rollout.waits { p.waits { (waits) } }
        }
    }
}

fn first_steps() -> Markup {
    html! {
        section.card.first {
            h1 { "No device yet" }
            p { "A first one comes in with three commands. On this machine:" }
            pre { code { "refit enrol token new" } }
            p { "On the device, with the token that it printed:" }
            pre { code { "refit-agent enrol --server https://THIS-SERVER:8443 --token rfe_…\nrefit-agent run" } }
            p { "Or watch a whole fleet that is not there: " code { "refit demo" } }
        }
    }
}
