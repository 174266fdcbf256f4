//! Which devices are those?

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

use crate::part::{Tone, count, when};

/// A page of a list of devices.
#[derive(Clone, Debug)]
pub struct Devices<'a> {
    /// When it was read.
    pub now: Timestamp,
    /// The selector, as it was typed.
    pub selector: &'a str,
    /// What is wrong with it.
    pub mistake: Option<Mistake<'a>>,
    /// How many match, if that is known.
    pub matching: Option<u64>,
    /// The devices of this page.
    pub rows: Vec<Row<'a>>,
    /// The page after this one.
    pub next: Option<String>,
}

/// A mistake in a selector.
#[derive(Clone, Debug)]
pub struct Mistake<'a> {
    /// What is wrong, and what to do.
    pub message: &'a str,
    /// Where: the number of characters before it, and of those that are it.
    pub at: (usize, usize),
    /// What may have been meant.
    pub suggestion: Option<&'a str>,
}

/// A device, in one line.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Its ID.
    pub id: &'a str,
    /// Whether it is connected.
    pub online: bool,
    /// Its model.
    pub model: Option<&'a str>,
    /// What it reports: name and version, or a URL that is nobody's.
    pub runs: Option<String>,
    /// What it should run, if that is another.
    pub wants: Option<String>,
    /// Where it stands, in a word, and how that is.
    pub state: (&'a str, Tone),
    /// When it last spoke.
    pub seen: Option<Timestamp>,
}

/// Draws the page.
pub fn devices(view: &Devices<'_>) -> Markup {
    html! {
        h1 { "Devices" }
        (query(view))
        (list(view))
    }
}

fn query(view: &Devices<'_>) -> Markup {
    html! {
        form.query action="/devices" {
            label for="selector" { "Selector, or an ID" }
            input #selector name="q" value=(view.selector) spellcheck="false" autocapitalize="off"
                placeholder="model = gw-200 and version < 1.4.0"
                aria-invalid=[view.mistake.is_some().then_some("true")]
                aria-describedby=[view.mistake.is_some().then_some("mistake")];
            button { "Find" }
            @if let Some(mistake) = &view.mistake {
                div.problem #mistake role="alert" {
                    pre { (view.selector) "\n" (caret(mistake.at)) }
                    p { (mistake.message) }
                    @if let Some(suggestion) = mistake.suggestion {
                        p { "Did you mean " code { (suggestion) } "?" }
                    }
                }
            }
        }
    }
}

/// Returns a line with carets below what is wrong.
pub(crate) fn caret((before, len): (usize, usize)) -> String {
    format!("{}{}", " ".repeat(before), "^".repeat(len.max(1)))
}

/// The list alone.
pub fn list(view: &Devices<'_>) -> Markup {
    html! {
        section #devices aria-label="Devices" {
            @if let Some(matching) = view.matching {
                p.as-of { b { (count(matching)) } " match, as of " (when(view.now, view.now)) }
            }
            @if view.rows.is_empty() && view.mistake.is_none() {
                p.empty { "No device matches." }
            } @else if !view.rows.is_empty() {
                div.scroll tabindex="0" role="region" aria-label="Devices" {
                    table {
                        thead { tr {
                            th scope="col" { "Device" } th scope="col" { "Model" } th scope="col" { "Runs" }
                            th scope="col" { "State" } th scope="col" { "Last heard" }
                        } }
                        tbody { @for row in &view.rows { (line(row, view.now)) } }
                    }
                }
            }
            @if let Some(next) = &view.next { p { a.next rel="next" href=(next) { "More" } } }
        }
    }
}

fn line(row: &Row<'_>, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href={ "/devices/" (row.id) } { (row.id) }
                @if row.online { " " span.dot.good { "online" } }
            }
            td { (row.model.unwrap_or("–")) }
            td {
                (row.runs.as_deref().unwrap_or("not said"))
                @if let Some(wants) = &row.wants { " " span.to { "→ " (wants) } }
            }
            td { span.state.(row.state.1.class()) { (row.state.0) } }
            td { @match row.seen { Some(seen) => (when(seen, now)), None => "never" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_pointed_at() {
        assert_eq!(caret((6, 3)), "      ^^^");
        assert_eq!(caret((0, 0)), "^");
    }
}
