//! The large numbers at the head of a page.

use maud::{Markup, html};

use crate::part::{Tone, count, percent};

/// One number, what it counts, and of how many.
#[derive(Clone, Debug)]
pub struct Figure<'a> {
    /// What it counts: `not seen for 7 days`.
    pub name: &'a str,
    /// How many.
    pub n: u64,
    /// Of how many, and what those are called: `(1_000, "devices")`. `None`: it is a share of nothing.
    pub of: Option<(u64, &'a str)>,
    /// Exactly those.
    pub href: String,
    /// How it is that there are so many.
    pub tone: Tone,
}

/// Draws several in a row.
pub fn figures(id: &str, title: &str, figures: &[Figure<'_>]) -> Markup {
    html! {
        section.figures id=(id) aria-label=(title) {
            @for figure in figures {
                a.figure.(figure.tone.class()) href=(figure.href) {
                    b data-f { (count(figure.n)) }
                    span { (figure.name) }
                    @if let Some((whole, called)) = figure.of {
                        small data-f { (percent(figure.n, whole)) " of " (count(whole)) " " (called) }
                    }
                }
            }
        }
    }
}
