//! Who the agent is and where its server: by what was typed, or by the identity under its root.

use super::Start;
use super::log::say;
use crate::files::Files;
use crate::http::Client;
use crate::identity::current::Current;
use crate::identity::store::{NAME, Store};
use crate::link::Server;
use refit_protocol::device_id::DeviceId;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// The answer.
pub(super) struct Who {
    pub(super) device: DeviceId,
    pub(super) server: Server,
    pub(super) client: Client,
}

impl Who {
    /// Returns the identity in use, if there is one.
    pub(super) const fn current(&self) -> Option<&Arc<Current>> {
        match &self.server {
            Server::Enrolled(current) => Some(current),
            Server::Http(_) | Server::Mqtt(_) => None,
        }
    }
}

/// Finds out. A server that is named is one with `--dev`: the identity is not shown to it.
pub(super) fn known(start: &Start, files: &dyn Files) -> Result<Who, String> {
    if let Some(server) = &start.server {
        return Ok(Who {
            device: start
                .device
                .clone()
                .ok_or("--id ID is missing; see refit-agent --help")?,
            server: server.clone(),
            client: Client::new()?,
        });
    }
    let shown = start.root.display();
    let identity = Store::new(files, &start.root).read()?.ok_or_else(|| {
        format!(
            "there is no identity in {shown}: enrol first, with refit-agent enrol --server URL --token TOKEN \
             --root {shown}; or give --server and --id of a server that runs with --dev"
        )
    })?;
    let device = identity.device.clone();
    if start.device.as_ref().is_some_and(|typed| *typed != device) {
        return Err(format!(
            "the identity in {shown} is that of the device {device}: leave --id out"
        ));
    }
    let roots = match &start.settings.extra_roots {
        None => String::new(),
        Some(path) => fs::read_to_string(path)
            .map_err(|e| format!("extra-roots: {} cannot be read: {e}", path.display()))?,
    };
    guard(&start.root.join(NAME).join("key.pem"))?;
    let current = Arc::new(Current::new(identity, start.settings.depots.clone())?);
    Ok(Who {
        device,
        client: Client::of(Arc::clone(&current), &roots)?,
        server: Server::Enrolled(current),
    })
}

/// A key that others could read is theirs no more; to stop a device for it would leave it without help.
fn guard(key: &Path) -> Result<(), String> {
    let shown = key.display();
    let failed = |e: std::io::Error| format!("{shown} cannot be guarded: {e}");
    let mode = fs::metadata(key).map_err(failed)?.mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(key, Permissions::from_mode(0o600)).map_err(failed)?;
        say(&format!(
            "{shown} could be read by others (mode {:o}); it is 600 again. If others were here, have an operator \
             revoke this device, and enrol it again",
            mode & 0o777
        ));
    }
    Ok(())
}
