//! What can be done to a rollout. Pausing comes first; what cannot be undone says what it does to whom, and asks.

use maud::{Markup, html};

use crate::page::rollout::Rollout;
use crate::part::count;

/// Something that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Begin.
    Start,
    /// Agree, as a second person.
    Approve,
    /// Open no more jobs.
    Pause,
    /// Go on.
    Resume,
    /// Open the next wave now.
    Advance,
    /// Give those that failed one more try.
    Retry,
    /// Take back what has not begun, for good.
    Abort,
}

/// Whether a button does it, or asks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// It does it.
    Nothing,
    /// For the name of the rollout, after it said what will happen.
    TheName,
}

/// What an abort does to whom, in devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// They had no job: nothing happens.
    pub untouched: u64,
    /// Their job is taken back before it begins.
    pub cancelled: u64,
    /// They are at work, and end as they end.
    pub finishing: u64,
    /// They run the release, and keep it.
    pub stay: u64,
}

impl Act {
    /// Returns the last part of its address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Approve => "approve",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Advance => "advance",
            Self::Retry => "retry",
            Self::Abort => "abort",
        }
    }

    /// Returns what its button says.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Approve => "Approve",
            Self::Pause => "Pause",
            Self::Resume => "Resume",
            Self::Advance => "Open the next wave now",
            Self::Retry => "Try the failed again",
            Self::Abort => "Abort",
        }
    }

    /// Tells whether it asks first.
    pub const fn asks(self) -> Asks {
        match self {
            Self::Abort => Asks::TheName,
            Self::Start
            | Self::Approve
            | Self::Pause
            | Self::Resume
            | Self::Advance
            | Self::Retry => Asks::Nothing,
        }
    }
}

/// Draws the buttons.
pub fn acts(view: &Rollout<'_>) -> Markup {
    html! {
        @if !view.acts.is_empty() {
            div.actions {
                @for act in view.acts.iter().filter(|act| act.asks() == Asks::Nothing) {
                    form method="post" action={ "/rollouts/" (view.name) "/" (act.name()) } {
                        input type="hidden" name="revision" value=(view.revision);
                        button { (act.label()) }
                    }
                }
                @for act in view.acts.iter().filter(|act| act.asks() == Asks::TheName) {
                    details.danger {
                        summary { (act.label()) "…" }
                        form.card method="post" action={ "/rollouts/" (view.name) "/" (act.name()) } {
                            (toll(view.toll))
                            input type="hidden" name="revision" value=(view.revision);
                            label { "Type " b { (view.name) } " to go on " input name="confirm" autocomplete="off" required pattern=(view.name); }
                            label { "Why " input name="reason" maxlength="256"; }
                            button.bad { (act.label()) }
                        }
                    }
                }
            }
        }
    }
}

fn toll(toll: Toll) -> Markup {
    html! {
        p { "An abort cannot be undone." }
        ul {
            li { span.value data-f { (count(toll.untouched)) } " have had no job: nothing happens to them." }
            li { span.value data-f { (count(toll.cancelled)) } " have not begun: their job is taken back." }
            li { span.value data-f { (count(toll.finishing)) } " are at work: they finish, or fall back by themselves." }
            li { span.value data-f { (count(toll.stay)) } " are done: they keep what they have. Going back is a rollout of its own." }
        }
    }
}
