//! The keys that grants are signed with: several are known, one is current.
//!
//! They live in one file of mode 0600, a key a line: `current k4f1c2a90 <64 hexadecimal digits> <time>`, and `known …`
//! for those that still check what they once signed. The time (Unix seconds) is one at which all that the key signed has
//! expired; a file of older versions has none. Neither `Debug` nor an error ever shows a secret; the memory of one
//! is wiped when it is dropped.

use crate::backend::{self, parent, sync_dir};
use hmac::{Hmac, KeyInit, Mac};
use refit_protocol::digest::Digest;
use refit_protocol::grant::LIFETIME_SECONDS_MAX;
use sha2::Sha256;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// The most keys that are known at a time: with one new key a day, a fortnight of grants.
pub const KEYS_MAX: usize = 16;

/// The longest key file, in bytes; a full one has 1,900.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// The longest name of a key.
const KEY_ID_BYTES_MAX: usize = 32;

/// How much later than what was signed last the noted time is, so that it is seldom written: a day, in seconds.
const AHEAD_SECONDS: u64 = 86_400;

/// The keys of one installation.
#[derive(Clone, Debug)]
pub struct GrantKeys {
    current: Key,
    known: Vec<Key>,
}

/// What may be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name, as it stands in URLs.
    pub id: String,
    /// Whether it signs.
    pub current: bool,
    /// When all that it signed has expired, in Unix seconds, if that is known.
    pub until: Option<u64>,
}

impl GrantKeys {
    /// Reads the keys from a file, or makes one key and the file if there is none. A file that others than its
    /// owner can read, or that is damaged, is refused: a new key in its place would void every grant unseen.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        match File::open(path) {
            Ok(file) => Self::load(&file, path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(e) => Err(backend::Error::of("open", path)(e).into()),
        }
    }

    /// Wraps one key that the caller keeps elsewhere.
    pub fn from_secret(id: &str, secret: [u8; 32]) -> Self {
        Self {
            current: Key::new(id, secret, None),
            known: Vec::new(),
        }
    }

    /// Returns what may be told of them, the one that signs first.
    pub fn list(&self) -> Vec<Known> {
        let current = std::iter::once((&self.current, true));
        let known = self.known.iter().rev().map(|key| (key, false));
        let told = current.chain(known).map(|(key, current)| Known {
            id: key.id.clone(),
            current,
            until: key.until,
        });
        told.collect()
    }

    /// Tells whether it is noted that the current key signs something that is good until then.
    pub(super) fn covers(&self, expires: u64) -> bool {
        self.current.until.is_none_or(|until| expires <= until)
    }

    /// Notes that, with some time to spare.
    pub(super) fn covering(mut self, expires: u64) -> Self {
        self.current.until = Some(expires.saturating_add(AHEAD_SECONDS));
        self
    }

    /// Puts a new key in the current one's place. Those whose grants have all expired are forgotten.
    pub(super) fn rotated(self, now: u64) -> Result<Self, Error> {
        let mut old = self.current;
        old.until = Some(
            old.until
                .unwrap_or_else(|| now.saturating_add(LIFETIME_SECONDS_MAX.into())),
        );
        let known = self.known.into_iter().chain([old]);
        let known: Vec<Key> = known
            .filter(|key| key.until.is_none_or(|until| until > now))
            .collect();
        if known.len() >= KEYS_MAX {
            let until = known.iter().filter_map(|key| key.until).min();
            return Err(Error::Full { until });
        }
        Ok(Self {
            current: Key::random()?,
            known,
        })
    }

    pub(crate) fn current(&self) -> &Key {
        &self.current
    }

    /// Finds a key by its name. Names are public, so this need not be constant in time.
    pub(crate) fn find(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.current)
            .chain(&self.known)
            .find(|key| key.id == id)
    }

    fn load(file: &File, path: &Path) -> Result<Self, Error> {
        let metadata = file
            .metadata()
            .map_err(backend::Error::of("look at", path))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Exposed {
                path: path.to_path_buf(),
                mode,
            });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(backend::Error::of("read", path))?;
        parse(&text).map_err(|problem| Error::Damaged {
            path: path.to_path_buf(),
            problem,
        })
    }

    /// Makes a key, and the file in one step: there is never half a file under this name.
    fn create(path: &Path) -> Result<Self, Error> {
        let keys = Self {
            current: Key::random()?,
            known: Vec::new(),
        };
        keys.write(path)?;
        Ok(keys)
    }

    /// Writes the file anew, in one step.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let new = path.with_extension("new");
        write_private(&new, &self.to_text()).map_err(backend::Error::of("write", &new))?;
        fs::rename(&new, path).map_err(backend::Error::of("rename to", path))?;
        sync_dir(parent(path))?;
        Ok(())
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
        text.push_str(FILE_HEAD);
        self.current.write(&mut text, "current");
        for key in &self.known {
            key.write(&mut text, "known");
        }
        text
    }
}

