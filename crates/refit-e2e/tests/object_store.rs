//! The depot over a real object store: its own suite, what is wrong with a store by name, and the store's own grants.

use std::future::Future;
use std::time::Duration;

use refit_depot::backend::settings::{Patience, Settings};
use refit_depot::backend::trouble::Trouble;
use refit_depot::conformance::{self, noise, read, store};
use refit_depot::depot::Depot;
use refit_depot::intake;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_testkit::ceph::{Gateway, REFIT, STRANGER};

use crate::house::{PATIENCE, get, get_with, wait_for};
use crate::liar::{Liar, Lie};
use crate::outside::wanted;

/// Short, for tests in which a store stands still; still long for one that is only busy.
const SHORT: Patience = Patience {
    request: Duration::from_secs(2),
    answer: Duration::from_secs(5),
    part: Duration::from_secs(8),
    retries: 1,
};

/// A bucket of the test's own behind a gateway of its own.
struct Bench {
    gateway: Gateway,
    bucket: &'static str,
    home: tempfile::TempDir,
}

impl Bench {
    fn new(bucket: &'static str) -> Self {
        let gateway = Gateway::start();
        gateway.make_bucket(bucket);
        let home = tempfile::tempdir().unwrap();
        Self {
            gateway,
            bucket,
            home,
        }
    }

    fn settings(&self, user: (&str, &str)) -> Settings {
        let file = self.home.path().join(user.1);
        self.gateway.settings(self.bucket, user, file)
    }

    async fn depot(&self, settings: Settings) -> Depot {
        let root = self.home.path().join("depot");
        let (depot, probed) = Depot::open_store(&root, settings).await.unwrap();
        assert!(probed.unwrap().removes);
        depot
    }

    /// Opens a depot that must not be good, and says why.
    async fn wrong(&self, settings: Settings) -> Trouble {
        let root = self.home.path().join("wrong");
        let (_, probed) = Depot::open_store(&root, settings).await.unwrap();
        let error = probed.unwrap_err();
        error.trouble().cloned().unwrap()
    }

