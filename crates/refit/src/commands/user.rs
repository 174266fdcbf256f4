//! `refit user`: people who sign in. A password is typed or piped, and stands on no command line: other users of the
//! machine can read those.

use serde_json::{Value, json};
use ureq::http::Method;

use super::Dry;
use crate::client::{Client, encoded};
use crate::failure::Failure;
use crate::output::{Output, cell, facts, hint, table, time};
use crate::password;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Add a user, and ask for the password
    Add {
        #[command(flatten)]
        name: Name,
        /// What the user may do: viewer, operator or admin
        #[arg(long)]
        role: String,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        dry: Dry,
    },
    /// List users by name
    #[command(alias = "ls")]
    List,
    /// Give a user another password, and end all sessions
    Passwd {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        dry: Dry,
    },
    /// Give a user another role, at once
    Role {
        #[command(flatten)]
        name: Name,
        /// viewer, operator or admin
        role: String,
        #[command(flatten)]
        dry: Dry,
    },
    /// Let a user not sign in, and end all sessions
    Disable(Act),
    /// Let a user sign in again
    Enable(Act),
    /// Remove a user, and end all sessions
    #[command(alias = "rm")]
    Remove(Act),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Name {
    /// The user
    #[arg(id = "user", value_name = "NAME")]
    name: String,
}

/// What is done with a user.
#[derive(Debug, clap::Args)]
pub(crate) struct Act {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    dry: Dry,
}

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Password {
    /// Take the password from standard input, its first and only line
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    fn read(self) -> Result<Value, Failure> {
        let password = if self.password_stdin {
            password::of_stdin()
        } else {
            password::typed()
        };
        password.map(Value::from)
    }
}

impl Act {
    fn path(&self) -> String {
        let path = format!("/api/v1/users/{}", encoded(&self.name.name));
        self.dry.path(path)
    }
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::Add {
            name,
            role,
            password,
            dry,
        } => {
            let body = json!({ "name": name.name, "role": role, "password": password.read()? });
            let path = dry.path("/api/v1/users".into());
            let added = client.send(Method::POST, &path, Some(&body))?;
            dry.hint();
            shown(&added, output)
        }
        Command::List => list(client, output),
        Command::Passwd {
            name,
            password,
            dry,
        } => {
            let change = json!({ "password": password.read()? });
            changed(&Act { name, dry }, &change, client, output)
        }
        Command::Role { name, role, dry } => {
            changed(&Act { name, dry }, &json!({ "role": role }), client, output)
        }
        Command::Disable(act) => changed(&act, &json!({ "disabled": true }), client, output),
        Command::Enable(act) => changed(&act, &json!({ "disabled": false }), client, output),
        Command::Remove(act) => remove(&act, client, output),
    }
}

fn remove(act: &Act, client: &Client, output: Output) -> Result<(), Failure> {
    let name = &act.name.name;
    let answer = client.send(Method::DELETE, &act.path(), None)?;
    act.dry.hint();
    if act.dry.dry_run {
        return output.document(&answer, || format!("would remove {name}"));
    }
    let removed = json!({ "name": name, "removed": true });
    output.document(&removed, || format!("removed {name}"))
}

fn changed(act: &Act, change: &Value, client: &Client, output: Output) -> Result<(), Failure> {
    let user = client.send(Method::PATCH, &act.path(), Some(change))?;
    act.dry.hint();
    shown(&user, output)
}

fn shown(user: &Value, output: Output) -> Result<(), Failure> {
    output.document(user, || {
        let known = [
            ("role", Some(cell(user, "role"))),
            ("signs in", Some(signs_in(user).into())),
            ("added", time(user, "createdAt")),
        ];
        facts(&cell(user, "name"), &known)
    })
}

fn signs_in(user: &Value) -> &'static str {
    if user["disabled"] == true {
        "no"
    } else {
        "yes"
    }
}

fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let users = client.get_all("/api/v1/users", usize::MAX)?;
    let items = users["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        hint("there are no users: `refit user add` adds one");
        return output.nothing(&users);
    }
    output.document(&users, || {
        let rows = items.iter().map(|user| {
            vec![
                cell(user, "name"),
                cell(user, "role"),
                signs_in(user).into(),
                time(user, "createdAt").unwrap_or_default(),
            ]
        });
        table(&["NAME", "ROLE", "SIGNS IN", "ADDED"], rows)
    })
}