const FILE_HEAD: &str =
    "# Refit: keys that sign download URLs. Who reads them can grant any download.\n";

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    // Left over from a crash, perhaps with other permissions.
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads a key file, or says in which line it is not one.
fn parse(text: &str) -> Result<GrantKeys, String> {
    let (mut current, mut known) = (None, Vec::<Key>::new());
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |what| format!("line {number} {what}");
        let (role, key) =
            parse_line(line).ok_or_else(|| fault("is not a role, a name and a key"))?;
        if known.iter().chain(&current).any(|other| other.id == key.id) {
            return Err(fault("names a key that was named before"));
        }
        match role {
            "current" if current.is_some() => return Err(fault("has a second current key")),
            "current" => current = Some(key),
            "known" if known.len() + 1 < KEYS_MAX => known.push(key),
            "known" => return Err(fault("has one key too many")),
            _ => return Err(fault("begins with neither current nor known")),
        }
    }
    let current = current.ok_or("no line has the current key")?;
    Ok(GrantKeys { current, known })
}

fn parse_line(line: &str) -> Option<(&str, Key)> {
    let mut words = line.split(' ');
    let (role, id, secret) = (words.next()?, words.next()?, words.next()?);
    let until = match words.next() {
        Some(until) => Some(until.parse().ok()?),
        None => None,
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let named = (1..=KEY_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain);
    if !named || words.next().is_some() {
        return None;
    }
    // A key has the form of a digest: 32 bytes in 64 digits.
    let secret = Digest::parse(secret)?;
    Some((role, Key::new(id, *secret.as_bytes(), until)))
}

/// A secret, and the name by which a URL refers to it.
#[derive(Clone)]
pub(crate) struct Key {
    id: String,
    secret: Zeroizing<[u8; 32]>,
    /// When all that it signed has expired, in Unix seconds; `None`: nobody noted it.
    until: Option<u64>,
}

impl Key {
    fn new(id: &str, mut secret: [u8; 32], until: Option<u64>) -> Self {
        let key = Self {
            id: id.to_owned(),
            secret: Zeroizing::new(secret),
            until,
        };
        secret.zeroize();
        key
    }

    fn random() -> Result<Self, Error> {
        let mut secret = Zeroizing::new([0; 32]);
        let mut name = [0; 4];
        for bytes in [&mut secret[..], &mut name] {
            getrandom::fill(bytes).map_err(|e| Error::Random(io::Error::other(e)))?;
        }
        let name = format!("k{:08x}", u32::from_be_bytes(name));
        Ok(Self::new(&name, *secret, Some(0)))
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn sign(&self, message: &(impl AsRef<[u8]> + ?Sized)) -> [u8; 32] {
        self.hmac(message).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(crate) fn verify(
        &self,
        message: &(impl AsRef<[u8]> + ?Sized),
        signature: &[u8; 32],
    ) -> bool {
        self.hmac(message).verify_slice(signature).is_ok()
    }

    /// HMAC-SHA256 (RFC 2104, FIPS 198-1).
    fn hmac(&self, message: &(impl AsRef<[u8]> + ?Sized)) -> Hmac<Sha256> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        // A key shorter than a block is filled up with zeros (RFC 2104 §2).
        block[..32].copy_from_slice(&self.secret[..]);
        let mut hmac = <Hmac<Sha256> as KeyInit>::new(&block);
        block.as_mut_slice().zeroize();
        hmac.update(message.as_ref());
        hmac
    }

    fn write(&self, text: &mut String, role: &str) {
        let secret = Zeroizing::new(Digest::from_bytes(*self.secret).to_hex());
        for part in [role, " ", &self.id, " ", &secret] {
            text.push_str(part);
        }
        if let Some(until) = self.until {
            text.push(' ');
            text.push_str(&until.to_string());
        }
        text.push('\n');
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others than the owner may read or change the file.
    #[error("use {}, which others can read (mode {mode:o}): chmod 600 it, or remove it to void all grants", .path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is not a key file.
    #[error("read {}: {problem}; restore it, or remove it to void all grants", .path.display())]
    Damaged {
        /// The key file.
        path: PathBuf,
        /// What is wrong, without the secret.
        problem: String,
    },
    /// There are as many keys as there may be, and grants of all of them are out.
    #[error("make another grant key: grants of {KEYS_MAX} keys are out; wait until the first of them have expired (Unix time {})", .until.unwrap_or_default())]
    Full {
        /// When the next key is forgotten, in Unix seconds.
        until: Option<u64>,
    },
    /// The system has no random numbers.
    #[error("make a grant key")]
    Random(#[source] io::Error),
    /// The file system failed.
    #[error("keep the grant keys")]
    Backend(#[from] backend::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    const LINE: &str = "k1 0707070707070707070707070707070707070707070707070707070707070707";

    #[test]
    fn a_key_that_was_made_is_loaded_the_next_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("grant.keys");
        let made = GrantKeys::load_or_create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let loaded = GrantKeys::load_or_create(&path).unwrap();
        assert_eq!(loaded.current().id(), made.current().id());
        assert_eq!(loaded.current().sign("x"), made.current().sign("x"));
        let other = GrantKeys::load_or_create(&home.path().join("other.keys")).unwrap();
        assert_ne!(other.current().sign("x"), made.current().sign("x"));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("grant.keys");
        GrantKeys::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = GrantKeys::load_or_create(&path).unwrap_err();
            assert!(matches!(error, Error::Exposed { .. }), "{error}");
        }
    }

    #[test]
    fn what_a_crash_left_half_written_is_written_anew() {
        let home = tempfile::tempdir().unwrap();
        let new = home.path().join("grant.new");
        fs::write(&new, "half").unwrap();
        let path = home.path().join("grant.keys");
        GrantKeys::load_or_create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(!new.exists());
    }

    #[test]
    fn old_keys_still_check_and_the_current_one_signs() {
        let text = format!(
            "# a comment\n\nknown {}\ncurrent {LINE}\n",
            LINE.replace("k1 07", "k0 08")
        );
        let keys = parse(&text).unwrap();
        assert_eq!(keys.current().id(), "k1");
        let old = keys.find("k0").unwrap();
        assert!(old.verify("x", &old.sign("x")));
        assert!(!keys.current().verify("x", &old.sign("x")));
        assert!(keys.find("k2").is_none());
        let again = parse(&keys.to_text()).unwrap();
        assert_eq!(again.find("k0").unwrap().sign("x"), old.sign("x"));
    }

    #[test]
    fn a_damaged_file_is_refused_by_line_and_without_its_secret() {
        for (text, problem) in [
            (String::new(), "no line has the current key"),
            (format!("known {LINE}"), "no line has the current key"),
            (
                format!("current {LINE}\nknown {LINE}"),
                "line 2 names a key that was named before",
            ),
            (
                format!("current {LINE}\ncurrent {}", LINE.replace("k1", "k2")),
                "line 2 has a second current key",
            ),
            (
                format!("other {LINE}"),
                "line 1 begins with neither current nor known",
            ),
            (
                format!("current {LINE}0"),
                "line 1 is not a role, a name and a key",
            ),
            (
                format!("current {LINE} "),
                "line 1 is not a role, a name and a key",
            ),
            (
                format!("current {}", LINE.replace("k1", "K&")),
                "line 1 is not a role, a name and a key",
            ),
            (
                format!("current {LINE} soon"),
                "line 1 is not a role, a name and a key",
            ),
            (
                "current k1".to_owned(),
                "line 1 is not a role, a name and a key",
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err(), problem, "{text}");
        }
        let many: String = (0..KEYS_MAX)
            .map(|i| format!("known {}\n", LINE.replace("k1", &format!("k{i}"))))
            .collect();
        assert_eq!(parse(&many).unwrap_err(), "line 16 has one key too many");
    }

    #[test]
    fn debug_shows_names_alone() {
        let shown = format!("{:?}", GrantKeys::from_secret("k1", [7; 32]));
        assert!(shown.contains("k1") && !shown.contains('7'), "{shown}");
    }
}