    /// How many artifacts wait in staging.
    fn staged(&self) -> usize {
        let staging = self.home.path().join("depot/staging");
        std::fs::read_dir(staging).unwrap().count()
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(test);
}

#[test]
fn the_suite_of_every_depot() {
    if !wanted() {
        return;
    }
    let bench = Bench::new("suite");
    run(async {
        let depot = bench.depot(bench.settings(REFIT)).await;
        conformance::what_came_in_goes_out(depot.clone()).await;
        conformance::the_same_again_is_harmless(depot.clone()).await;
        conformance::other_bytes_than_announced_are_not_kept(depot.clone()).await;
        conformance::removal_is_told_apart_from_absence(depot).await;
        assert_eq!(bench.staged(), 0);
        // Another process finds what this one kept.
        let again = bench.depot(bench.settings(REFIT)).await;
        assert!(again.usage().await.unwrap().artifacts >= 8);
    });
}

#[test]
fn what_is_wrong_with_a_store_is_said_at_the_start() {
    if !wanted() {
        return;
    }
    let bench = Bench::new("wrong");
    let liar = Liar::before(&bench.gateway.endpoint());
    run(async {
        let good = bench.settings(REFIT);
        let no_bucket = Settings {
            url: "s3://nowhere/prefix".into(),
            ..good.clone()
        };
        assert_eq!(bench.wrong(no_bucket).await, Trouble::NoBucket);
        let secret = bench.wrong(bench.settings(("refit", "guessed"))).await;
        // With STS switched on, Ceph says of a wrong secret only that it does not allow it.
        assert!(secret.to_string().contains("secret"), "{secret}");
        let key = bench.wrong(bench.settings(("nobody", "guessed"))).await;
        assert!(key.to_string().contains("access key"), "{key}");
        let stranger = bench.wrong(bench.settings(STRANGER)).await;
        assert!(matches!(stranger, Trouble::Denied(_)), "{stranger}");
        let nobody_there = Settings {
            endpoint: Some("http://127.0.0.1:1".into()),
            patience: SHORT,
            ..good.clone()
        };
        let trouble = bench.wrong(nobody_there).await;
        assert!(matches!(trouble, Trouble::Unreachable(_)), "{trouble}");
        let through = Settings {
            endpoint: Some(liar.endpoint()),
            patience: SHORT,
            ..good
        };
        liar.tell(Lie::Fail);
        let trouble = bench.wrong(through.clone()).await;
        assert!(matches!(trouble, Trouble::Failing(_)), "{trouble}");
        liar.tell(Lie::Stall);
        let trouble = bench.wrong(through).await;
        assert!(
            trouble.may_pass() && trouble.to_string().contains("store"),
            "{trouble}"
        );
    });
}

#[test]
fn a_store_that_lies_is_noticed_before_anybody_is_told_of_the_artifact() {
    if !wanted() {
        return;
    }
    let bench = Bench::new("lies");
    let liar = Liar::before(&bench.gateway.endpoint());
    run(async {
        let through = Settings {
            endpoint: Some(liar.endpoint()),
            patience: SHORT,
            ..bench.settings(REFIT)
        };
        let depot = bench.depot(through).await;
        let told = async |bytes: &[u8]| match store(&depot, bytes).await.unwrap_err() {
            intake::Error::Backend(error) => error.trouble().cloned().unwrap(),
            other => panic!("{other}"),
        };
        // Sent at once, and in parts.
        for (seed, size) in [(1, 100_000), (2, 9 << 20)] {
            let bytes = noise(seed, size);
            liar.tell(Lie::Alter);
            assert_eq!(told(&bytes).await, Trouble::WrongBytes);
            for lie in [Lie::Shorten, Lie::Overstate] {
                liar.tell(lie.clone());
                let trouble = told(&bytes).await;
                assert!(
                    matches!(trouble, Trouble::WrongLength { .. }),
                    "{lie:?}: {trouble}"
                );
            }
            for lie in [Lie::Cut, Lie::Fail, Lie::Stall] {
                liar.tell(lie.clone());
                let trouble = told(&bytes).await;
                assert!(trouble.may_pass(), "{lie:?}: {trouble:?}");
            }
            assert_eq!(bench.staged(), 0);
            // Nothing is lost: the same again, through an honest line, ends well.
            liar.tell(Lie::None);
            let stored = store(&depot, &bytes).await.unwrap();
            let artifact = depot.artifact(&stored.digest).await.unwrap().unwrap();
            assert!(read(artifact, 0..u64::MAX).await.unwrap() == bytes);
            // What comes short is an error to who reads, never an end.
            for lie in [Lie::Shorten, Lie::Cut, Lie::Fail, Lie::Stall] {
                let artifact = depot.artifact(&stored.digest).await.unwrap().unwrap();
                liar.tell(lie.clone());
                let error = read(artifact, 0..u64::MAX).await.unwrap_err();
                assert!(error.trouble().is_some(), "{lie:?}: {error}");
                liar.tell(Lie::None);
            }
        }
    });
}

#[test]
fn an_artifact_that_is_replaced_from_outside_is_noticed_while_it_is_read() {
    if !wanted() {
        return;
    }
    let bench = Bench::new("replaced");
    run(async {
        let depot = bench.depot(bench.settings(REFIT)).await;
        let stored = store(&depot, &noise(1, 100_000)).await.unwrap();
        let artifact = depot.artifact(&stored.digest).await.unwrap().unwrap();
        let key = format!(
            "/{}/some/prefix/depot/sha256/{}",
            bench.bucket, stored.digest
        );
        assert_eq!(bench.gateway.curl(REFIT, None, "PUT", &key).0, 200);
        let error = read(artifact, 0..u64::MAX).await.unwrap_err();
        assert_eq!(error.trouble(), Some(&Trouble::Gone));
    });
}

#[test]
fn a_pre_signed_url_reads_its_artifact_until_it_expires() {
    if !wanted() {
        return;
    }
    let bench = Bench::new("presigned");
    let bytes = noise(1, 300_000);
    run(async {
        let depot = bench.depot(bench.settings(REFIT)).await;
        let one = store(&depot, &bytes).await.unwrap().digest;
        let other = store(&depot, &noise(2, 1000)).await.unwrap().digest;
        let url = depot.presign(&one, PATIENCE * 10).unwrap().unwrap();
        assert_eq!(refit_protocol::software_url::depot_digest(&url), Some(one));
        assert!(!url.contains(REFIT.1));
        assert_eq!(get(&url), (200, bytes.clone()));
        // A download goes on where it was cut, if it is the same artifact.
        let (status, head, rest) = get_with(&url, &["Range: bytes=200000-"]);
        assert_eq!((status, &rest[..]), (206, &bytes[200_000..]));
        let tag = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("etag")
                .then(|| value.trim().to_owned())
        });
        let same = format!("If-Match: {}", tag.unwrap());
        let (status, _, rest) = get_with(&url, &["Range: bytes=200000-", &same]);
        assert_eq!((status, &rest[..]), (206, &bytes[200_000..]));
        let (status, ..) = get_with(&url, &["Range: bytes=200000-", "If-Match: \"other\""]);
        assert_eq!(status, 412);
        // Nothing else is read with it.
        let altered = url.replace(&one.to_hex(), &other.to_hex());
        assert_eq!(get(&altered).0, 403);
        let short = depot
            .presign(&one, Duration::from_secs(1))
            .unwrap()
            .unwrap();
        wait_for("the URL to expire", || {
            matches!(get(&short).0, 400 | 403).then_some(())
        });
    });
}

