//! Artifacts in an object store, under `prefix/depot/sha256/<digest>`.
//!
//! Nothing here relies on "create only if absent": some stores say they can and overwrite. The name is known before
//! the first byte is sent, the same bytes again are harmless, and what was written is read back whole before anybody
//! is told. Every request has a deadline and few repetitions.

use super::settings::{Clients, S3, Settings};
use super::trouble::Trouble;
use super::{Error, Staged};
use crate::depot::Held;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
};
use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The size of a part, in bytes, unless there would be too many; what is not larger is sent at once.
const PART_BYTES: u64 = 8 << 20;

/// How many parts an upload may have; stores allow 10,000.
const PARTS_MAX: u64 = 9_000;

/// How many parts of an upload are under way at a time, each in memory.
const PARTS_AT_ONCE: usize = 3;

/// How much is read at a time. A slow device holds so much in memory, and no connection to the store.
pub(crate) const WINDOW_BYTES: u64 = 256 << 10;

/// An object store, with a prefix.
pub(crate) struct Store {
    reader: Arc<dyn ObjectStore>,
    writer: Arc<dyn ObjectStore>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) s3: Option<S3>,
    pub(crate) settings: Settings,
    shelf: Path,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.settings.url).finish()
    }
}

/// An object as it was when it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) length: u64,
    /// The store's own tag, by which a replacement from outside is noticed.
    tag: Option<String>,
}

impl Store {
    pub(super) async fn connect(settings: Settings) -> Result<Self, Error> {
        let failed = |trouble| Error::store("open", &settings.url)(trouble);
        let shelf = settings.shelf().map_err(failed)?;
        let Clients {
            reader,
            writer,
            signer,
            s3,
        } = settings.clients().await.map_err(failed)?;
        Ok(Self {
            reader,
            writer,
            signer,
            s3,
            shelf,
            settings,
        })
    }

    pub(crate) fn key(&self, digest: &Digest) -> Path {
        self.shelf.clone().join(digest.to_hex())
    }

    /// Looks at an artifact.
    pub(crate) async fn look(&self, digest: &Digest) -> Result<Option<Seen>, Error> {
        let key = self.key(digest);
        match self.asked(self.reader.head(&key)).await {
            Ok(meta) => Ok(Some(Seen {
                length: meta.size,
                tag: meta.e_tag,
            })),
            Err(Trouble::Gone) => Ok(None),
            Err(trouble) => Err(Error::store("look for", &key)(trouble)),
        }
    }

    /// Keeps a staged file under its digest, and reads it back. When this returns, the store has it whole.
    pub(super) async fn keep(
        &self,
        staged: &Staged,
        digest: &Digest,
        length: u64,
    ) -> Result<(), Error> {
        let key = self.key(digest);
        let file = staged.file.try_clone();
        let file = Arc::new(file.map_err(Error::of("open", &staged.path))?);
        let sent = if length <= PART_BYTES {
            self.put_whole(&key, file, length).await
        } else {
            self.put_parts(&key, file, length).await
        };
        sent.map_err(Error::store("write", &key))?;
        let read = self.read_back(&key, digest, length).await;
        read.map_err(Error::store("read back", &key))
    }

    async fn put_whole(&self, key: &Path, file: Arc<File>, length: u64) -> Result<(), Trouble> {
        let bytes = piece(file, 0..length).await?;
        let put = self.writer.put(key, PutPayload::from(bytes));
        within(self.settings.patience.part, put).await.map(drop)
    }

