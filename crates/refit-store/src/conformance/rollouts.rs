//! Rollouts: changed from the revision that was decided from, and their jobs counted with every commit.

use std::sync::mpsc;

use fastrand::Rng;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::Status;
use refit_protocol::rollout::{Assignment, RolloutId, RolloutName};
use refit_protocol::time::Timestamp;
use refit_replica::effect::Event;
use refit_replica::record::JobEntry;

use crate::conformance::{
    Place, applied, commit_one, device, entry, job_id, loaded, made, must, plain, reader, url,
    write,
};
use crate::rollout::{
    AssignedRow, Cluster, JobKind, NewRollout, RolloutChange, RolloutGuard, RolloutOutcome,
    RolloutRow, Wave, WaveCounts,
};
use crate::store::{DeviceKey, Guard, Operation, Outcome, Store};

fn name(text: &str) -> RolloutName {
    RolloutName::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn wave(wave: u16, members: &[u8]) -> Wave {
    Wave {
        wave,
        size: members.len() as u64,
        members: members.to_vec(),
    }
}

fn create(text: &str) -> RolloutChange {
    RolloutChange::Create(NewRollout {
        name: name(text),
        plan: "{}".into(),
        state: "{\"wave\":0}".into(),
        status: "DRAFT".into(),
        waves: vec![wave(0, b"abc"), wave(1, b"")],
        at: Timestamp(5),
    })
}

fn update(from: RolloutGuard, status: &str) -> RolloutChange {
    RolloutChange::Update {
        from,
        state: Some(("{\"wave\":1}".into(), status.into())),
        plan: None,
        waves: Vec::new(),
        at: Timestamp(6),
    }
}

fn rollout(store: &dyn Store, text: &str) -> RolloutGuard {
    match must(store.change_rollout(create(text), None)) {
        RolloutOutcome::Done(guard) => guard,
        other => panic!("{other:?}"),
    }
}

fn row(store: &dyn Store, text: &str) -> RolloutRow {
    match must(reader(store).rollout(&name(text))) {
        Some(row) => row,
        None => panic!("{text} should be there"),
    }
}

fn assigned(id: &str, of: RolloutGuard, attempt: u8, status: Status) -> JobEntry {
    JobEntry {
        assignment: Some(Assignment {
            rollout: of.id,
            wave: 0,
            attempt,
        }),
        origin: "rollout/r".into(),
        ..entry(id, status)
    }
}

/// Writes jobs with the record of a device.
fn with(id: &DeviceId, from: Guard, jobs: Vec<JobEntry>) -> Operation {
    Operation {
        jobs,
        ..write(id, Some(from), plain(from.revision + 1))
    }
}

fn counts(store: &dyn Store, of: RolloutGuard) -> Vec<WaveCounts> {
    let mut reader = reader(store);
    let counted = must(reader.rollout_counts(of.id));
    assert_eq!(counted, must(reader.rollout_recount(of.id)));
    counted
}

/// Returns how many jobs of all waves are of a kind.
fn count(store: &dyn Store, of: RolloutGuard, kind: JobKind) -> u64 {
    let waves = counts(store, of);
    waves.iter().map(|wave| wave.counts.of(kind)).sum()
}

/// What is read is what was written; each change raises the revision; a restart keeps it.
pub fn a_rollout_is_changed_from_its_revision(place: &dyn Place) {
    let store = place.open();
    let first = rollout(&*store, "spring");
    assert_eq!(
        must(store.change_rollout(create("spring"), None)),
        RolloutOutcome::Taken
    );
    let second = RolloutGuard {
        revision: 2,
        ..first
    };
    let changed = RolloutChange::Update {
        from: first,
        state: None,
        plan: Some("{\"pace\":9}".into()),
        waves: vec![wave(1, b"de"), wave(2, b"f")],
        at: Timestamp(6),
    };
    assert_eq!(
        must(store.change_rollout(changed, None)),
        RolloutOutcome::Done(second)
    );
    assert_eq!(
        must(store.change_rollout(update(first, "RUNNING"), None)),
        RolloutOutcome::Conflict(2)
    );
    let nobody = RolloutGuard {
        id: RolloutId(99),
        revision: 1,
    };
    assert_eq!(
        must(store.change_rollout(update(nobody, "RUNNING"), None)),
        RolloutOutcome::Missing
    );
    drop(store);
    let store = place.open();
    let expected = RolloutRow {
        id: first.id,
        name: name("spring"),
        plan: "{\"pace\":9}".into(),
        state: "{\"wave\":0}".into(),
        status: "DRAFT".into(),
        revision: 2,
        created: Timestamp(5),
        changed: Timestamp(6),
    };
    assert_eq!(row(&*store, "spring"), expected);
    assert_eq!(expected.guard(), second);
    must(store.change_rollout(update(second, "RUNNING"), None));
    let now = row(&*store, "spring");
    assert_eq!((now.status.as_str(), now.revision), ("RUNNING", 3));
    assert_eq!(now.state, "{\"wave\":1}");
    assert_eq!(
        must(reader(&*store).waves(first.id)),
        [wave(0, b"abc"), wave(1, b"de"), wave(2, b"f")]
    );
    let other = rollout(&*store, "autumn");
    assert!(other.id > first.id);
    let names: Vec<_> = must(reader(&*store).rollouts())
        .into_iter()
        .map(|row| row.name)
        .collect();
    assert_eq!(names, [name("spring"), name("autumn")]);
    assert!(must(reader(&*store).rollout(&name("winter"))).is_none());
}

/// Of several that change a rollout from one revision, one does.
pub fn of_two_that_change_a_rollout_one_is_told(place: &dyn Place) {
    let store = place.open();
    let from = rollout(&*store, "spring");
    let store = &*store;
    let outcomes: Vec<RolloutOutcome> = std::thread::scope(|scope| {
        let changers: Vec<_> = (0..4)
            .map(|_| scope.spawn(move || must(store.change_rollout(update(from, "PAUSED"), None))))
            .collect();
        let joined = changers.into_iter().map(|changer| changer.join());
        joined.filter_map(Result::ok).collect()
    });
    let done = |outcome: &&RolloutOutcome| matches!(outcome, RolloutOutcome::Done(_));
    assert_eq!(
        (outcomes.len(), outcomes.iter().filter(done).count()),
        (4, 1)
    );
}

/// From the commit of a change on, nothing that was decided before it opens a job; the rest of the batch is written.
pub fn what_was_decided_from_an_older_revision_is_void(place: &dyn Place) {
    let store = place.open();
    let from = rollout(&*store, "spring");
    let (a, b) = (device("a"), device("b"));
    let (at_a, at_b) = (made(&*store, &a), made(&*store, &b));
    let opens = |id: &DeviceId, at: Guard, job: &str, guard| Operation {
        rollout: Some(guard),
        ..with(id, at, vec![assigned(job, from, 0, Status::Queued)])
    };
    must(store.change_rollout(update(from, "ABORTED"), None));
    let batch = vec![
        opens(&a, at_a, "0-a", from),
        write(&b, Some(at_b), plain(2)),
    ];
    let outcomes = must(store.commit(batch));
    assert_eq!(outcomes[0], Outcome::Overtaken);
    assert!(matches!(outcomes[1], Outcome::Applied(_)));
    assert_eq!(loaded(&*store, &a).guard(), at_a);
    assert!(must(reader(&*store).job(&job_id("0-a"))).is_none());
    assert_eq!(counts(&*store, from), []);
    let now = row(&*store, "spring").guard();
    applied(&*store, opens(&a, at_a, "0-a", now));
    assert_eq!(count(&*store, from, JobKind::In(Status::Queued)), 1);
}

/// While operations race with an abort, none that comes after it opens a job.
pub fn an_abort_and_openings_race(place: &dyn Place) {
    let store = place.open();
    let from = rollout(&*store, "spring");
    let (answer, answers) = mpsc::channel();
    let ids: Vec<DeviceId> = (0..200).map(|n| device(&format!("d{n}"))).collect();
    let guards: Vec<Guard> = ids.iter().map(|id| made(&*store, id)).collect();
    let mut aborted = false;
    for (n, (id, guard)) in ids.iter().zip(&guards).enumerate() {
        if n == 120 {
            let done = must(store.change_rollout(update(from, "ABORTED"), None));
            aborted = matches!(done, RolloutOutcome::Done(_));
        }
        let operation = Operation {
            rollout: Some(from),
            ..with(
                id,
                *guard,
                vec![assigned(&format!("0-{n}"), from, 0, Status::Queued)],
            )
        };
        let answer = answer.clone();
        store.submit(
            vec![operation],
            Box::new(move |outcomes| drop(answer.send((n, outcomes)))),
        );
    }
    drop(answer);
    assert!(aborted);
    for (n, outcomes) in answers {
        let outcome = must(outcomes)[0];
        assert_eq!(outcome == Outcome::Overtaken, n >= 120, "{n}: {outcome:?}");
    }
    assert_eq!(count(&*store, from, JobKind::In(Status::Queued)), 120);
}

/// A device has one job of an attempt, whatever is repeated.
pub fn an_attempt_has_one_job(place: &dyn Place) {
    let store = place.open();
    let from = rollout(&*store, "spring");
    let id = device("a");
    let guard = made(&*store, &id);
    let failed = assigned("0-a", from, 0, Status::Failed);
    let guard = applied(&*store, with(&id, guard, vec![failed.clone()]));
    let again = with(&id, guard, vec![assigned("0-b", from, 0, Status::Queued)]);
    assert_eq!(commit_one(&*store, again), Outcome::Overtaken);
    assert_eq!(loaded(&*store, &id).guard(), guard);
    let twice = ["0-b", "0-c"].map(|job| assigned(job, from, 1, Status::Queued));
    assert_eq!(
        commit_one(&*store, with(&id, guard, twice.to_vec())),
        Outcome::Overtaken
    );
    // The known job is no other one, and another rollout's attempt is its own.
    let guard = applied(&*store, with(&id, guard, vec![failed]));
    let other = rollout(&*store, "autumn");
    applied(
        &*store,
        with(&id, guard, vec![assigned("0-c", other, 0, Status::Queued)]),
    );
    assert_eq!(count(&*store, from, JobKind::In(Status::Failed)), 1);
    assert_eq!(count(&*store, other, JobKind::In(Status::Queued)), 1);
}

/// A job is counted as its state, then as what came after it; a retry takes the earlier attempt out of the others.
pub fn a_job_is_of_one_kind(place: &dyn Place) {
    let store = place.open();
    let of = rollout(&*store, "spring");
    let id = device("a");
    let mut guard = made(&*store, &id);
    let kinds = |store: &dyn Store| -> Vec<JobKind> {
        let row = counts(store, of).pop();
        let counts = row.map(|row| row.counts).unwrap_or_default();
        JobKind::all().filter(|kind| counts.of(*kind) > 0).collect()
    };
    let began = |status| JobEntry {
        started: Some(Timestamp(8)),
        ..assigned("0-b", of, 1, status)
    };
    let mut put = |jobs: Vec<JobEntry>, events: Vec<Event>| {
        let operation = Operation {
            events,
            ..with(&id, guard, jobs)
        };
        guard = applied(&*store, operation);
    };
    for status in [Status::Queued, Status::Sent, Status::TimedOut] {
        put(vec![assigned("0-a", of, 0, status)], Vec::new());
        assert_eq!(kinds(&*store), [JobKind::In(status)]);
    }
    put(Vec::new(), vec![Event::LateSuccess(job_id("0-a"))]);
    assert_eq!(kinds(&*store), [JobKind::LateSuccess]);
    put(Vec::new(), vec![Event::Reverted(job_id("0-a"))]);
    assert_eq!(kinds(&*store), [JobKind::Reverted]);
    put(vec![assigned("0-b", of, 1, Status::Queued)], Vec::new());
    assert_eq!(
        kinds(&*store),
        [JobKind::In(Status::Queued), JobKind::Retried]
    );
    put(Vec::new(), vec![Event::LateSuccess(job_id("0-a"))]);
    put(vec![began(Status::TimedOut)], Vec::new());
    assert_eq!(kinds(&*store), [JobKind::Retried, JobKind::GoneDark]);
    // It ended and was fallen back from within one operation; the other event is of a job of no rollout.
    put(
        vec![assigned("0-b", of, 1, Status::Succeeded)],
        vec![
            Event::Reverted(job_id("0-b")),
            Event::Reverted(job_id("0-x")),
        ],
    );
    assert_eq!(kinds(&*store), [JobKind::Reverted, JobKind::Retried]);
    let waves = counts(&*store, of);
    assert_eq!((waves[0].counts.jobs(), waves[0].counts.devices()), (2, 1));
    let job = must(reader(&*store).job(&job_id("0-b")));
    assert_eq!(job.and_then(|job| job.kind), Some(JobKind::Reverted));
}

/// The jobs of a rollout are listed page by page; the devices that it reached too, each with its newest attempt.
pub fn jobs_and_devices_of_a_rollout_are_listed(place: &dyn Place) {
    let store = place.open();
    let of = rollout(&*store, "spring");
    let mut keys = Vec::new();
    for n in 0..10 {
        let id = device(&format!("d{n}"));
        let guard = made(&*store, &id);
        let status = match n % 3 {
            0 => Status::Failed,
            _ => Status::Succeeded,
        };
        let job = format!("0-{n}");
        let guard = applied(
            &*store,
            with(&id, guard, vec![assigned(&job, of, 0, status)]),
        );
        if n == 0 {
            let again = assigned("0-again", of, 1, Status::Sent);
            applied(&*store, with(&id, guard, vec![again]));
        }
        keys.push(guard.key);
    }
    applied(
        &*store,
        Operation {
            jobs: vec![entry("0-direct", Status::Queued)],
            ..write(&device("other"), None, plain(1))
        },
    );
    let mut reads = reader(&*store);
    let mut listed = |kind| {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let rows = must(reads.rollout_jobs(of.id, kind, before, 2));
            let Some(last) = rows.last() else { return all };
            before = Some(last.number);
            all.extend(rows.iter().map(|row| row.entry.id.to_string()));
        }
    };
    assert_eq!(listed(None).len(), 11);
    assert_eq!(
        listed(Some(JobKind::In(Status::Failed))),
        ["0-9", "0-6", "0-3"]
    );
    assert_eq!(listed(Some(JobKind::Retried)), ["0-0"]);
    let (mut all, mut after) = (Vec::new(), DeviceKey(0));
    loop {
        let page: Vec<AssignedRow> = must(reads.assigned(of.id, after, 3));
        let Some(last) = page.last() else { break };
        after = last.key;
        all.extend(page);
    }
    assert!(all.iter().map(|row| row.key).eq(keys));
    assert_eq!(all[0].assignment.attempt, 1);
    assert_eq!(all[0].kind, JobKind::In(Status::Sent));
    assert_eq!(all[1].kind, JobKind::In(Status::Succeeded));
}

