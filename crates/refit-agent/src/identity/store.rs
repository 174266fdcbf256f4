//! The identity on the disk: replaced as a whole, so that a power cut leaves the old one or the new one.
//!
//! ```text
//! ROOT/identity → identity.0        a link; the other folder is the one that is written next
//! ROOT/identity.0/  key.pem (0600)  certificate.pem  trust.pem  identity.json
//! ROOT/identity.pending/key.pem     made for an enrolment or a renewal that has not ended
//! ```
//!
//! A key is durable before anybody hears of it: who is killed while the server answers asks again with the same key,
//! and gets the same certificate (semantics 17).

use super::key::Key;
use super::{Identity, Trust};
use crate::files::Files;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The link to the identity.
pub const NAME: &str = "identity";

const FOLDERS: [&str; 2] = ["identity.0", "identity.1"];
const NEW_LINK: &str = "identity.new";
const PENDING: &str = "identity.pending";

const KEY: &str = "key.pem";
const NEW_KEY: &str = "key.pem.new";
const CERTIFICATE: &str = "certificate.pem";
const TRUST: &str = "trust.pem";
const REST: &str = "identity.json";

/// The longest file of an identity, in bytes: a trust bundle with several authorities is the longest.
const FILE_BYTES_MAX: usize = 256 * 1024;

/// The identity under the agent's root.
#[derive(Clone, Copy)]
pub struct Store<'a> {
    files: &'a dyn Files,
    root: &'a Path,
}

impl<'a> Store<'a> {
    /// Names the place. Nothing is read or made yet.
    pub const fn new(files: &'a dyn Files, root: &'a Path) -> Self {
        Self { files, root }
    }

    /// Reads the identity; `None` if the device was never enrolled. `Err` says what is wrong, and what to do.
    pub fn read(&self) -> Result<Option<Identity>, String> {
        match self.folder().map_err(failed)? {
            None => Ok(None),
            Some(folder) => self.read_from(&folder).map(Some).map_err(|why| {
                let shown = folder.display();
                format!(
                    "the identity in {shown} is damaged: {why}; enrol again with a new token and --again"
                )
            }),
        }
    }

    fn folder(&self) -> io::Result<Option<PathBuf>> {
        let link = self.files.read_link(&self.root.join(NAME))?;
        Ok(link.map(|target| self.root.join(target)))
    }

