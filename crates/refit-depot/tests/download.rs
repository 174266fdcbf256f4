//! From a directory to the device's last byte, as the server and the agent will do it, through the public API alone.

use futures_util::TryStreamExt;
use refit_depot::depot::Depot;
use refit_depot::grant::presigned::Bound;
use refit_depot::grant::ring::KeyRing;
use refit_depot::grant::{Asker, Grants, Refused};
use refit_depot::intake::{Expected, Stored};
use refit_depot::pack::pack;
use refit_depot::serve::{Ask, answer, etag};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::software_url::depot_digest;
use refit_protocol::time::Timestamp;
use std::fs;
use std::path::Path;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LATER: Timestamp = Timestamp(1_800_003_600_000);

struct Server {
    depot: Depot,
    grants: Grants,
}

impl Server {
    fn start(data: &Path) -> Self {
        let depot = Depot::open(&data.join("depot")).unwrap();
        let keys = KeyRing::open(&data.join("grant.keys")).unwrap();
        let grants = Grants::new(keys, "http://127.0.0.1:8080");
        Self { depot, grants }
    }

    async fn store(&self, bytes: &[u8], digest: Digest) -> Stored {
        let length = Some(bytes.len() as u64);
        let expected = Expected {
            length,
            digest: Some(digest),
            ..Expected::default()
        };
        let mut intake = self.depot.intake(expected).unwrap();
        for piece in bytes.chunks(1000) {
            intake.write(piece).unwrap();
        }
        intake.commit().await.unwrap()
    }

    /// Answers a GET as HTTP would: the status, and all bytes of the body.
    async fn get(&self, url: &str, ask: &Ask<'_>) -> Result<(u16, Vec<u8>), Refused> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let digest = depot_digest(path).unwrap();
        self.grants.check(&digest, query, &Asker::default(), NOW)?;
        let artifact = self.depot.artifact(&digest).await.unwrap().unwrap();
        let answer = answer(ask, &digest, artifact.length());
        let pieces = artifact.stream(answer.body.unwrap_or_default());
        let body: Vec<_> = pieces.try_collect().await.unwrap();
        Ok((answer.status.code(), body.concat()))
    }
}

/// A packed directory that is larger than a piece.
fn release(home: &Path) -> (Vec<u8>, Digest) {
    let tree = home.join("tree");
    fs::create_dir(&tree).unwrap();
    let noise: Vec<u8> = (0..200_000u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    fs::write(tree.join("firmware"), noise).unwrap();
    let mut bytes = Vec::new();
    let summary = pack(&tree, &mut bytes).unwrap();
    (bytes, summary.digest)
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut_after_a_restart_of_the_server() {
    let home = tempfile::tempdir().unwrap();
    let (bytes, digest) = release(home.path());
    let server = Server::start(home.path());
    assert!(!server.store(&bytes, digest).await.already);
    assert!(server.store(&bytes, digest).await.already);
    let device = DeviceId::parse("lamp-7").unwrap();
    let url = server.grants.mint(&digest, &device, Bound::Time, LATER);
    let (status, whole) = server.get(&url, &Ask::default()).await.unwrap();
    assert_eq!((status, &whole), (200, &bytes));

    // Cut after a third; the server is another process now, and the URL is still good.
    let server = Server::start(home.path());
    let cut = bytes.len() / 3;
    let (range, tag) = (format!("bytes={cut}-"), etag(&digest));
    let ask = Ask {
        range: Some(range.as_bytes()),
        if_range: Some(tag.as_bytes()),
        ..Ask::default()
    };
    let (status, rest) = server.get(&url, &ask).await.unwrap();
    assert_eq!(status, 206);
    assert_eq!([&bytes[..cut], &rest].concat(), bytes);
}

#[tokio::test]
async fn without_a_grant_there_is_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (bytes, digest) = release(home.path());
    let server = Server::start(home.path());
    server.store(&bytes, digest).await;
    let bare = server.grants.stable_url(&digest);
    assert_eq!(
        server.get(&bare, &Ask::default()).await,
        Err(Refused::Missing("grant"))
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let device = DeviceId::parse("lamp-7").unwrap();
    let foreign = Server::start(elsewhere.path())
        .grants
        .mint(&digest, &device, Bound::Time, LATER);
    assert_eq!(
        server.get(&foreign, &Ask::default()).await,
        Err(Refused::UnknownKey)
    );
}
