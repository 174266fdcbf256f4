//! Who did what, and is the server well?

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

use crate::part::{Tone, when};

/// The audit log, and the server's own figures.
#[derive(Clone, Debug)]
pub struct Activity<'a> {
    /// When it was read.
    pub now: Timestamp,
    /// Of the server: what, its value, and how that is.
    pub health: Vec<(&'a str, String, Tone)>,
    /// Who did what, the last first.
    pub lines: Vec<Line<'a>>,
    /// What the lines are limited to.
    pub filter: &'a str,
    /// Older ones.
    pub next: Option<String>,
    /// Whether whoever reads this may see who did what.
    pub may_audit: bool,
}

/// Something that somebody did.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: &'a str,
    /// What.
    pub action: &'a str,
    /// To what, and where that is.
    pub subject: (&'a str, Option<String>),
    /// From where.
    pub source: &'a str,
}

/// Draws the page.
pub fn activity(view: &Activity<'_>) -> Markup {
    html! {
        h1 { "Activity and health" }
        (health(view))
        @if view.may_audit { (log(view)) }
    }
}

/// How the server is.
pub fn health(view: &Activity<'_>) -> Markup {
    html! {
        section.card #server-health aria-labelledby="health-title" {
            h2 #health-title { "The server" }
            dl.facts {
                @for (name, value, tone) in &view.health {
                    div { dt { (name) } dd.(tone.class()) data-f { (value) } }
                }
            }
        }
    }
}

fn log(view: &Activity<'_>) -> Markup {
    html! {
        section.card aria-labelledby="log-title" {
            h2 #log-title { "Who did what" }
            form.query action="/activity" {
                label for="filter" { "Who, or to what" }
                input #filter name="q" value=(view.filter);
                button { "Show" }
            }
            @if view.lines.is_empty() { p.empty { "Nobody did anything like that." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Who did what" {
                    table {
                        thead { tr {
                            th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "From" }
                        } }
                        tbody {
                            @for line in &view.lines {
                                tr {
                                    td { (when(line.at, view.now)) }
                                    td { (line.actor) }
                                    td {
                                        (line.action) " "
                                        @match &line.subject.1 {
                                            Some(href) => a href=(href) { (line.subject.0) },
                                            None => (line.subject.0),
                                        }
                                    }
                                    td { (line.source) }
                                }
                            }
                        }
                    }
                }
            }
            @if let Some(next) = &view.next { p { a.next rel="next" href=(next) { "Older" } } }
            p.hint { "All of it, with proof that nothing was cut out: " code { "refit audit export" } ", " code { "refit audit verify" } }
        }
    }
}