/// What went wrong is gathered by how, why and from where.
pub fn failures_are_clustered(place: &dyn Place) {
    let store = place.open();
    let of = rollout(&*store, "spring");
    let cases = [
        (Status::Failed, Some("verify"), 1),
        (Status::Failed, Some("verify"), 1),
        (Status::Failed, Some("verify"), 2),
        (Status::Rejected, None, 1),
        (Status::Succeeded, Some("already there"), 1),
        (Status::Failed, Some("verify"), 1),
    ];
    for (n, (status, reason, from)) in cases.into_iter().enumerate() {
        let job = JobEntry {
            reason: reason.map(String::from),
            previous: Some(url(from)),
            ..assigned(&format!("0-{n}"), of, 0, status)
        };
        let operation = Operation {
            jobs: vec![job],
            ..write(&device(&format!("d{n}")), None, plain(1))
        };
        applied(&*store, operation);
    }
    let there = count(&*store, of, JobKind::AlreadyThere);
    assert_eq!(there, 1);
    let cluster = |status, reason: Option<&str>, from, jobs| Cluster {
        kind: JobKind::In(status),
        reason: reason.map(String::from),
        previous: Some(url(from)),
        jobs,
    };
    let clusters = must(reader(&*store).failure_clusters(of.id, 9));
    let expected = [
        cluster(Status::Failed, Some("verify"), 1, 3),
        cluster(Status::Failed, Some("verify"), 2, 1),
        cluster(Status::Rejected, None, 1, 1),
    ];
    assert_eq!(clusters, expected);
    assert_eq!(must(reader(&*store).failure_clusters(of.id, 1)).len(), 1);
}