    async fn put_parts(&self, key: &Path, file: Arc<File>, length: u64) -> Result<(), Trouble> {
        let mut upload = self.asked(self.writer.put_multipart(key)).await?;
        let sent = self.send_parts(upload.as_mut(), file, length).await;
        let ended = match sent {
            Ok(()) => within(self.settings.patience.part, upload.complete()).await,
            Err(trouble) => Err(trouble),
        };
        if ended.is_err() {
            // What cannot be taken back now is for the bucket's lifecycle rule.
            drop(self.asked(upload.abort()).await);
        }
        ended.map(drop)
    }

    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        file: Arc<File>,
        length: u64,
    ) -> Result<(), Trouble> {
        let step = PART_BYTES.max(length.div_ceil(PARTS_MAX));
        let part_max = self.settings.patience.part;
        let mut under_way = JoinSet::new();
        let mut from = 0;
        loop {
            while from < length && under_way.len() < PARTS_AT_ONCE {
                let range = from..length.min(from + step);
                from = range.end;
                let bytes = piece(Arc::clone(&file), range).await?;
                under_way.spawn(within(part_max, upload.put_part(bytes.into())));
            }
            match under_way.join_next().await {
                None => return Ok(()),
                Some(sent) => sent.map_err(|error| Trouble::Failing(error.to_string()))??,
            }
        }
    }

    async fn read_back(&self, key: &Path, digest: &Digest, length: u64) -> Result<(), Trouble> {
        let seen = self.asked(self.reader.head(key)).await?;
        same_length(length, seen.size)?;
        let (mut hash, mut from) = (Sha256::new(), 0);
        while from < length {
            let range = from..length.min(from + PART_BYTES);
            hash.update(self.window(key, &range, length, None).await?);
            from = range.end;
        }
        let got = Digest::from_bytes(hash.finalize().into());
        (got == *digest).then_some(()).ok_or(Trouble::WrongBytes)
    }

    /// Reads a range of an artifact that was looked at before, at most [`WINDOW_BYTES`].
    pub(crate) async fn read(
        &self,
        digest: &Digest,
        seen: &Seen,
        range: Range<u64>,
    ) -> Result<Bytes, Error> {
        let key = self.key(digest);
        let read = self
            .window(&key, &range, seen.length, seen.tag.clone())
            .await;
        read.map_err(Error::store("read", &key))
    }

    async fn window(
        &self,
        key: &Path,
        range: &Range<u64>,
        length: u64,
        if_match: Option<String>,
    ) -> Result<Bytes, Trouble> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match,
            ..GetOptions::default()
        };
        let read = async {
            let got = self.reader.get_opts(key, options).await?;
            let size = got.meta.size;
            Ok((size, got.bytes().await?))
        };
        let (size, bytes) = self.asked(read).await?;
        same_length(length, size)?;
        same_length(range.end - range.start, bytes.len() as u64)?;
        Ok(bytes)
    }

    pub(super) async fn remove(&self, digest: &Digest) -> Result<bool, Error> {
        // Stores say that they removed what was never there.
        if self.look(digest).await?.is_none() {
            return Ok(false);
        }
        let key = self.key(digest);
        let removed = self.asked(self.reader.delete(&key)).await;
        removed.map(|()| true).map_err(Error::store("remove", &key))
    }

    pub(super) async fn list(&self) -> Result<Vec<Held>, Error> {
        let mut held = Vec::new();
        let mut listed = self.reader.list(Some(&self.shelf));
        let next = async |listed: &mut futures_util::stream::BoxStream<'_, _>| {
            within_or(self.settings.patience.answer, listed.next()).await
        };
        loop {
            let found = next(&mut listed).await;
            match found.map_err(Error::store("list", &self.shelf))? {
                None => break,
                Some(Err(error)) => {
                    return Err(Error::store("list", &self.shelf)(Trouble::of(&error)));
                }
                Some(Ok(meta)) => held.extend(held_at(&meta)),
            }
        }
        held.sort_unstable();
        Ok(held)
    }

    /// Waits for one answer, for no longer than is set.
    pub(super) async fn asked<T>(
        &self,
        answer: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Trouble> {
        within(self.settings.patience.answer, answer).await
    }

    pub(super) fn shelf(&self) -> &Path {
        &self.shelf
    }

    pub(super) fn reader(&self) -> &dyn ObjectStore {
        self.reader.as_ref()
    }
}

fn held_at(meta: &object_store::ObjectMeta) -> Option<Held> {
    Some(Held {
        digest: Digest::parse(meta.location.filename()?)?,
        length: meta.size,
    })
}

fn same_length(expected: u64, got: u64) -> Result<(), Trouble> {
    if expected == got {
        Ok(())
    } else {
        Err(Trouble::WrongLength { expected, got })
    }
}

async fn within<T>(
    max: Duration,
    answer: impl Future<Output = object_store::Result<T>>,
) -> Result<T, Trouble> {
    within_or(max, answer)
        .await?
        .map_err(|error| Trouble::of(&error))
}

async fn within_or<T>(max: Duration, answer: impl Future<Output = T>) -> Result<T, Trouble> {
    let answered = tokio::time::timeout(max, answer).await;
    answered.map_err(|_| Trouble::Slow(max))
}

/// Reads a piece of a staged file, off the event loop.
async fn piece(file: Arc<File>, range: Range<u64>) -> Result<Vec<u8>, Trouble> {
    let read = tokio::task::spawn_blocking(move || {
        let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, range.start).map(|()| bytes)
    });
    let read = read.await.map_err(std::io::Error::other);
    read.flatten()
        .map_err(|error| Trouble::Setting(format!("the staged artifact cannot be read: {error}")))
}
