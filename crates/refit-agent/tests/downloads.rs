//! Downloads from a server that cuts, refuses, changes and lies.

use crate::depot::{Depot, Manner};
use crate::releases::{self, Made};
use refit_agent::fetch::{Ended, Fetch, part};
use refit_agent::files::Real;
use refit_agent::http::Client;
use refit_agent::job::{Grant, Release, Wanted};
use refit_agent::machine::input::FetchFailure;
use refit_protocol::job::JobId;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

struct Bench {
    home: TempDir,
    depot: Depot,
    made: Made,
    client: Client,
    told: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let bytes = (0..1_000_000u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect();
        let made = releases::file("2.0.0", bytes);
        Self {
            home: TempDir::new().unwrap(),
            depot: Depot::start(made.bytes.clone()),
            made,
            client: Client::new().unwrap(),
            told: Vec::new(),
        }
    }

    fn parts(&self) -> PathBuf {
        self.home.path().join("parts")
    }

    fn fetch(&mut self, wanted: &Wanted) -> Result<Release, Ended> {
        self.fetch_unless(wanted, &AtomicBool::new(false))
    }

    fn fetch_unless(&mut self, wanted: &Wanted, stop: &AtomicBool) -> Result<Release, Ended> {
        let grant = Grant::Presigned(self.depot.url("/depot/file?sig=secret"));
        let fetch = Fetch {
            files: &Real,
            parts: &self.parts(),
            http: &self.client,
            stop,
            length_max: 2_000_000,
        };
        let job = JobId::parse("j1").unwrap();
        let told = &mut self.told;
        fetch.run(&job, &grant, wanted, &mut |percent| told.push(percent))
    }

    fn known(&mut self) -> Result<Release, Ended> {
        let wanted = Wanted::Known(self.made.release.clone());
        self.fetch(&wanted)
    }

    fn here(&self) -> Option<Vec<u8>> {
        std::fs::read(part(&self.parts(), self.made.release.digest())).ok()
    }
}