/// After any history the counts of each rollout are what counting gives, restarts in between.
pub fn counts_of_rollouts_equal_a_recount(place: &dyn Place) {
    let mut store = place.open();
    let mut random = Rng::with_seed(11);
    let rollouts = ["a", "b", "c"].map(|text| rollout(&*store, text));
    let ids: Vec<DeviceId> = (0..30).map(|n| device(&format!("d{n}"))).collect();
    let mut guards: Vec<Guard> = ids.iter().map(|id| made(&*store, id)).collect();
    let mut met = [0_u64; JobKind::COUNT];
    for round in 0..60 {
        let batch: Vec<(usize, Operation)> = (0..random.usize(1..30))
            .map(|_| {
                let who = random.usize(0..ids.len());
                (
                    who,
                    any_operation(&mut random, &ids[who], guards[who], &rollouts),
                )
            })
            .collect();
        let operations = batch.iter().map(|(_, operation)| operation.clone());
        let outcomes = must(store.commit(operations.collect()));
        for ((who, _), outcome) in batch.iter().zip(outcomes) {
            if let Outcome::Applied(guard) = outcome {
                guards[*who] = guard;
            }
        }
        if round % 20 == 19 {
            drop(store);
            store = place.open();
        }
        for of in rollouts {
            for wave in counts(&*store, of) {
                for (met, kind) in met.iter_mut().zip(JobKind::all()) {
                    *met += wave.counts.of(kind);
                }
            }
        }
    }
    assert!(met.iter().all(|met| *met > 0), "each kind was met: {met:?}");
}

