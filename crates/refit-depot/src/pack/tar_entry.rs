//! One entry of a pax archive: a ustar header, and before it an extended one for what does not fit into it
//! (POSIX.1-2001, pax, "ustar Interchange Format" and "pax Extended Header").

use tar::{EntryType, Header};

/// Everything in a tar has a multiple of this size, in bytes.
pub(super) const BLOCK_BYTES: usize = 512;

/// The largest size that eleven octal digits can say: 8 GiB less a byte.
const USTAR_SIZE_MAX: u64 = (8 << 30) - 1;

/// An entry without its content.
pub(super) struct TarEntry<'a> {
    pub(super) path: &'a str,
    pub(super) form: Form<'a>,
}

pub(super) enum Form<'a> {
    Directory,
    File { length: u64, executable: bool },
    Link { target: &'a str },
}

impl TarEntry<'_> {
    /// Returns the blocks that stand before the content.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, mode, size, target) = match self.form {
            Form::Directory => (EntryType::Directory, 0o755, 0, ""),
            Form::File {
                length,
                executable: true,
            } => (EntryType::Regular, 0o755, length, ""),
            Form::File {
                length,
                executable: false,
            } => (EntryType::Regular, 0o644, length, ""),
            Form::Link { target } => (EntryType::Symlink, 0o777, 0, target),
        };
        let mut records = Vec::new();
        let name_fits = add_unless_fits(&mut records, "path", self.path);
        add_unless_fits(&mut records, "linkpath", target);
        let size_fits = size <= USTAR_SIZE_MAX;
        if !size_fits {
            add(&mut records, "size", &size.to_string());
        }
        let mut bytes = extended(&records);
        let name = if name_fits { self.path } else { EXTENDED_NAME };
        bytes.extend(header(
            name,
            target,
            kind,
            mode,
            if size_fits { size } else { 0 },
        ));
        bytes
    }
}

/// What a reader that knows no extended headers would see instead of a name that does not fit.
const EXTENDED_NAME: &str = "PaxHeaders/entry";

fn extended(records: &[u8]) -> Vec<u8> {
    if records.is_empty() {
        return Vec::new();
    }
    let mut bytes = header(
        EXTENDED_NAME,
        "",
        EntryType::XHeader,
        0o644,
        records.len() as u64,
    )
    .to_vec();
    bytes.extend(records);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    bytes
}

/// The 100 bytes of a name are for ASCII; the encoding of others is nobody's promise. The prefix field stays unused:
/// one path, one spelling.
fn fits(text: &str) -> bool {
    text.len() <= 100 && text.is_ascii()
}

fn add_unless_fits(records: &mut Vec<u8>, key: &str, value: &str) -> bool {
    let fits = fits(value);
    if !fits {
        add(records, key, value);
    }
    fits
}

/// Adds `<length> <key>=<value>\n`, where the length counts itself.
fn add(records: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend(format!("{length} {key}={value}\n").into_bytes());
}

fn header(name: &str, target: &str, kind: EntryType, mode: u32, size: u64) -> [u8; BLOCK_BYTES] {
    let mut header = Header::new_ustar();
    let fields = header.as_old_mut();
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    if fits(target) {
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
    }
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    *header.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for (length, start) in [
            (1, "9 path=x"),
            (2, "11 path=x"),
            (90, "99 path=x"),
            (91, "101 path=x"),
        ] {
            let mut records = Vec::new();
            add(&mut records, "path", &"x".repeat(length));
            let text = String::from_utf8(records).unwrap();
            assert!(text.starts_with(start), "{text}");
            assert_eq!(text.split_once(' ').unwrap().0, text.len().to_string());
        }
    }

    #[test]
    fn what_fits_needs_no_extended_header_and_what_does_not_has_one() {
        let blocks = |path: &str, length| {
            let form = Form::File {
                length,
                executable: false,
            };
            TarEntry { path, form }.to_bytes().len() / BLOCK_BYTES
        };
        assert_eq!(blocks(&"x".repeat(100), USTAR_SIZE_MAX), 1);
        assert_eq!(blocks(&"x".repeat(101), 0), 3);
        assert_eq!(blocks("ü", 0), 3);
        assert_eq!(blocks("x", USTAR_SIZE_MAX + 1), 3);
    }

    #[test]
    fn a_size_past_octal_is_read_back() {
        let length = 10 << 30;
        let bytes = TarEntry {
            path: "disk.img",
            form: Form::File {
                length,
                executable: false,
            },
        }
        .to_bytes();
        let mut archive = tar::Archive::new(&bytes[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(
            (entry.size(), entry.path_bytes().as_ref()),
            (length, &b"disk.img"[..])
        );
    }
}
