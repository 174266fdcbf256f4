//! Whom will it touch, and how? A form, and what would follow from it.

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

use crate::page::devices::{Mistake, caret};
use crate::part::{bytes, count, span, when};

/// The form, as it was filled in, and the rehearsal of it.
#[derive(Clone, Debug)]
pub struct NewRollout<'a> {
    /// When it was rehearsed.
    pub now: Timestamp,
    /// The releases that can be picked, `NAME@VERSION`, the newest first.
    pub releases: Vec<String>,
    /// What was filled in.
    pub typed: Typed<'a>,
    /// What is wrong with the selector.
    pub mistake: Option<Mistake<'a>>,
    /// What else is wrong: each with what to do.
    pub problems: Vec<String>,
    /// What would happen.
    pub rehearsal: Option<Rehearsal<'a>>,
}

/// What was filled in, as text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typed<'a> {
    /// The name.
    pub name: &'a str,
    /// `NAME@VERSION`.
    pub release: &'a str,
    /// The selector.
    pub selector: &'a str,
    /// `1%,10%,100%`.
    pub waves: &'a str,
    /// Jobs a minute.
    pub pace: &'a str,
    /// `5%`.
    pub max_failed: &'a str,
}

/// What would happen.
#[derive(Clone, Debug)]
pub struct Rehearsal<'a> {
    /// How many would be updated, and where they are.
    pub eligible: (u64, String),
    /// How many match and would be left out, each with why and where.
    pub left_out: Vec<(u64, &'a str, String)>,
    /// The devices of each wave.
    pub waves: Vec<u64>,
    /// What they would download.
    pub bytes: u64,
    /// How long it takes at least, in milliseconds.
    pub shortest: u64,
    /// The end, if nothing stops it.
    pub ends: Timestamp,
    /// What the first wave can show: a sentence.
    pub detects: Option<String>,
    /// Some of them.
    pub examples: Vec<&'a str>,
}

/// Draws the page.
pub fn new_rollout(view: &NewRollout<'_>) -> Markup {
    html! {
        h1 { "New rollout" }
        form.plan.card method="post" action="/rollouts/new" {
            label { "Release"
                select name="release" required {
                    @for release in &view.releases {
                        option selected[release == view.typed.release] { (release) }
                    }
                }
            }
            label { "Devices"
                input name="selector" value=(view.typed.selector) spellcheck="false" autocapitalize="off"
                    placeholder="model = gw-200 and tag.region in (eu, us)"
                    aria-invalid=[view.mistake.is_some().then_some("true")]
                    aria-describedby=[view.mistake.is_some().then_some("mistake")];
            }
            @if let Some(mistake) = &view.mistake {
                div.problem #mistake role="alert" {
                    pre { (view.typed.selector) "\n" (caret(mistake.at)) }
                    p { (mistake.message) }
                }
            }
            label { "Waves" input name="waves" value=(view.typed.waves) placeholder="1%,10%,100%"; }
            label { "Jobs a minute, at most" input name="pace" value=(view.typed.pace) inputmode="numeric" placeholder="as fast as it can"; }
            label { "Pause when so many failed" input name="max_failed" value=(view.typed.max_failed) placeholder="5%"; }
            label { "Name" input name="name" value=(view.typed.name) placeholder="made of the release"; }
            @if !view.problems.is_empty() {
                ul.problem role="alert" { @for problem in &view.problems { li { (problem) } } }
            }
            div.actions {
                button name="then" value="rehearse" { "Rehearse" }
                @if view.rehearsal.is_some() { button name="then" value="start" { "Start" } }
            }
            p.hint { "Everything else, such as windows, budgets and approval, is in a plan file: " code { "refit rollout start --plan FILE" } }
        }
        @if let Some(rehearsal) = &view.rehearsal { (outcome(view, rehearsal)) }
    }
}

/// What would happen.
pub fn outcome(view: &NewRollout<'_>, rehearsal: &Rehearsal<'_>) -> Markup {
    html! {
        section.card #rehearsal aria-labelledby="rehearsal-title" {
            h2 #rehearsal-title { "What would happen" }
            p {
                a href=(rehearsal.eligible.1) { b data-f { (count(rehearsal.eligible.0)) } " devices" } " would be updated, in "
                (rehearsal.waves.len()) " waves of "
                @for (place, n) in rehearsal.waves.iter().enumerate() { @if place > 0 { ", " } (count(*n)) }
                "."
            }
            ul {
                li { (bytes(rehearsal.bytes)) " would be downloaded in all." }
                li { "It takes " (span(rehearsal.shortest)) " at least, and would be done " (when(rehearsal.ends, view.now)) "." }
                @if let Some(detects) = &rehearsal.detects { li { (detects) } }
                @for (n, why, href) in &rehearsal.left_out {
                    li { a href=(href) { (count(*n)) } " match and are left out: " (why) "." }
                }
            }
            @if !rehearsal.examples.is_empty() {
                p.as-of {
                    "Such as "
                    @for (place, id) in rehearsal.examples.iter().enumerate() {
                        @if place > 0 { ", " }
                        a href={ "/devices/" (id) } { (id) }
                    }
                }
            }
        }
    }
}