#[test]
fn a_temporary_credential_reads_its_artifact_and_nothing_else() {
    if !wanted() {
        return;
    }
    let bench = Bench::new("session");
    run(async {
        let depot = bench.depot(bench.settings(REFIT)).await;
        let one = store(&depot, b"the one").await.unwrap().digest;
        let other = store(&depot, b"the other").await.unwrap().digest;
        assert!(depot.gives_sessions());
        let device = DeviceId::parse("lamp:7").unwrap();
        let now = Timestamp(1_800_000_000_000);
        let session = depot.session(&one, Duration::from_secs(60), &device, now);
        let session = session.await.unwrap().unwrap();
        // A minute was asked for; no store gives less than a quarter of an hour.
        assert_eq!(session.expires, Timestamp(1_800_000_900_000));
        assert_eq!(session.endpoint, bench.gateway.endpoint());
        let user = (
            session.access_key_id.as_str(),
            session.secret_access_key.as_str(),
        );
        let ask = |method: &str, path: &str| {
            bench
                .gateway
                .curl(user, Some(&session.session_token), method, path)
        };
        let own = format!("/{}/{}", session.bucket, session.key);
        let sibling = own.replace(&one.to_hex(), &other.to_hex());
        let (status, body) = ask("GET", &own);
        assert_eq!((status, body.as_str()), (200, "the one"));
        for (method, path) in [
            ("GET", sibling.as_str()),
            ("PUT", &own),
            ("DELETE", &own),
            ("PUT", &sibling),
            ("GET", &format!("/{}", bench.bucket)),
            ("GET", &format!("/{}?list-type=2", bench.bucket)),
            ("GET", "/"),
        ] {
            let (status, body) = ask(method, path);
            // Who owns nothing is shown an empty list of buckets by some releases; none of ours may be in it.
            let denied = status == 403 || path == "/" && !body.contains(bench.bucket);
            assert!(denied, "{method} {path}: {status} {body}");
        }
        // The token belongs to the key.
        assert_eq!(bench.gateway.curl(user, None, "GET", &own).0, 403);
        assert_eq!(store(&depot, b"the one").await.unwrap().digest, one);
    });
}

#[test]
fn a_refusal_of_sts_names_what_to_look_at() {
    if !wanted() {
        return;
    }
    let bench = Bench::new("refused");
    let liar = Liar::before(&bench.gateway.endpoint());
    run(async {
        let with = |role: &str, sts: Option<String>| Settings {
            role: Some(role.into()),
            sts_endpoint: sts,
            patience: SHORT,
            ..bench.settings(REFIT)
        };
        let device = DeviceId::parse("lamp-7").unwrap();
        let refused = async |settings| {
            let depot = bench.depot(settings).await;
            let digest = store(&depot, b"x").await.unwrap().digest;
            let session = depot.session(&digest, Duration::ZERO, &device, Timestamp(0));
            session.await.unwrap_err().trouble().cloned().unwrap()
        };
        let role = refused(with("arn:aws:iam:::role/other", None)).await;
        assert!(
            matches!(role, Trouble::Sts(_)) && role.to_string().contains("role"),
            "{role}"
        );
        let sts = Some(liar.endpoint());
        liar.tell(Lie::Fail);
        let trouble = refused(with(refit_testkit::ceph::ROLE, sts.clone())).await;
        assert!(matches!(trouble, Trouble::Failing(_)), "{trouble}");
        liar.tell(Lie::Stall);
        let trouble = refused(with(refit_testkit::ceph::ROLE, sts)).await;
        assert!(trouble.may_pass(), "{trouble}");
    });
}