/// An operation that may be in order, stale, overtaken, or about jobs that never were.
fn any_operation(
    random: &mut Rng,
    id: &DeviceId,
    from: Guard,
    rollouts: &[RolloutGuard],
) -> Operation {
    let mut named = || {
        let of = rollouts[random.usize(0..rollouts.len())];
        let attempt = random.u8(0..3);
        // Now and then another job of the same attempt.
        let other = if random.u8(..) < 16 { "x" } else { "" };
        let wave = u16::from(id.as_str().ends_with('1'));
        let job = format!("0-{id}-{}-{attempt}{other}", of.id);
        let status = Status::ALL[random.usize(0..Status::ALL.len())];
        let mut entry = assigned(&job, of, attempt, status);
        if let Some(assignment) = &mut entry.assignment {
            assignment.wave = wave;
        }
        entry.started = random.bool().then_some(Timestamp(8));
        entry.reason = random.bool().then(|| "already there".into());
        entry
    };
    let (one, two, three) = (named(), named(), named());
    let (first, second) = (random.bool(), random.bool());
    let event = match first {
        true => Event::LateSuccess(two.id),
        false => Event::Reverted(two.id),
    };
    let guard = (random.u8(..) < 30).then(|| RolloutGuard {
        revision: 1 + u64::from(second),
        ..rollouts[0]
    });
    Operation {
        events: if second { vec![event] } else { Vec::new() },
        rollout: guard,
        ..with(id, from, if first { vec![one, three] } else { vec![one] })
    }
}

