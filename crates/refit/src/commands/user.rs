//! `refit user`: people who sign in. A password is typed or piped, and stands on no command line: other users of the
//! machine can read those.

use serde_json::{Value, json};
use ureq::http::Method;

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
    },
    /// Give a user another role, at once
    Role {
        #[command(flatten)]
        name: Name,
        /// viewer, operator or admin
        role: String,
    },
    /// Let a user not sign in, and end all sessions
    Disable(Name),
    /// Let a user sign in again
    Enable(Name),
    /// Remove a user, and end all sessions
    #[command(alias = "rm")]
    Remove(Name),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Name {
    /// The user
    #[arg(id = "user", value_name = "NAME")]
    name: String,
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

impl Name {
    fn path(&self) -> String {
        format!("/api/v1/users/{}", encoded(&self.name))
    }
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::Add {
            name,
            role,
            password,
        } => {
            let body = json!({ "name": name.name, "role": role, "password": password.read()? });
            let added = client.send(Method::POST, "/api/v1/users", Some(&body))?;
            shown(&added, output)
        }
        Command::List => list(client, output),
        Command::Passwd { name, password } => {
            let change = json!({ "password": password.read()? });
            changed(&name, &change, client, output)
        }
        Command::Role { name, role } => changed(&name, &json!({ "role": role }), client, output),
        Command::Disable(name) => changed(&name, &json!({ "disabled": true }), client, output),
        Command::Enable(name) => changed(&name, &json!({ "disabled": false }), client, output),
        Command::Remove(name) => {
            client.send(Method::DELETE, &name.path(), None)?;
            let removed = json!({ "name": name.name, "removed": true });
            output.document(&removed, || format!("removed {}", name.name))
        }
    }
}

fn changed(name: &Name, change: &Value, client: &Client, output: Output) -> Result<(), Failure> {
    let user = client.send(Method::PATCH, &name.path(), Some(change))?;
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
