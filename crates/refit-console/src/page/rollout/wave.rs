//! The waves: what each has done, and what it takes to go on.

use maud::{Markup, html};

use crate::chart::{Segment, segments};
use crate::page::rollout::Rollout;
use crate::part::{Tone, span};

/// A wave.
#[derive(Clone, Debug)]
pub struct Wave<'a> {
    /// Its number, from 1, or its name.
    pub name: String,
    /// Its state, as a word, and how that is.
    pub state: (&'a str, Tone),
    /// How many devices it has.
    pub members: u64,
    /// What has become of them.
    pub parts: Vec<Segment<'a>>,
    /// How long half, and nineteen of twenty, of its jobs took at most, in milliseconds.
    pub took: Option<(u64, u64)>,
    /// What it takes to go on, as a sentence.
    pub goes_on: String,
}

/// Draws them.
pub fn waves(view: &Rollout<'_>) -> Markup {
    html! {
        section.card #rollout-waves aria-labelledby="waves-title" {
            h2 #waves-title { "Waves" }
            ol.timeline {
                @for wave in &view.waves {
                    li {
                        h3 { (wave.name) " " span.state.(wave.state.1.class()) { (wave.state.0) } }
                        (segments("Its devices", wave.members, &wave.parts))
                        p.waits {
                            (wave.goes_on)
                            @if let Some((half, most)) = wave.took {
                                " Half of its jobs took " (span(half)) " at most, 95 % " (span(most)) "."
                            }
                        }
                    }
                }
            }
        }
    }
}