/// What was acknowledged of a rollout is there after a restart; a device that it reached is not to do again.
pub fn an_opening_goes_on_after_a_restart(place: &dyn Place) {
    let store = place.open();
    let of = rollout(&*store, "spring");
    let ids: Vec<DeviceId> = (0..40).map(|n| device(&format!("d{n}"))).collect();
    for id in &ids {
        made(&*store, id);
    }
    let open = |store: &dyn Store, ids: &[DeviceId]| -> Vec<Outcome> {
        let operations = ids.iter().map(|id| {
            let jobs = vec![assigned(&format!("0-{id}"), of, 0, Status::Queued)];
            Operation {
                rollout: Some(of),
                ..with(id, loaded(store, id).guard(), jobs)
            }
        });
        must(store.commit(operations.collect()))
    };
    open(&*store, &ids[..15]);
    drop(store);
    let store = place.open();
    let reached = must(reader(&*store).assigned(of.id, DeviceKey(0), 99));
    let todo: Vec<DeviceId> = ids
        .iter()
        .filter(|id| {
            let key = loaded(&*store, id).key;
            reached.iter().all(|row| row.key != key)
        })
        .cloned()
        .collect();
    assert_eq!(todo.len(), 25);
    let outcomes = open(&*store, &todo);
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Applied(_))));
    assert_eq!(count(&*store, of, JobKind::In(Status::Queued)), 40);
}