    fn read_from(&self, folder: &Path) -> Result<Identity, String> {
        let text = |name: &str| self.text(&folder.join(name));
        let rest: Value = serde_json::from_str(&text(REST)?)
            .map_err(|_| format!("{REST} is not a JSON document"))?;
        let word = |name: &str| {
            rest.get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("{REST} has no {name}"))
        };
        let number = |name: &str| {
            rest.get(name)
                .and_then(Value::as_u64)
                .ok_or_else(|| format!("{REST} has no {name}"))
        };
        Ok(Identity {
            device: DeviceId::parse(word("device")?).map_err(|e| e.to_string())?,
            key: Key::parse(text(KEY)?).map_err(|e| format!("{KEY}: {e}"))?,
            certificate: text(CERTIFICATE)?.to_string(),
            trust: Trust {
                number: number("trust")?,
                roots: text(TRUST)?.to_string(),
            },
            server: word("server")?.into(),
            mqtt: word("mqtt")?.into(),
            renew_after: Timestamp(number("renewAfter")?),
            expires: Timestamp(number("expires")?),
        })
    }

    fn text(&self, path: &Path) -> Result<Zeroizing<String>, String> {
        let shown = path.file_name().unwrap_or_default().to_string_lossy();
        match self.files.read(path, FILE_BYTES_MAX) {
            Ok(Some(bytes)) => String::from_utf8(bytes)
                .map(Zeroizing::new)
                .map_err(|_| format!("{shown} is not text")),
            Ok(None) => Err(format!("{shown} is missing")),
            Err(e) => Err(format!("{shown} cannot be read: {e}")),
        }
    }

    /// Returns the key of the enrolment or renewal that is under way; makes one if there is none. It is durable.
    pub fn pending(&self) -> Result<Key, String> {
        let folder = self.root.join(PENDING);
        let path = folder.join(KEY);
        if self.files.kind(&path).map_err(failed)?.is_some() {
            let used = self.read().ok().flatten().map(|identity| identity.key);
            if let Ok(key) = self.text(&path).and_then(Key::parse)
                && used.as_ref() != Some(&key)
            {
                // A process that was killed may have left its name unsynced.
                self.sync_pending(&folder).map_err(failed)?;
                return Ok(key);
            }
            self.files.remove(&path).map_err(failed)?; // of an exchange that ended; or no key
        }
        let key = Key::make()?;
        self.put_pending(&folder, &key).map_err(failed)?;
        Ok(key)
    }

    fn put_pending(&self, folder: &Path, key: &Key) -> io::Result<()> {
        self.files.make_folder(folder)?;
        let new = folder.join(NEW_KEY);
        self.files.remove(&new)?;
        self.put(&new, key.pem(), 0o600)?;
        self.files.sync_file(&new)?;
        self.files.rename(&new, &folder.join(KEY))?;
        self.sync_pending(folder)
    }

    fn sync_pending(&self, folder: &Path) -> io::Result<()> {
        self.files.sync_folder(folder)?;
        self.files.sync_folder(self.root)
    }

    fn put(&self, path: &Path, text: &str, mode: u32) -> io::Result<()> {
        let mut file = self.files.create(path, mode)?;
        file.write_all(text.as_bytes())?;
        file.flush()
    }

    /// Makes this the identity, durably; the one before is gone then, and the pending key if it is this one's.
    pub fn keep(&self, identity: &Identity) -> Result<(), String> {
        self.replace(identity).map_err(|e| {
            let shown = self.root.display();
            format!("the identity cannot be written under {shown}: {e}")
        })
    }

    fn replace(&self, identity: &Identity) -> io::Result<()> {
        let before = self.folder()?;
        let name = FOLDERS
            .into_iter()
            .find(|name| before != Some(self.root.join(name)))
            .unwrap_or(FOLDERS[0]);
        let folder = self.root.join(name);
        self.write(&folder, identity)?;
        let new = self.root.join(NEW_LINK);
        self.files.remove(&new)?;
        self.files.link(Path::new(name), &new)?;
        self.files.rename(&new, &self.root.join(NAME))?;
        self.files.sync_folder(self.root)?;
        if let Some(before) = before {
            self.files.remove(&before)?;
        }
        // The key of a renewal that is still under way outlives a new trust bundle.
        let pending = self.text(&self.root.join(PENDING).join(KEY));
        if pending.is_ok_and(|pending| *pending == identity.key.pem()) {
            self.files.remove(&self.root.join(PENDING))?;
        }
        Ok(())
    }

    fn write(&self, folder: &Path, identity: &Identity) -> io::Result<()> {
        self.files.remove(folder)?;
        self.files.make_folder(folder)?;
        let rest = json!({
            "device": identity.device.as_str(),
            "server": identity.server,
            "mqtt": identity.mqtt,
            "renewAfter": identity.renew_after.0,
            "expires": identity.expires.0,
            "trust": identity.trust.number,
        });
        self.put(&folder.join(KEY), identity.key.pem(), 0o600)?;
        self.put(&folder.join(CERTIFICATE), &identity.certificate, 0o644)?;
        self.put(&folder.join(TRUST), &identity.trust.roots, 0o644)?;
        self.put(&folder.join(REST), &rest.to_string(), 0o644)?;
        self.files.sync_tree(folder)?;
        self.files.sync_folder(self.root)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(e: io::Error) -> String {
    format!("the identity cannot be read or written: {e}")
}
