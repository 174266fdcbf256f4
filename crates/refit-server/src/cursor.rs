//! Places in lists, as clients carry them: signed, and good for the list and the filter that they were made for.
//!
//! A cursor is base64url over the place, eight bytes of the list's hash, and half an HMAC-SHA256 of both (RFC 2104 §5
//! allows to cut one to half). Clients can read it and cannot make one, so what it holds may change.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::http::error::{Kind, Problem};
use crate::secret_file::{Error, SecretFile};

/// The file of the key below the data directory.
pub(crate) const KEY_FILE: &str = "cursor.key";

/// How many bytes of a cursor name its list, and sign it.
const LIST_BYTES: usize = 8;
const SIGNATURE_BYTES: usize = 16;

/// Makes cursors, and reads them.
pub(crate) struct Cursors {
    key: Zeroizing<[u8; 32]>,
}

impl Cursors {
    /// Reads the key from its file, or makes both. A file that others can read is refused.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self, Error> {
        let file = SecretFile {
            path,
            what: "key of cursors",
            anew: "restart; lists are then read anew",
        };
        let Some(text) = file.read()? else {
            return Self::create(file);
        };
        // A key has the form of a digest: 32 bytes in 64 digits.
        let key = Digest::parse(&text).ok_or_else(|| file.damaged())?;
        Ok(Self::of(*key.as_bytes()))
    }

    fn create(file: SecretFile<'_>) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut key[..])
            .map_err(|error| file.failed("make")(io::Error::other(error)))?;
        file.create(&Zeroizing::new(Digest::from_bytes(*key).to_hex()))?;
        Ok(Self { key })
    }

    fn of(mut key: [u8; 32]) -> Self {
        let kept = Zeroizing::new(key);
        key.zeroize();
        Self { key: kept }
    }

    /// Writes a place in a list. `list` names the list and its filter.
    pub(crate) fn write(&self, list: &str, place: &str) -> String {
        let mut bytes = place.as_bytes().to_vec();
        bytes.extend_from_slice(&name(list));
        let signature = self.hmac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&signature[..SIGNATURE_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads such a place. Whether it is of another list is told only of a cursor that is one.
    pub(crate) fn read(&self, list: &str, cursor: &str) -> Result<String, Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| altered())?;
        let signed = bytes.len().checked_sub(SIGNATURE_BYTES);
        let (signed, signature) = bytes.split_at(signed.ok_or_else(altered)?);
        self.hmac(signed)
            .verify_truncated_left(signature)
            .map_err(|_| altered())?;
        let place = signed.len().checked_sub(LIST_BYTES);
        let (place, of) = signed.split_at(place.ok_or_else(altered)?);
        if of != name(list) {
            let detail = "the cursor was made for another list or filter: ask as for the page before, or begin anew \
                          without a cursor";
            return Err(Problem::new(Kind::BadCursor, detail).with("reason", "other_filter"));
        }
        String::from_utf8(place.to_vec()).map_err(|_| altered())
    }

    fn hmac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        // A key shorter than a block is filled up with zeros (RFC 2104 §2).
        block[..32].copy_from_slice(&self.key[..]);
        let mut hmac = <Hmac<Sha256> as KeyInit>::new(&block);
        block.as_mut_slice().zeroize();
        hmac.update(message);
        hmac
    }
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors")
    }
}

fn name(list: &str) -> [u8; LIST_BYTES] {
    let hash: [u8; 32] = Sha256::digest(list.as_bytes()).into();
    let mut name = [0; LIST_BYTES];
    name.copy_from_slice(&hash[..LIST_BYTES]);
    name
}

fn altered() -> Problem {
    let detail = "the cursor was altered, or is of another server: use the nextCursor of the page before as it is, or \
                  begin anew without a cursor";
    Problem::new(Kind::BadCursor, detail).with("reason", "altered")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::secret_file::write_private;

    fn refused(read: Result<String, Problem>) -> (Kind, String) {
        let problem = read.unwrap_err();
        let text = format!("{problem:?}");
        let reason = ["altered", "other_filter"];
        let reason = reason
            .into_iter()
            .find(|reason| text.contains(&format!("String({reason:?})")));
        (problem.kind, reason.unwrap_or_default().to_owned())
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursors = Cursors::of([7; 32]);
        let made = cursors.write("devices", "lamp-7");
        assert_eq!(cursors.read("devices", &made).unwrap(), "lamp-7");
        for list in ["jobs", "device", "devices "] {
            let refused = refused(cursors.read(list, &made));
            assert_eq!(refused, (Kind::BadCursor, "other_filter".into()), "{list}");
        }
    }

    #[test]
    fn a_cursor_that_was_altered_or_made_elsewhere_is_refused() {
        let cursors = Cursors::of([7; 32]);
        let made = cursors.write("devices", "lamp-7");
        let mut bytes = URL_SAFE_NO_PAD.decode(&made).unwrap();
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            let altered = URL_SAFE_NO_PAD.encode(&bytes);
            bytes[place] ^= 1;
            let refused = refused(cursors.read("devices", &altered));
            assert_eq!(refused, (Kind::BadCursor, "altered".into()), "byte {place}");
        }
        let other = Cursors::of([8; 32]).write("devices", "lamp-7");
        for bad in ["", "?", "AA", &made[1..], &format!("{made}A"), &other] {
            let refused = refused(cursors.read("devices", bad));
            assert_eq!(refused, (Kind::BadCursor, "altered".into()), "{bad}");
        }
    }

    #[test]
    fn the_first_start_makes_the_key_and_the_next_one_finds_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(KEY_FILE);
        let made = Cursors::load_or_create(&path).unwrap().write("l", "p");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let found = Cursors::load_or_create(&path).unwrap();
        assert_eq!(found.read("l", &made).unwrap(), "p");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Cursors::load_or_create(&path).unwrap_err();
        assert!(matches!(error, Error::Exposed { .. }), "{error}");
        write_private(&path, b"x").unwrap();
        let error = Cursors::load_or_create(&path).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}
