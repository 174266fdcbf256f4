//! Which server is meant, and with which token: as said, else as the variables say, else the one on this machine.
//!
//! The token that a server left on this machine goes to that server alone.

use std::path::PathBuf;

use refit_server::operator::read_token;
use refit_server::places::Places;

use crate::failure::{Failure, Kind};

/// What `--help` calls the options that every command has.
pub(crate) const EVERYWHERE: &str = "Options of every command";

/// Which server, as far as it was said.
#[derive(clap::Args)]
pub(crate) struct Wanted {
    /// The server's URL, instead of the one on this machine
    #[arg(
        long,
        global = true,
        env = "REFIT_SERVER",
        value_name = "URL",
        hide_env_values = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) server: Option<String>,
    /// The operator's token, instead of the one in the server's data directory
    #[arg(
        long,
        global = true,
        env = "REFIT_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) token: Option<String>,
    /// The certificate (PEM) that the server's own leads to, instead of the one in its data directory
    #[arg(
        long,
        global = true,
        env = "REFIT_CA",
        value_name = "FILE",
        help_heading = EVERYWHERE
    )]
    pub(crate) ca: Option<PathBuf>,
}

impl std::fmt::Debug for Wanted {
    /// Shows no token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Where to go, and with what.
pub(crate) struct Found {
    pub(crate) server: String,
    pub(crate) token: String,
    /// The certificates to trust, PEM; `None`: those that the world trusts.
    pub(crate) roots: Option<Vec<u8>>,
    /// The data directory, if the server is the one on this machine.
    pub(crate) data: Option<PathBuf>,
}

/// Finds the server.
pub(crate) fn find(wanted: &Wanted) -> Result<Found, Failure> {
    let data = std::env::var_os("REFIT_DATA").map_or_else(|| "refit-data".into(), PathBuf::from);
    let local = Places::read(&data).ok();
    let server = match (&wanted.server, &local) {
        (Some(server), _) => checked(server)?,
        (None, Some(local)) => local.api.clone(),
        (None, None) => {
            return Err(Failure::new(Kind::Error, "no server was found")
                .why(format!("none was named, and none serves from {}", data.display()))
                .next("start one with `refit serve --dev`, or name one: --server URL, REFIT_SERVER, or REFIT_DATA"));
        }
    };
    let of_local = local.as_ref().filter(|local| local.api == server);
    let roots = wanted.ca.clone().or_else(|| of_local?.root.clone());
    let roots = roots.map(|path| {
        std::fs::read(&path).map_err(|error| {
            Failure::new(Kind::Usage, format!("{} cannot be read", path.display()))
                .because(&error)
                .next("name the certificate that the server's own leads to with --ca or REFIT_CA")
        })
    });
    let roots = roots.transpose()?;
    let data = of_local.map(|local| local.data.clone());
    let token = match (&wanted.token, local) {
        (Some(token), _) => token.trim().to_owned(),
        (None, Some(local)) if local.api == server => {
            read_token(&local.token_file).map_err(|error| {
                Failure::new(Kind::Error, "the operator's token cannot be read")
                    .because(&error)
                    .next("give it with REFIT_TOKEN")
            })?
        }
        (None, _) => {
            return Err(Failure::new(Kind::Refused, format!("there is no token for {server}"))
                .next("give the operator's token with REFIT_TOKEN; the server keeps it in operator.token of its data directory"));
        }
    };
    Ok(Found {
        server,
        token,
        roots,
        data,
    })
}

fn checked(server: &str) -> Result<String, Failure> {
    let bad = || {
        Failure::new(
            Kind::Usage,
            format!("{server:?} is not the URL of a server"),
        )
        .next("write it as http://127.0.0.1:8080")
    };
    let rest = server
        .strip_prefix("http://")
        .or_else(|| server.strip_prefix("https://"))
        .ok_or_else(bad)?;
    if rest.is_empty() || rest.starts_with('/') || rest.contains(['?', '#', '@', ' ']) {
        return Err(bad());
    }
    Ok(server.trim_end_matches('/').to_owned())
}
