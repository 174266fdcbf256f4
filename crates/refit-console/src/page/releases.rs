//! What can be sent?

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

use crate::part::{bytes, count, when};

/// The releases.
#[derive(Clone, Debug)]
pub struct Releases<'a> {
    /// When they were read.
    pub now: Timestamp,
    /// The releases, by software, the newest version first.
    pub rows: Vec<Row<'a>>,
    /// The page after this one.
    pub next: Option<String>,
}

/// A release, in one line.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The software.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The digest of its bytes.
    pub digest: String,
    /// How many bytes.
    pub length: u64,
    /// What was said of it when it was added.
    pub note: Option<&'a str>,
    /// When it was added.
    pub added: Timestamp,
    /// How many devices report it, and where those are.
    pub on: (u64, String),
}

/// Draws the page.
pub fn releases(view: &Releases<'_>) -> Markup {
    html! {
        h1 { "Releases" }
        @if view.rows.is_empty() {
            section.card.first {
                p { "None yet. The first one is added with:" }
                pre { code { "refit release add PATH --name firmware --version 1.0.0" } }
            }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Releases" {
                table {
                    thead { tr {
                        th scope="col" { "Release" } th scope="col" { "Size" } th scope="col" { "SHA-256" }
                        th scope="col" { "Devices on it" } th scope="col" { "Added" } th scope="col" { "Note" }
                    } }
                    tbody {
                        @for row in &view.rows {
                            tr {
                                th scope="row" { (row.name) " " b { (row.version) } }
                                td { (bytes(row.length)) }
                                td { code title=(row.digest) { (row.digest.get(..12).unwrap_or(&row.digest)) "…" } }
                                td { a href=(row.on.1) { (count(row.on.0)) } }
                                td { (when(row.added, view.now)) }
                                td { (row.note.unwrap_or("")) }
                            }
                        }
                    }
                }
            }
            @if let Some(next) = &view.next { p { a.next rel="next" href=(next) { "More" } } }
        }
    }
}
