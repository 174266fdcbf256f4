//! Reads a tar archive (POSIX.1-2024 `pax`, with GNU's long names), item by item, in bounded memory.
//!
//! Only files, folders and symbolic links are known; any other kind is refused. Long names are bounded, since an
//! archive can claim one of any length.

use std::io::Read;

const BLOCK_BYTES: usize = 512;

/// The longest path or link target, in bytes.
const PATH_BYTES_MAX: usize = 4096;

/// The longest extended header, in bytes.
const EXTENDED_BYTES_MAX: u64 = 64 * 1024;

/// One thing in an archive.
#[derive(Debug)]
pub(super) struct Item {
    /// Its path, as it stands there.
    pub(super) path: String,
    /// What it is.
    pub(super) what: What,
}

/// What a thing in an archive is.
#[derive(Debug)]
pub(super) enum What {
    /// A file; its bytes are read next, with `Archive::read`.
    File { length: u64, executable: bool },
    /// A folder.
    Folder,
    /// A symbolic link.
    Link { target: String },
}

/// An archive that is being read.
pub(super) struct Archive<R> {
    source: R,
    /// Bytes of the present file that were not read yet.
    left: u64,
    /// Bytes that fill its last block.
    padding: u64,
}

/// What extended headers said of the next item.
#[derive(Default)]
struct Said {
    path: Option<String>,
    target: Option<String>,
    length: Option<u64>,
}

impl<R: Read> Archive<R> {
    pub(super) const fn new(source: R) -> Self {
        Self {
            source,
            left: 0,
            padding: 0,
        }
    }

    /// Returns the next item; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item>, String> {
        let mut said = Said::default();
        loop {
            self.skip()?;
            let mut block = [0; BLOCK_BYTES];
            self.exact(&mut block)?;
            if block.iter().all(|b| *b == 0) {
                return Ok(None);
            }
            let header = Header::check(&block)?;
            match header.kind() {
                b'x' => said.extend(&self.extended(&header)?)?,
                b'g' => drop(self.extended(&header)?), // comments about the whole archive
                b'L' => said.path = Some(self.long_name(&header)?),
                b'K' => said.target = Some(self.long_name(&header)?),
                kind => return self.item(kind, &header, said).map(Some),
            }
        }
    }

    /// Reads on in the present file; 0 at its end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, String> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self
            .source
            .read(&mut into[..most])
            .map_err(|e| broken(&e))?;
        if count == 0 {
            return Err("it ends in the middle of a file".into());
        }
        self.left -= count as u64;
        Ok(count)
    }

    fn item(&mut self, kind: u8, header: &Header<'_>, said: Said) -> Result<Item, String> {
        let path = match said.path {
            Some(path) => path,
            None => header.path()?,
        };
        let what = match kind {
            b'0' | 0 => {
                let length = match said.length {
                    Some(length) => length,
                    None => header.length()?,
                };
                self.begin(length);
                What::File {
                    length,
                    executable: header.mode()? & 0o111 != 0,
                }
            }
            b'5' => What::Folder,
            b'2' => What::Link {
                target: match said.target {
                    Some(target) => target,
                    None => text(&header.0[157..257])?,
                },
            },
            other => {
                let kind = char::from(other);
                return Err(format!(
                    "{path:?} is of kind {kind:?}: neither file, folder nor link"
                ));
            }
        };
        Ok(Item { path, what })
    }

    const fn begin(&mut self, length: u64) {
        self.left = length;
        // Not the next multiple less the length: a length that is claimed may be the largest there is.
        let block = BLOCK_BYTES as u64;
        self.padding = (block - length % block) % block;
    }

    fn skip(&mut self) -> Result<(), String> {
        self.left = self.left.saturating_add(std::mem::take(&mut self.padding));
        let mut waste = [0; BLOCK_BYTES];
        while self.read(&mut waste)? > 0 {}
        Ok(())
    }

    fn extended(&mut self, header: &Header<'_>) -> Result<Vec<u8>, String> {
        let length = header.length()?;
        if length > EXTENDED_BYTES_MAX {
            return Err(format!("an extended header has {length} bytes"));
        }
        self.begin(length);
        let mut bytes = vec![0; length as usize];
        self.exact_of_file(&mut bytes)?;
        Ok(bytes)
    }

    fn long_name(&mut self, header: &Header<'_>) -> Result<String, String> {
        text(&self.extended(header)?)
    }

    fn exact_of_file(&mut self, mut into: &mut [u8]) -> Result<(), String> {
        while !into.is_empty() {
            let count = self.read(into)?;
            into = &mut into[count..];
        }
        Ok(())
    }

    fn exact(&mut self, into: &mut [u8]) -> Result<(), String> {
        self.source.read_exact(into).map_err(|e| broken(&e))
    }
}

