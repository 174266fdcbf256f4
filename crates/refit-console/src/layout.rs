//! What is around every page: where one is, who one is, and the way to a device.

use maud::{DOCTYPE, Markup, html};

use crate::asset::{ICON, SCRIPT, STYLE};

/// A page, about to be written.
#[derive(Debug)]
pub struct Page<'a> {
    /// What it is called, in the browser's tab too.
    pub title: &'a str,
    /// Which entry of the menu it belongs to.
    pub here: Option<Section>,
    /// Who reads it; `None` before the sign-in.
    pub viewer: Option<Viewer<'a>>,
    /// What must be said before anything else, such as that the server runs with `--dev`.
    pub notice: Option<&'a str>,
    /// The stream of its fragments, if it changes while it is open.
    pub live: Option<&'a str>,
    /// What is on it.
    pub body: Markup,
}

/// An entry of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What runs where.
    Fleet,
    /// What is under way.
    Rollouts,
    /// Finding one.
    Devices,
    /// What can be sent.
    Releases,
    /// Who did what, and how the server is.
    Activity,
}

/// Who reads a page.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    /// Whom the audit log would name.
    pub name: &'a str,
    /// What may be done: a viewer is shown no buttons.
    pub role: &'a str,
    /// Whether rollouts, releases and devices may be changed.
    pub may_operate: bool,
}

impl Section {
    /// All, in the order of the menu.
    pub const ALL: [Self; 5] = [
        Self::Fleet,
        Self::Rollouts,
        Self::Devices,
        Self::Releases,
        Self::Activity,
    ];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Rollouts => "Rollouts",
            Self::Devices => "Devices",
            Self::Releases => "Releases",
            Self::Activity => "Activity",
        }
    }

    /// Returns where it is.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Fleet => "/",
            Self::Rollouts => "/rollouts",
            Self::Devices => "/devices",
            Self::Releases => "/releases",
            Self::Activity => "/activity",
        }
    }
}

impl Page<'_> {
    /// Writes the page.
    pub fn render(&self) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Refit" }
                    link rel="stylesheet" href=(STYLE.path());
                    link rel="icon" type=(ICON.content_type) href=(ICON.path());
                    script type="module" src=(SCRIPT.path()) {}
                }
                body data-live=[self.live] {
                    a.skip href="#main" { "Skip to content" }
                    (self.top())
                    @if let Some(notice) = self.notice {
                        p.notice { (notice) }
                    }
                    main #main tabindex="-1" { (self.body) }
                    footer.foot {
                        @if self.live.is_some() {
                            p #freshness { "Figures as of this page. Reload it for newer ones." }
                        }
                        p { a href="/docs" { "HTTP API" } " · press " kbd { "?" } " for keys" }
                    }
                    div #announce.hidden role="status" {}
                }
            }
        }
        .into_string()
    }

    fn top(&self) -> Markup {
        html! {
            header.top {
                a.brand href="/" { "Refit" }
                @if let Some(viewer) = self.viewer {
                    nav aria-label="Main" {
                        @for section in Section::ALL {
                            a href=(section.path()) aria-current=[(self.here == Some(section)).then_some("page")] {
                                (section.name())
                            }
                        }
                    }
                    form.find role="search" action="/devices" {
                        input type="search" name="q" #find aria-label="Find devices: an ID, or a selector" placeholder="Find devices";
                    }
                    form.who method="post" action="/sign-out" {
                        span { (viewer.name) " " small { (viewer.role) } }
                        button.plain { "Sign out" }
                    }
                }
            }
        }
    }
}
