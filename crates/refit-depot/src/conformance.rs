//! What every depot must do, as functions on an empty depot that the caller makes: one suite for directory and store.
//!
//! Each public function is one test; `tests/conformance.rs` runs them on a directory, and the end-to-end tests on a real
//! object store. A depot that is shared with other tests is fine: each function keeps to bytes of its own.

#![expect(
    clippy::unwrap_used,
    reason = "this is a test suite, in a library so that every backend can run it"
)]

use crate::artifact::Artifact;
use crate::depot::Depot;
use crate::intake::{Error, Expected, Stored};
use futures_util::TryStreamExt;
use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// Bytes that no other seed gives and that do not repeat soon.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(next());
    }
    bytes.truncate(length);
    bytes
}

/// Takes bytes in, as the server does.
pub async fn store(depot: &Depot, bytes: &[u8]) -> Result<Stored, Error> {
    let mut intake = depot.intake(Expected {
        length: Some(bytes.len() as u64),
        ..Expected::default()
    })?;
    for piece in bytes.chunks(100_000) {
        intake.write(piece)?;
    }
    intake.commit().await
}

/// Reads a range, as the server does.
pub async fn read(artifact: Artifact, range: Range<u64>) -> Result<Vec<u8>, crate::backend::Error> {
    let pieces: Vec<_> = artifact.stream(range).try_collect().await?;
    Ok(pieces.concat())
}

/// Bytes of every size that matters come back as they were, whole and in part.
pub async fn what_came_in_goes_out(depot: Depot) {
    // Around a piece, a window, and the part of an upload.
    let sizes = [
        0,
        1,
        65_536,
        262_143,
        262_145,
        (8 << 20),
        (8 << 20) + 1,
        21_000_003,
    ];
    for (seed, size) in sizes.into_iter().enumerate() {
        let bytes = noise(1000 + seed as u64, size);
        let digest = Digest::from_bytes(Sha256::digest(&bytes).into());
        let stored = store(&depot, &bytes).await.unwrap();
        assert_eq!((stored.digest, stored.length), (digest, size as u64));
        let artifact = depot.artifact(&digest).await.unwrap().unwrap();
        assert_eq!(
            (artifact.digest(), artifact.length()),
            (digest, size as u64)
        );
        assert!(
            read(artifact, 0..u64::MAX).await.unwrap() == bytes,
            "{size}"
        );
        let middle = size as u64 / 3..size as u64 / 2 + 1;
        let artifact = depot.artifact(&digest).await.unwrap().unwrap();
        let part = read(artifact, middle.clone()).await.unwrap();
        let end = (middle.end as usize).min(size);
        assert!(part == bytes[middle.start as usize..end], "{size}");
    }
}

/// The same bytes again change nothing, also when both come at once.
pub async fn the_same_again_is_harmless(depot: Depot) {
    let bytes = noise(2, 9 << 20);
    let (one, other) = tokio::join!(store(&depot, &bytes), store(&depot, &bytes));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.digest, other.digest);
    assert!(store(&depot, &bytes).await.unwrap().already);
    let listed = depot.list().await.unwrap();
    let held = listed.iter().filter(|held| held.digest == one.digest);
    assert_eq!(held.map(|held| held.length).collect::<Vec<_>>(), [9 << 20]);
    let artifact = depot.artifact(&one.digest).await.unwrap().unwrap();
    assert!(read(artifact, 0..u64::MAX).await.unwrap() == bytes);
}

/// What was announced and did not come is not kept.
pub async fn other_bytes_than_announced_are_not_kept(depot: Depot) {
    let announced = Digest::from_bytes([9; 32]);
    let mut intake = depot
        .intake(Expected {
            digest: Some(announced),
            ..Expected::default()
        })
        .unwrap();
    let bytes = noise(3, 1000);
    intake.write(&bytes).unwrap();
    let error = intake.commit().await.unwrap_err();
    assert!(matches!(error, Error::DigestDiffers { .. }), "{error}");
    let came = Digest::from_bytes(Sha256::digest(&bytes).into());
    for digest in [announced, came] {
        assert!(depot.artifact(&digest).await.unwrap().is_none());
    }
}

/// Removal is told apart from absence, and what was removed can come again.
pub async fn removal_is_told_apart_from_absence(depot: Depot) {
    let bytes = noise(4, 1000);
    let digest = store(&depot, &bytes).await.unwrap().digest;
    let listed = async || {
        depot
            .list()
            .await
            .unwrap()
            .iter()
            .any(|held| held.digest == digest)
    };
    assert!(listed().await);
    assert!(depot.remove(&digest).await.unwrap());
    assert!(!depot.remove(&digest).await.unwrap());
    assert!(depot.artifact(&digest).await.unwrap().is_none() && !listed().await);
    assert!(!store(&depot, &bytes).await.unwrap().already);
    assert!(listed().await);
}
