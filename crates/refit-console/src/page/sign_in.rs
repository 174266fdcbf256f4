//! Who are you?

use maud::{Markup, html};

/// The sign-in.
#[derive(Clone, Debug, Default)]
pub struct SignIn<'a> {
    /// The name that was typed last.
    pub name: &'a str,
    /// Why that did not do.
    pub refused: Option<&'a str>,
    /// The page that was asked for.
    pub then: &'a str,
}

/// Draws it.
pub fn sign_in(view: &SignIn<'_>) -> Markup {
    html! {
        form.card.narrow method="post" action="/sign-in" {
            h1 { "Sign in" }
            @if let Some(why) = view.refused { p.problem role="alert" { (why) } }
            input type="hidden" name="then" value=(view.then);
            label { "Name" input name="name" value=(view.name) autocomplete="username" required; }
            label { "Password" input type="password" name="password" autocomplete="current-password" required; }
            button { "Sign in" }
            p.hint { "No account yet? An administrator makes one: " code { "refit user add NAME" } }
        }
    }
}
