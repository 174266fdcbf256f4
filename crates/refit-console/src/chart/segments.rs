//! A whole, cut into its parts: one bar, and the list that says what the parts are.

use maud::{Markup, html};

use crate::part::{Tone, count, percent};

/// A part of a whole.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// What it is called.
    pub name: &'a str,
    /// How many.
    pub n: u64,
    /// Exactly those.
    pub href: String,
    /// How that is.
    pub tone: Tone,
    /// The class that tells it from others of its tone, such as `c1`; empty: the tone is enough.
    pub class: &'static str,
}

/// Draws the parts of a whole of `whole`; what no part has stays empty.
pub fn segments(label: &str, whole: u64, parts: &[Segment<'_>]) -> Markup {
    let mut x = 0.0;
    let widths: Vec<(f64, f64)> = parts
        .iter()
        .map(|part| {
            let width = share(part.n, whole) * 1000.0;
            let from = x;
            x += width;
            (from, width)
        })
        .collect();
    html! {
        div.segments {
            svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                rect.track width="1000" height="10" {}
                @for (part, (x, width)) in parts.iter().zip(&widths) {
                    @if part.n > 0 {
                        rect class={ (part.tone.class()) " " (part.class) } x=(format!("{x:.2}"))
                            width=(format!("{:.2}", width.max(2.0))) height="10" {}
                    }
                }
            }
            ul aria-label=(label) {
                @for part in parts {
                    li {
                        a href=(part.href) {
                            i class={ "key " (part.tone.class()) " " (part.class) } {}
                            span { (part.name) } " "
                            b data-f { (count(part.n)) } " "
                            small data-f { (percent(part.n, whole)) }
                        }
                    }
                }
            }
        }
    }
}

fn share(n: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (n as f64 / whole as f64).min(1.0)
}
