//! Where everything of a running server is. It is printed, and written beside the data, so that the command line on
//! the same machine finds the server by itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::secret_file::write_private;

/// The file below the data directory.
pub const SERVER_FILE: &str = "server.json";

/// The file of the operator's token below the data directory.
pub const TOKEN_FILE: &str = "operator.token";

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Places {
    /// The URL of the API.
    pub api: String,
    /// The URL of the device endpoint.
    pub mqtt: String,
    /// The URL that devices download from.
    #[serde(rename = "publicURL")]
    pub public_url: String,
    /// The data directory.
    pub data: PathBuf,
    /// The file of the operator's token.
    pub token_file: PathBuf,
    /// The root's certificate that the server's own leads to; absent where it speaks plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// The process.
    pub pid: u32,
    /// The release of Refit that serves.
    pub version: String,
}

impl Places {
    /// Writes the file, readable by its owner alone: there is no secret in it, but it points to one.
    pub(crate) fn write(&self) -> io::Result<()> {
        let path = self.data.join(SERVER_FILE);
        let draft = path.with_extension("draft");
        let text = serde_json::to_vec_pretty(self)?;
        write_private(&draft, &text)?;
        fs::rename(draft, path)
    }

    /// Reads the file of the server that serves, or last served, this data directory.
    pub fn read(data: &Path) -> io::Result<Self> {
        let text = fs::read(data.join(SERVER_FILE))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Removes the file: nobody is to look for a server that has stopped.
    pub(crate) fn remove(&self) {
        drop(fs::remove_file(self.data.join(SERVER_FILE)));
    }
}
