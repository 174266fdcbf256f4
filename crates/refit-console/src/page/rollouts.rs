//! What is under way, and what is next?

use maud::{Markup, html};

use crate::page::fleet::{UnderWay, line};

/// The rollouts.
#[derive(Clone, Debug)]
pub struct Rollouts<'a> {
    /// Those that are not over, those that need somebody first.
    pub open: Vec<UnderWay<'a>>,
    /// Those that are, the last first.
    pub over: Vec<UnderWay<'a>>,
    /// Older ones.
    pub next: Option<String>,
    /// Whether there is a release to roll out.
    pub has_release: bool,
    /// Whether whoever reads this may begin one.
    pub may_start: bool,
}

/// Draws the page.
pub fn rollouts(view: &Rollouts<'_>) -> Markup {
    html! {
        h1 { "Rollouts" }
        @if view.may_start && view.has_release {
            p { a.button href="/rollouts/new" { "New rollout" } }
        }
        (open(view))
        @if !view.over.is_empty() {
            section.card aria-labelledby="over-title" {
                h2 #over-title { "Over" }
                @for rollout in &view.over { (line(rollout)) }
                @if let Some(next) = &view.next { p { a.next rel="next" href=(next) { "Older ones" } } }
            }
        }
    }
}

/// Those that are not over.
pub fn open(view: &Rollouts<'_>) -> Markup {
    html! {
        section.card #rollouts-open aria-labelledby="open-title" {
            h2 #open-title { "Under way" }
            @if !view.has_release {
                p.empty { "A release comes first: " code { "refit release add PATH --name firmware --version 1.0.0" } }
            } @else if view.open.is_empty() {
                p.empty { "No rollout is under way." }
            }
            @for rollout in &view.open { (line(rollout)) }
        }
    }
}
