//! The history of jobs: written with the record, listed newest first, counted without counting.

use fastrand::Rng;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::{Progress, Status};
use refit_protocol::time::Timestamp;
use refit_replica::record::{JobEntry, Record, Stage};

use crate::conformance::{
    Place, applied, commit_one, device, entry, job_id, loaded, made, must, open_job, plain, reader,
    write,
};
use crate::reader::{Counts, JobNumber, JobRow};
use crate::store::{Guard, Operation, Outcome, Store};

/// A job is written with its record, changes with it, and reads back whole.
pub fn a_job_is_written_with_its_record(place: &dyn Place) {
    let store = place.open();
    let id = device("d");
    let mut guard = made(&*store, &id);
    let mut job = entry("0-a", Status::Queued);
    for step in 0..3 {
        match step {
            0 => {}
            1 => (job.status, job.sent) = (Status::Sent, Some(Timestamp(8))),
            _ => {
                job.status = Status::Failed;
                (job.started, job.ended) = (Some(Timestamp(9)), Some(Timestamp(10)));
                job.progress = Progress {
                    phase: Some("write".into()),
                    percent: Some(40),
                };
                job.reason = Some("no \"space\"".into());
            }
        }
        guard = applied(&*store, with_jobs(&id, guard, vec![job.clone()]));
        let row = must(reader(&*store).job(&job.id)).unwrap_or_else(|| panic!("the job is lost"));
        assert_eq!((&row.device, &row.entry), (&id, &job));
    }
    assert!(must(reader(&*store).job(&job_id("0-b"))).is_none());
}

fn with_jobs(id: &DeviceId, from: Guard, jobs: Vec<JobEntry>) -> Operation {
    let record = plain(from.revision + 1);
    Operation {
        jobs,
        ..write(id, Some(from), record)
    }
}

/// Of several entries of one job in an operation the last counts, for a new job and for a known one.
pub fn the_last_word_on_a_job_counts(place: &dyn Place) {
    let store = place.open();
    let id = device("d");
    let mut guard = made(&*store, &id);
    for last in [Status::Sent, Status::Succeeded] {
        let jobs = [Status::Queued, Status::Running, last].map(|status| entry("0-a", status));
        guard = applied(&*store, with_jobs(&id, guard, jobs.to_vec()));
        let all = must(reader(&*store).jobs(None, None, 9));
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].entry.status, last);
        agree(&*store);
    }
}

/// An operation that is refused leaves nothing of its jobs.
pub fn a_refused_operation_leaves_no_job(place: &dyn Place) {
    let store = place.open();
    let id = device("d");
    let stale = made(&*store, &id);
    applied(&*store, write(&id, Some(stale), plain(2)));
    let refused = with_jobs(&id, stale, vec![entry("0-a", Status::Queued)]);
    assert_eq!(commit_one(&*store, refused), Outcome::Conflict);
    assert!(must(reader(&*store).jobs(None, None, 9)).is_empty());
    agree(&*store);
}

/// The ID of a job that another device has is a conflict, and changes nothing: decided again, it gets another ID.
pub fn the_job_of_another_device_is_a_conflict(place: &dyn Place) {
    let store = place.open();
    let (a, b) = (device("a"), device("b"));
    let (at_a, at_b) = (made(&*store, &a), made(&*store, &b));
    applied(
        &*store,
        with_jobs(&a, at_a, vec![entry("0-a", Status::Queued)]),
    );
    let jobs = vec![entry("0-b", Status::Queued), entry("0-a", Status::Failed)];
    assert_eq!(
        commit_one(&*store, with_jobs(&b, at_b, jobs.clone())),
        Outcome::Conflict
    );
    let mut new = write(&device("c"), None, plain(1));
    new.jobs = jobs;
    assert_eq!(commit_one(&*store, new), Outcome::Conflict);
    assert_eq!(loaded(&*store, &b).record, plain(1));
    assert!(must(reader(&*store).load(&device("c"))).is_none());
    let all = must(reader(&*store).jobs(None, None, 9));
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].entry.status, Status::Queued);
    agree(&*store);
}

/// Lists of jobs are in the order of opening, the newest first, page by page; of a device, of a state, or all.
pub fn jobs_are_listed_newest_first(place: &dyn Place) {
    let store = place.open();
    let ids = [device("a"), device("b")];
    let mut guards = ids.each_ref().map(|id| made(&*store, id));
    for n in 0..20_usize {
        let (which, status) = (
            n % 2,
            if n % 3 == 0 {
                Status::Failed
            } else {
                Status::Queued
            },
        );
        let jobs = vec![entry(&format!("0-{n}"), status)];
        guards[which] = applied(&*store, with_jobs(&ids[which], guards[which], jobs));
    }
    let expected = |keep: fn(usize) -> bool| -> Vec<String> {
        (0..20)
            .rev()
            .filter(|n| keep(*n))
            .map(|n| format!("0-{n}"))
            .collect()
    };
    let mut reader = reader(&*store);
    let all = paged(|before| must(reader.jobs(None, before, 3)));
    assert_eq!(all, expected(|_| true));
    let failed = paged(|before| must(reader.jobs(Some(Status::Failed), before, 3)));
    assert_eq!(failed, expected(|n| n % 3 == 0));
    let of_b = paged(|before| must(reader.jobs_of(&ids[1], before, 3)));
    assert_eq!(of_b, expected(|n| n % 2 == 1));
    assert!(must(reader.jobs_of(&device("x"), None, 3)).is_empty());
    for (most, count) in [(9, 9), (10, 10), (11, 10)] {
        assert_eq!(must(reader.count_jobs_of(&ids[1], most)), count);
    }
    assert_eq!(must(reader.count_jobs_of(&device("x"), 9)), 0);
    for (most, count) in [(1, 1), (2, 2), (9, ids.len() as u64)] {
        assert_eq!(must(reader.count_devices(most)), count);
    }
}

