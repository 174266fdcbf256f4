//! One device: what it should be, what it is, why they differ, and what happened to it.

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

use crate::part::{Tone, span, when};

/// A device.
#[derive(Clone, Debug)]
pub struct Device<'a> {
    /// When it was read.
    pub now: Timestamp,
    /// Its ID.
    pub id: &'a str,
    /// Where it stands, in a word, and how that is.
    pub state: (&'a str, Tone),
    /// Whether it is connected, and when it last spoke.
    pub online: bool,
    /// When it last spoke.
    pub seen: Option<Timestamp>,
    /// Why it does not run what it should: all reasons, the first first. Empty: it does.
    pub why: Vec<String>,
    /// Each field of desired and reported.
    pub fields: Vec<Field>,
    /// What is known of it: name, value, and who says so.
    pub facts: Vec<(String, String, &'static str)>,
    /// Its jobs, the newest first.
    pub jobs: Vec<Job<'a>>,
    /// Whether there are older ones.
    pub more_jobs: Option<String>,
    /// The version of its record: a form that changes it carries it along.
    pub version: u64,
    /// What may be done, by whoever reads this.
    pub actions: Vec<Action>,
}

/// A field of the state.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its path, such as `softwareURL`.
    pub path: String,
    /// What is desired of it.
    pub desired: Option<String>,
    /// What is reported of it.
    pub reported: Option<String>,
    /// Whether they differ.
    pub differs: bool,
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// Its ID.
    pub id: &'a str,
    /// What it brings.
    pub software: String,
    /// Who wanted it.
    pub origin: &'a str,
    /// Its state, and how that is.
    pub state: (&'a str, Tone),
    /// When it was opened.
    pub opened: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What the device said of it last: a phase and a percentage, or why it failed, with the last lines of output.
    pub said: Option<String>,
}

/// Something that may be done to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Try again what failed.
    Retry,
    /// Send it nothing.
    Hold,
    /// Send to it again.
    Release,
    /// End its open job.
    Cancel,
}

impl Action {
    /// Returns the last part of its address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Cancel => "cancel",
        }
    }

    /// Returns what the button says, and what follows.
    pub const fn says(self) -> (&'static str, &'static str) {
        match self {
            Self::Retry => (
                "Try again",
                "a new job is opened, and failures are forgotten",
            ),
            Self::Hold => ("Hold", "it is sent no software until it is let go"),
            Self::Release => ("Let go", "what is due is sent when it is there"),
            Self::Cancel => ("Cancel the job", "what it has begun, it may still finish"),
        }
    }
}

/// Draws the page.
pub fn device(view: &Device<'_>) -> Markup {
    html! {
        h1 { (view.id) }
        (head(view))
        (difference(view))
        (history(view))
        @if !view.facts.is_empty() { (facts(view)) }
    }
}

/// Where it stands, why, and what may be done.
pub fn head(view: &Device<'_>) -> Markup {
    html! {
        section.card #device-head aria-label="Where it stands" {
            p.verdict.(view.state.1.class()) {
                (view.state.0)
                @if let Some(why) = view.why.first() { ": " (why) }
            }
            @if view.why.len() > 1 {
                p { "Also:" }
                ul { @for why in view.why.iter().skip(1) { li { (why) } } }
            }
            p.as-of {
                @if view.online { span.dot.good { "online" } } @else { span.dot { "not connected" } }
                ", last heard "
                @match view.seen { Some(seen) => (when(seen, view.now)), None => "never" }
            }
            @if !view.actions.is_empty() {
                div.actions {
                    @for action in &view.actions {
                        @let (label, follows) = action.says();
                        form method="post" action={ "/devices/" (view.id) "/" (action.name()) } {
                            input type="hidden" name="version" value=(view.version);
                            button title=(follows) { (label) }
                        }
                    }
                }
            }
        }
    }
}

/// Desired against reported.
pub fn difference(view: &Device<'_>) -> Markup {
    html! {
        section.card #device-state aria-labelledby="state-title" {
            h2 #state-title { "Desired and reported" }
            @if view.fields.is_empty() { p.empty { "Nothing is desired of it, and it has reported nothing." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Desired and reported" {
                    table.diff {
                        thead { tr { th scope="col" { "Field" } th scope="col" { "Desired" } th scope="col" { "Reported" } } }
                        tbody {
                            @for field in &view.fields {
                                tr.differs[field.differs] {
                                    th scope="row" { (field.path) @if field.differs { " " span.state.warn { "differs" } } }
                                    td { code { (field.desired.as_deref().unwrap_or("–")) } }
                                    td { code { (field.reported.as_deref().unwrap_or("–")) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What happened to it.
pub fn history(view: &Device<'_>) -> Markup {
    html! {
        section.card #device-jobs aria-labelledby="jobs-title" {
            h2 #jobs-title { "Jobs" }
            @if view.jobs.is_empty() { p.empty { "It never had one." } }
            ol.timeline {
                @for job in &view.jobs {
                    li {
                        span.state.(job.state.1.class()) { (job.state.0) } " "
                        b { (job.software) } " "
                        small {
                            "opened " (when(job.opened, view.now))
                            @if let Some(ended) = job.ended {
                                ", took " (span(ended.as_millis().saturating_sub(job.opened.as_millis())))
                            }
                            ", by " (job.origin) ", " code { (job.id) }
                        }
                        @if let Some(said) = &job.said {
                            @if said.contains('\n') { pre { (said) } } @else { p.said { (said) } }
                        }
                    }
                }
            }
            @if let Some(more) = &view.more_jobs { p { a.next rel="next" href=(more) { "Older jobs" } } }
        }
    }
}

fn facts(view: &Device<'_>) -> Markup {
    html! {
        section.card aria-labelledby="facts-title" {
            h2 #facts-title { "Facts" }
            table {
                thead { tr { th scope="col" { "Fact" } th scope="col" { "Value" } th scope="col" { "Said by" } } }
                tbody {
                    @for (name, value, source) in &view.facts {
                        tr { th scope="row" { (name) } td { (value) } td { (source) } }
                    }
                }
            }
        }
    }
}