impl Said {
    /// Reads records of the form `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record.
    fn extend(&mut self, mut records: &[u8]) -> Result<(), String> {
        while !records.is_empty() {
            let record = first_record(records).ok_or("an extended header is malformed")?;
            records = &records[record.len()..];
            let blank = record.iter().position(|b| *b == b' ').unwrap_or(0);
            let pair = &record[blank + 1..record.len() - 1];
            let Some(equals) = pair.iter().position(|b| *b == b'=') else {
                return Err("an extended header is malformed".into());
            };
            let value = &pair[equals + 1..];
            match &pair[..equals] {
                b"path" => self.path = Some(text(value)?),
                b"linkpath" => self.target = Some(text(value)?),
                b"size" => {
                    let length = text(value)?.parse();
                    self.length = Some(length.map_err(|_| "an extended header has no size")?);
                }
                key if key.starts_with(b"GNU.sparse") => {
                    return Err("it holds a sparse file".into());
                }
                _ => {} // times, owners, attributes: not ours
            }
        }
        Ok(())
    }
}

fn first_record(records: &[u8]) -> Option<&[u8]> {
    let blank = records.iter().take(8).position(|b| *b == b' ')?;
    let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
    let record = records.get(..length)?;
    (length > blank + 1 && record.last() == Some(&b'\n')).then_some(record)
}

/// A header whose checksum is right.
struct Header<'a>(&'a [u8; BLOCK_BYTES]);

impl<'a> Header<'a> {
    fn check(block: &'a [u8; BLOCK_BYTES]) -> Result<Self, String> {
        let sum = |byte: (usize, &u8)| match byte.0 {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte.1),
        };
        let sum: u64 = block.iter().enumerate().map(sum).sum();
        if number(&block[148..156]) == Ok(sum) {
            Ok(Self(block))
        } else {
            Err("it is no tar archive, or damaged".into())
        }
    }

    const fn kind(&self) -> u8 {
        self.0[156]
    }

    fn mode(&self) -> Result<u64, String> {
        number(&self.0[100..108])
    }

    fn length(&self) -> Result<u64, String> {
        number(&self.0[124..136])
    }

    fn path(&self) -> Result<String, String> {
        let name = text(&self.0[..100])?;
        // Only POSIX headers have a prefix; GNU keeps other things there.
        if &self.0[257..263] != b"ustar\0" || self.0[345] == 0 {
            return Ok(name);
        }
        Ok(format!("{}/{name}", text(&self.0[345..500])?))
    }
}

/// Reads an octal number, or GNU's binary one.
fn number(field: &[u8]) -> Result<u64, String> {
    let wrong = || "a header holds no number where one belongs".to_owned();
    if field[0] & 0x80 != 0 {
        // The first bit says that it is binary, the second that it is below zero.
        let first = u64::from(field[0] & 0x7f);
        let add = |sum: u64, byte: &u8| Some(sum.checked_mul(256)? + u64::from(*byte));
        let sum = field[1..].iter().try_fold(first, add);
        return sum.filter(|_| first < 0x40).ok_or_else(wrong);
    }
    let digits = text(field)?;
    let digits = digits.trim_matches(' ');
    if digits.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(digits, 8).map_err(|_| wrong())
}

/// Reads text up to its first NUL.
fn text(field: &[u8]) -> Result<String, String> {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    if end > PATH_BYTES_MAX {
        return Err("a path is too long".into());
    }
    match std::str::from_utf8(&field[..end]) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err("a path is not valid UTF-8".into()),
    }
}

fn broken(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "it ends too early".into(),
        _ => format!("it cannot be read: {e}"),
    }
}