fn failure(result: Result<Release, Ended>) -> FetchFailure {
    match result {
        Err(Ended::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_download_comes_whole_and_tells_how_far_it_is() {
    let mut bench = Bench::new();
    assert_eq!(bench.known().unwrap(), bench.made.release);
    assert_eq!(bench.here().unwrap(), bench.made.bytes);
    assert_eq!(bench.told.last(), Some(&100));
    assert!(bench.told.is_sorted_by(|a, b| a < b), "{:?}", bench.told);
    bench.known().unwrap();
    assert_eq!(
        bench.depot.requests().len(),
        1,
        "what is here is not fetched again"
    );
}

#[test]
fn an_artifact_of_no_bytes_comes_whole_too() {
    let mut bench = Bench::new();
    bench.made = releases::file("2.0.0", Vec::new());
    assert_eq!(bench.known().unwrap(), bench.made.release);
    assert_eq!(bench.here().unwrap(), b"");
    assert_eq!(bench.depot.requests().len(), 0, "there is nothing to ask");
}

#[test]
fn a_disk_that_fails_is_left_without_the_part() {
    let mut bench = Bench::new();
    // A folder where the part should be fails every write to it.
    let in_the_way = part(&bench.parts(), bench.made.release.digest());
    std::fs::create_dir_all(in_the_way).unwrap();
    let failed = failure(bench.known());
    assert!(matches!(failed, FetchFailure::Disk(_)), "{failed:?}");
    assert_eq!(std::fs::read_dir(bench.parts()).unwrap().count(), 0);
    assert_eq!(bench.known().unwrap(), bench.made.release);
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let mut bench = Bench::new();
    bench.depot.manners([
        Manner::CutAfter(300_000),
        Manner::CutAfter(300_000),
        Manner::CutAfter(0),
    ]);
    for gained in [true, true, false] {
        let failed = failure(bench.known());
        assert!(
            matches!(&failed, FetchFailure::Broken { gained: g, .. } if *g == gained),
            "{failed:?}"
        );
    }
    bench.known().unwrap();
    let ranges: Vec<Option<String>> = bench
        .depot
        .requests()
        .iter()
        .map(|r| r.header("Range").map(str::to_owned))
        .collect();
    let expected = [
        None,
        Some("bytes=300000-"),
        Some("bytes=600000-"),
        Some("bytes=600000-"),
    ];
    assert_eq!(ranges, expected.map(|range| range.map(str::to_owned)));
    assert_eq!(
        bench.depot.requests()[1].header("If-Match"),
        Some("\"one\"")
    );
}

#[test]
fn another_entity_begins_anew() {
    let mut bench = Bench::new();
    bench.depot.manners([Manner::CutAfter(300_000)]);
    failure(bench.known());
    bench.depot.replace(bench.made.bytes.clone(), "\"two\"");
    assert!(matches!(
        failure(bench.known()),
        FetchFailure::Broken { gained: false, .. }
    )); // 412
    bench.known().unwrap();
    assert_eq!(bench.depot.requests()[2].header("Range"), None);
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let mut bench = Bench::new();
    bench
        .depot
        .manners([Manner::CutAfter(300_000), Manner::NoRanges]);
    failure(bench.known());
    bench.known().unwrap();
    assert_eq!(bench.here().unwrap(), bench.made.bytes);
}

#[test]
fn a_refused_grant_is_refused_and_keeps_what_is_here() {
    let mut bench = Bench::new();
    bench.depot.manners([
        Manner::CutAfter(300_000),
        Manner::Status(400),
        Manner::Status(401),
        Manner::Status(403),
    ]);
    failure(bench.known());
    for _ in 0..3 {
        assert_eq!(failure(bench.known()), FetchFailure::Refused);
    }
    assert_eq!(bench.here().unwrap().len(), 300_000);
}

#[test]
fn wrong_bytes_are_not_kept() {
    let mut bench = Bench::new();
    let mut spoilt = bench.made.bytes.clone();
    spoilt[500_000] ^= 1;
    let longer = [&bench.made.bytes[..], b"more"].concat();
    for bytes in [spoilt, longer] {
        bench.depot.replace(bytes, "\"other\"");
        assert!(matches!(failure(bench.known()), FetchFailure::Wrong(_)));
        assert_eq!(bench.here(), None);
    }
    bench.depot.manners([Manner::Status(404), Manner::Endless]);
    for _ in 0..2 {
        assert!(matches!(failure(bench.known()), FetchFailure::Wrong(_)));
    }
}

#[test]
fn a_spoilt_part_costs_one_download() {
    let mut bench = Bench::new();
    std::fs::create_dir(bench.parts()).unwrap();
    std::fs::write(part(&bench.parts(), bench.made.release.digest()), [0; 1000]).unwrap();
    assert!(matches!(failure(bench.known()), FetchFailure::Wrong(_)));
    bench.known().unwrap();
}

#[test]
fn trouble_of_the_store_is_worth_another_try() {
    let mut bench = Bench::new();
    bench.depot.manners([
        Manner::Status(500),
        Manner::Status(503),
        Manner::Status(429),
    ]);
    for _ in 0..3 {
        assert!(matches!(
            failure(bench.known()),
            FetchFailure::Broken { gained: false, .. }
        ));
    }
    bench.known().unwrap();
}

#[test]
fn software_without_a_digest_gets_one_and_is_bounded() {
    let mut bench = Bench::new();
    let wanted = Wanted::Foreign {
        url: "http://s/f".into(),
    };
    let release = bench.fetch(&wanted).unwrap();
    assert_eq!(release.digest(), bench.made.release.digest());
    assert_eq!(bench.here().unwrap(), bench.made.bytes);
    bench.depot.manners([Manner::Endless]);
    assert!(matches!(
        failure(bench.fetch(&wanted)),
        FetchFailure::Wrong(_)
    ));
}

#[test]
fn a_stopped_download_stops_and_keeps_what_is_here() {
    let mut bench = Bench::new();
    let wanted = Wanted::Known(bench.made.release.clone());
    let stopped = bench.fetch_unless(&wanted, &AtomicBool::new(true));
    assert_eq!(stopped, Err(Ended::Stopped));
}

#[test]
fn a_redirect_takes_nothing_of_the_grant_along() {
    let mut bench = Bench::new();
    let other = Depot::start(bench.made.bytes.clone());
    bench
        .depot
        .manners([Manner::Redirect(other.url("/elsewhere"))]);
    bench.known().unwrap();
    let [request] = &other.requests()[..] else {
        panic!("one request")
    };
    assert_eq!(request.target, "/elsewhere");
    for header in ["Authorization", "Cookie", "Referer"] {
        assert_eq!(request.header(header), None);
    }
    assert!(
        request
            .headers
            .iter()
            .all(|(_, value)| !value.contains("secret")),
        "{request:?}"
    );
}
