//! How an artifact goes out: positioned reads of an open file, a piece at a time, never the whole in memory.

use crate::backend::Error;
use refit_protocol::digest::Digest;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// The size of a piece, in bytes: large enough that the disk matters and the call does not, small enough that ten
/// thousand slow readers at a piece each stay below a gigabyte.
pub const PIECE_BYTES: usize = 64 << 10;

/// An artifact that is open for reading. It can be read although it is removed meanwhile.
#[derive(Debug)]
pub struct Artifact {
    digest: Digest,
    length: u64,
    file: File,
    path: PathBuf,
}

impl Artifact {
    pub(crate) fn new(digest: Digest, file: File, path: PathBuf) -> Result<Self, Error> {
        let metadata = file.metadata().map_err(Error::of("look at", &path))?;
        Ok(Self {
            digest,
            length: metadata.len(),
            file,
            path,
        })
    }

    /// Returns the name of the artifact.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns how many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `bytes` from `offset` on. Bytes that should be there and are not are an error, not a short read: a
    /// device must not take a damaged file for the end.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.file
            .read_exact_at(bytes, offset)
            .map_err(Error::of("read", &self.path))
    }

    /// Goes through a range in pieces of at most [`PIECE_BYTES`]; what lies past the end is left out.
    pub fn pieces(self, range: Range<u64>) -> Pieces {
        let end = range.end.min(self.length);
        Pieces {
            rest: range.start.min(end)..end,
            artifact: self,
        }
    }
}

/// The pieces of a range, read when they are asked for.
#[derive(Debug)]
pub struct Pieces {
    artifact: Artifact,
    rest: Range<u64>,
}

impl Pieces {
    /// Returns how many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.rest.end - self.rest.start
    }
}

impl Iterator for Pieces {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let size = usize::try_from(self.left()).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        if size == 0 {
            return None;
        }
        let mut piece = vec![0; size];
        let read = self.artifact.read_at(self.rest.start, &mut piece);
        match read {
            Ok(()) => self.rest.start += size as u64,
            // After an error there is no going on: what follows would not join.
            Err(_) => self.rest.start = self.rest.end,
        }
        Some(read.map(|()| piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn artifact(home: &tempfile::TempDir, bytes: &[u8]) -> Artifact {
        let path = home.path().join("artifact");
        fs::write(&path, bytes).unwrap();
        Artifact::new(
            Digest::from_bytes([0; 32]),
            File::open(&path).unwrap(),
            path,
        )
        .unwrap()
    }

    #[test]
    fn a_range_is_read_in_bounded_pieces_that_join() {
        let home = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|i| (i / 7) as u8).collect();
        for (range, wanted) in [
            (0..200_000, 0..200_000),
            (1..70_000, 1..70_000),
            (199_999..u64::MAX, 199_999..200_000),
            (65_536..65_536, 0..0),
            (300_000..400_000, 0..0),
        ] {
            let pieces = artifact(&home, &bytes).pieces(range);
            assert_eq!(pieces.left(), wanted.len() as u64);
            let pieces: Vec<_> = pieces.map(|piece| piece.unwrap()).collect();
            assert!(
                pieces
                    .iter()
                    .all(|piece| (1..=PIECE_BYTES).contains(&piece.len()))
            );
            assert_eq!(pieces.concat(), &bytes[wanted]);
        }
    }

    #[test]
    fn a_file_cut_short_is_an_error_and_ends_the_reading() {
        let home = tempfile::tempdir().unwrap();
        let mut pieces = artifact(&home, &[7; 100_000]).pieces(0..100_000);
        fs::write(home.path().join("artifact"), [7; 70_000]).unwrap();
        assert_eq!(pieces.next().unwrap().unwrap().len(), PIECE_BYTES);
        assert!(pieces.next().unwrap().unwrap_err().is_damage());
        assert!(pieces.next().is_none());
    }
}
