//! How an artifact goes out: a piece at a time, never the whole in memory. From a directory these are positioned reads
//! of an open file; from an object store, requests for ranges, so that a slow device holds no connection to it.

use crate::backend::store::{Seen, WINDOW_BYTES};
use crate::backend::{Backend, Error, Kept, blocking};
pub use bytes::Bytes as Piece;
use futures_util::stream::{self, Stream};
use refit_protocol::digest::Digest;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The size of a piece of a file, in bytes: large enough that the disk matters and the call does not, small enough that ten
/// thousand slow readers at a piece each stay below a gigabyte.
pub const PIECE_BYTES: u64 = 64 << 10;

/// An artifact that is open for reading.
#[derive(Debug)]
pub struct Artifact {
    digest: Digest,
    length: u64,
    bytes: Bytes,
}

/// Where its bytes are.
#[derive(Debug)]
enum Bytes {
    /// It can be read although it is removed meanwhile.
    File { file: File, path: PathBuf },
    /// It is asked for again and again, and it is noticed if it is replaced.
    Object { backend: Arc<Backend>, seen: Seen },
}

impl Artifact {
    pub(crate) fn file(digest: Digest, file: File, path: PathBuf) -> Result<Self, Error> {
        let metadata = file.metadata().map_err(Error::of("look at", &path))?;
        Ok(Self {
            digest,
            length: metadata.len(),
            bytes: Bytes::File { file, path },
        })
    }

    pub(crate) async fn object(
        backend: Arc<Backend>,
        digest: Digest,
    ) -> Result<Option<Self>, Error> {
        let Kept::Store(store) = &backend.kept else {
            return Ok(None);
        };
        let Some(seen) = store.look(&digest).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            digest,
            length: seen.length,
            bytes: Bytes::Object { backend, seen },
        }))
    }

    /// Returns the name of the artifact.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns how many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Goes through a range in pieces, read when they are asked for; what lies past the end is left out. Bytes that
    /// should be there and are not are an error, not an end: a device must not take a damaged artifact for the
    /// whole. After an error nothing follows.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = Result<Piece, Error>> + Send {
        let end = range.end.min(self.length);
        let rest = range.start.min(end)..end;
        stream::try_unfold((Arc::new(self), rest), async |(artifact, rest)| {
            if rest.is_empty() {
                return Ok(None);
            }
            let size = match &artifact.bytes {
                Bytes::File { .. } => PIECE_BYTES,
                Bytes::Object { .. } => WINDOW_BYTES,
            };
            let piece = rest.start..rest.end.min(rest.start + size);
            let rest = piece.end..rest.end;
            let bytes = Self::read(&artifact, piece).await?;
            Ok(Some((bytes, (artifact, rest))))
        })
    }

    async fn read(artifact: &Arc<Self>, range: Range<u64>) -> Result<Piece, Error> {
        if let Bytes::Object { backend, seen } = &artifact.bytes
            && let Kept::Store(store) = &backend.kept
        {
            return store.read(&artifact.digest, seen, range).await;
        }
        let artifact = Arc::clone(artifact);
        blocking(move || artifact.read_file(&range)).await
    }

    fn read_file(&self, range: &Range<u64>) -> Result<Piece, Error> {
        let size = usize::try_from(range.end - range.start).unwrap_or_default();
        let mut piece = vec![0; size];
        if let Bytes::File { file, path } = &self.bytes {
            let read = file.read_exact_at(&mut piece, range.start);
            read.map_err(Error::of("read", path))?;
        }
        Ok(piece.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, TryStreamExt};
    use std::fs;

    fn artifact(home: &tempfile::TempDir, bytes: &[u8]) -> Artifact {
        let path = home.path().join("artifact");
        fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        Artifact::file(Digest::from_bytes([0; 32]), file, path).unwrap()
    }

    #[tokio::test]
    async fn a_range_is_read_in_bounded_pieces_that_join() {
        let home = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|i| (i / 7) as u8).collect();
        for (range, wanted) in [
            (0..200_000, 0..200_000),
            (1..70_000, 1..70_000),
            (199_999..u64::MAX, 199_999..200_000),
            (65_536..65_536, 0..0),
            (300_000..400_000, 0..0),
        ] {
            let pieces = artifact(&home, &bytes).stream(range);
            let pieces: Vec<_> = pieces.try_collect().await.unwrap();
            let bounded = |piece: &Piece| (1..=PIECE_BYTES).contains(&(piece.len() as u64));
            assert!(pieces.iter().all(bounded));
            assert_eq!(pieces.concat(), &bytes[wanted]);
        }
    }

    #[tokio::test]
    async fn a_file_cut_short_is_an_error_and_ends_the_reading() {
        let home = tempfile::tempdir().unwrap();
        let pieces = artifact(&home, &[7; 100_000]).stream(0..100_000);
        fs::write(home.path().join("artifact"), [7; 70_000]).unwrap();
        let pieces: Vec<_> = pieces.collect().await;
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0].as_ref().unwrap().len() as u64, PIECE_BYTES);
        assert!(pieces[1].as_ref().unwrap_err().is_damage());
    }
}