/// Collects all pages, until an empty one.
fn paged(mut page: impl FnMut(Option<JobNumber>) -> Vec<JobRow>) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let rows = page(before);
        let Some(last) = rows.last() else { return all };
        before = Some(last.number);
        all.extend(rows.iter().map(|row| row.entry.id.to_string()));
    }
}

/// Devices at work are known after a restart, and only those.
pub fn who_is_at_work_is_known_after_a_restart(place: &dyn Place) {
    let stages = [
        ("none", None),
        ("queued", Some(Stage::Queued)),
        ("sent", Some(Stage::Sent { at: Timestamp(1) })),
        ("running", Some(running())),
        ("done", Some(running())),
    ];
    let store = place.open();
    for (name, stage) in stages {
        let job = stage.map(|stage| open_job(&format!("0-{name}"), 1, stage));
        let guard = made(&*store, &device(name));
        let record = Record { job, ..plain(2) };
        let guard = applied(&*store, write(&device(name), Some(guard), record));
        if name == "done" {
            applied(&*store, write(&device(name), Some(guard), plain(3)));
        }
    }
    drop(store);
    let running = must(reader(&*place.open()).running());
    assert_eq!(running, [device("running")]);
}

fn running() -> Stage {
    Stage::Running {
        sent: None,
        at: Timestamp(2),
        progress: Progress::default(),
    }
}

/// After any history the counters are what counting gives.
pub fn counters_equal_a_recount(place: &dyn Place) {
    let mut store = place.open();
    let mut random = Rng::with_seed(7);
    let mut history = History::default();
    for round in 0..60 {
        let batch: Vec<Operation> = (0..random.usize(1..40))
            .map(|_| history.operation(&mut random))
            .collect();
        let outcomes = must(store.commit(batch.clone()));
        history.learn(&batch, &outcomes);
        if round % 20 == 19 {
            drop(store);
            store = place.open();
        }
        agree(&*store);
    }
    let counts = must(reader(&*store).counts());
    assert_eq!(counts, history.counts);
    assert!(
        counts.jobs.iter().all(|count| *count > 0),
        "each state was met: {counts:?}"
    );
}

/// The counters say what counting says.
fn agree(store: &dyn Store) {
    let mut reader = reader(store);
    assert_eq!(must(reader.counts()), must(reader.recount()));
}

/// What a naive model knows of a random history.
#[derive(Default)]
struct History {
    guards: Vec<Option<Guard>>,
    jobs: std::collections::HashMap<String, Status>,
    counts: Counts,
}

impl History {
    /// Makes an operation that may be in order, stale, a duplicate, or on somebody else's job.
    fn operation(&mut self, random: &mut Rng) -> Operation {
        self.guards.resize(40, None);
        let who = random.usize(0..40);
        let jobs = (0..random.usize(0..3)).map(|_| {
            let owner = if random.u8(..) < 8 {
                random.usize(0..40)
            } else {
                who
            };
            let name = format!("0-{owner}-{}", random.usize(0..3));
            entry(&name, Status::ALL[random.usize(0..9)])
        });
        let mut jobs: Vec<JobEntry> = jobs.collect();
        jobs.sort_by(|a, b| a.id.cmp(&b.id));
        jobs.dedup_by(|a, b| a.id == b.id);
        Operation {
            jobs,
            ..write(
                &device(&format!("d{who}")),
                self.guards[who],
                plain(random.u64(1..99)),
            )
        }
    }

    fn learn(&mut self, batch: &[Operation], outcomes: &[Outcome]) {
        for (operation, outcome) in batch.iter().zip(outcomes) {
            let Outcome::Applied(guard) = outcome else {
                continue;
            };
            if operation.from.is_none() {
                self.counts.devices += 1;
            }
            let who: usize = operation.device.as_str()[1..].parse().unwrap_or_default();
            self.guards[who] = Some(*guard);
            for job in &operation.jobs {
                if let Some(old) = self.jobs.insert(job.id.to_string(), job.status) {
                    self.counts.jobs[old as usize] -= 1;
                }
                self.counts.jobs[job.status as usize] += 1;
            }
        }
    }
}
