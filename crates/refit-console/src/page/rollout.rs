//! Is it going well, if not why not, and what can be done now?

mod act;
mod wave;

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

pub use self::act::{Act, Asks, Toll, acts};
pub use self::wave::{Wave, waves};
use crate::chart::{Lines, Segment, lines, segments};
use crate::part::{Tone, count, percent};

/// A rollout.
#[derive(Clone, Debug)]
pub struct Rollout<'a> {
    /// When the figures were taken.
    pub now: Timestamp,
    /// Its name.
    pub name: &'a str,
    /// What it brings: `gateway 1.1.0`.
    pub release: String,
    /// To whom: the selector, in its canonical form, and where that list is.
    pub selector: (&'a str, String),
    /// Its state, as a word, and how that is.
    pub state: (&'a str, Tone),
    /// What it waits for, or why it stopped, as a sentence.
    pub says: String,
    /// How many devices it is about.
    pub eligible: u64,
    /// Devices that match and are left out, each with why, and where they are.
    pub left_out: Vec<(u64, &'a str, String)>,
    /// Each device in exactly one state.
    pub states: Vec<Segment<'a>>,
    /// What those wait for that have no job yet.
    pub waiting: Vec<Segment<'a>>,
    /// How far each one got: name, how many, where they are.
    pub funnel: Vec<(&'a str, u64, String)>,
    /// Its waves.
    pub waves: Vec<Wave<'a>>,
    /// Devices done over time, against the plan.
    pub progress: Option<Lines<'a>>,
    /// The share that failed over time, against the line at which it stops.
    pub failures: Option<Lines<'a>>,
    /// What failures have in common.
    pub clusters: Vec<Cluster<'a>>,
    /// What can be done, by whoever reads this.
    pub acts: Vec<Act>,
    /// What an abort would do to whom.
    pub toll: Toll,
    /// The revision that these figures are of: a form that changes it carries it along.
    pub revision: u64,
    /// Where the plan, and when it is over the report, is.
    pub plan: String,
}

/// Failures with something in common.
#[derive(Clone, Debug)]
pub struct Cluster<'a> {
    /// Why they failed.
    pub reason: &'a str,
    /// What they have in common: `gw-200 rev B, from 1.0.0`.
    pub group: String,
    /// How many failed so, of how many of the group that ended.
    pub failed: (u64, u64),
    /// How many times as often as the rest: `12 ×`; `None`: the rest never does.
    pub lift: Option<String>,
    /// Exactly those.
    pub href: String,
    /// Three of them.
    pub examples: Vec<&'a str>,
    /// The group, as the form that excludes it sends it; `None`: it is excluded, or nobody may.
    pub exclude: Option<String>,
}

/// Draws the page.
pub fn rollout(view: &Rollout<'_>) -> Markup {
    html! {
        h1 { (view.name) }
        (head(view))
        (figures(view))
        (waves(view))
        (charts(view))
        (clusters(view))
        p { a href=(view.plan) { "The plan, and what was decided" } }
    }
}

/// Where it stands, and what can be done.
pub fn head(view: &Rollout<'_>) -> Markup {
    html! {
        section.card #rollout-head aria-label="Where it stands" {
            p.verdict.(view.state.1.class()) {
                span.state.(view.state.1.class()) { (view.state.0) } " " (view.says)
            }
            p {
                b { (view.release) } " to "
                a href=(view.selector.1) { b data-f { (count(view.eligible)) } " devices" } ": " code { (view.selector.0) }
            }
            (acts(view))
        }
    }
}

/// Every device, in exactly one state.
pub fn figures(view: &Rollout<'_>) -> Markup {
    html! {
        section.card #rollout-figures aria-labelledby="figures-title" {
            h2 #figures-title { "Its " span data-f { (count(view.eligible)) } " eligible devices" }
            (segments("Its devices by state", view.eligible, &view.states))
            @if view.waiting.iter().any(|part| part.n > 0) {
                h3 { "Those without a job wait for" }
                (segments("What they wait for", view.waiting.iter().map(|part| part.n).sum(), &view.waiting))
            }
            @if !view.funnel.is_empty() {
                h3 { "How far they got" }
                ol.funnel {
                    @for (name, n, href) in &view.funnel {
                        li {
                            a href=(href) { span { (name) } " " b data-f { (count(*n)) } " " small data-f { (percent(*n, view.eligible)) } }
                            progress max=(view.eligible.max(1)) value=(n) aria-hidden="true" {}
                        }
                    }
                }
            }
            @if !view.left_out.is_empty() {
                p.as-of {
                    "Matching, but left out: "
                    @for (place, (n, why, href)) in view.left_out.iter().enumerate() {
                        @if place > 0 { ", " }
                        a href=(href) { (count(*n)) " " (why) }
                    }
                }
            }
        }
    }
}

/// How it goes over time.
pub fn charts(view: &Rollout<'_>) -> Markup {
    html! {
        div.pair #rollout-charts {
            @if let Some(progress) = &view.progress {
                section.card aria-labelledby="progress-title" {
                    h2 #progress-title { "Done, against the plan" }
                    (lines(progress, view.now))
                }
            }
            @if let Some(failures) = &view.failures {
                section.card aria-labelledby="failures-title" {
                    h2 #failures-title { "Failed, against the line" }
                    (lines(failures, view.now))
                }
            }
        }
    }
}

/// What failures have in common.
pub fn clusters(view: &Rollout<'_>) -> Markup {
    html! {
        section.card #rollout-clusters aria-labelledby="clusters-title" {
            h2 #clusters-title { "What failures have in common" }
            @if view.clusters.is_empty() { p.empty { "None failed." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="What failures have in common" {
                    table {
                        thead { tr {
                            th scope="col" { "Reason" } th scope="col" { "Devices" } th scope="col" { "Failed" }
                            th scope="col" { "Against the rest" } th scope="col" { "Such as" } th scope="col" { "" }
                        } }
                        tbody { @for cluster in &view.clusters { (row(view, cluster)) } }
                    }
                }
            }
        }
    }
}

fn row(view: &Rollout<'_>, cluster: &Cluster<'_>) -> Markup {
    let (failed, of) = cluster.failed;
    html! {
        tr {
            th scope="row" { (cluster.reason) }
            td { (cluster.group) }
            td { a href=(cluster.href) { (count(failed)) " of " (count(of)) } " " small { (percent(failed, of)) } }
            td { @match &cluster.lift { Some(lift) => (lift), None => "only these" } }
            td {
                @for (place, id) in cluster.examples.iter().enumerate() {
                    @if place > 0 { ", " }
                    a href={ "/devices/" (id) } { (id) }
                }
            }
            td {
                @if let Some(group) = &cluster.exclude {
                    form method="post" action={ "/rollouts/" (view.name) "/exclude" } {
                        input type="hidden" name="revision" value=(view.revision);
                        input type="hidden" name="group" value=(group);
                        button title="they get no more jobs of this rollout" { "Exclude" }
                    }
                }
            }
        }
    }
}
