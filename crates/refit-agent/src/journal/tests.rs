//! The journal against torn, corrupt and foreign bytes.

use super::*;
use crate::files::fragile::{Fate, Fragile};
use crate::job::{Finished, Outcome};
use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;

fn release(n: u8) -> Release {
    Release {
        url: format!("https://h/depot/{n}"),
        software: Software {
            name: "firmware".into(),
            version: n.to_string(),
            digest: Digest::from_bytes([n; 32]),
            length: u64::from(n),
            format: if n.is_multiple_of(2) {
                Format::File
            } else {
                Format::Tree
            },
        },
    }
}

/// One entry of each stage, and each outcome.
fn entries() -> Vec<Entry> {
    let job = JobId::parse("3-abc").unwrap();
    let trial = Trial {
        release: release(2),
        former: Some(Digest::from_bytes([1; 32])),
        tries: 2,
    };
    let finished = |outcome| Finished {
        job: job.clone(),
        outcome,
    };
    let memories = [
        Memory::default(),
        Memory {
            installed: Some(release(1)),
            last: Some(finished(Outcome::Success(release(1)))),
        },
        Memory {
            installed: None,
            last: Some(finished(Outcome::Failure("ü".repeat(512)))),
        },
        Memory {
            installed: Some(release(3)),
            last: Some(finished(Outcome::Rejected(String::new()))),
        },
    ];
    let stages = [
        Stage::Idle,
        Stage::Fetching(job.clone(), Wanted::Known(release(2))),
        Stage::Fetching(
            job.clone(),
            Wanted::Foreign {
                url: "https://s/f".into(),
            },
        ),
        Stage::Writing(job.clone(), release(3), 1),
        Stage::Fenced(job.clone(), release(2)),
        Stage::Switching(job.clone(), trial.clone()),
        Stage::Checking(job.clone(), trial.clone()),
        Stage::Confirming(job.clone(), trial.clone()),
        Stage::GoingBack(job.clone(), trial, "why".into()),
        Stage::Reporting,
    ];
    let both = stages.iter().zip(memories.iter().cycle());
    both.map(|(stage, memory)| Entry {
        memory: memory.clone(),
        stage: stage.clone(),
    })
    .collect()
}

#[test]
fn an_entry_reads_back_what_was_written() {
    for (number, entry) in entries().into_iter().enumerate() {
        let bytes = encode(number as u64, &entry);
        assert_eq!(decode(&bytes), Some((number as u64, entry.clone())));
        let before = [&bytes[..], b"what is left of a longer record"].concat();
        assert_eq!(decode(&before), Some((number as u64, entry)));
    }
}

#[test]
fn every_prefix_and_every_flipped_bit_is_no_entry() {
    for entry in entries() {
        let bytes = encode(7, &entry);
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "{length} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
    }
}

#[test]
fn a_spoilt_record_falls_back_to_the_one_before() {
    let files = Fragile::default();
    let folder = Path::new("/");
    let (mut journal, first) = Journal::open(&files, folder).unwrap();
    assert_eq!(first, Entry::default());
    let entries = entries();
    for entry in &entries[..4] {
        journal.write(&files, entry).unwrap();
    }
    files
        .overwrite(Path::new("/journal.1"), b"refit-j\x01spoilt")
        .unwrap();
    let (mut journal, entry) = Journal::open(&files, folder).unwrap();
    assert_eq!(entry, entries[2]);
    journal.write(&files, &entries[5]).unwrap();
    assert_eq!(Journal::open(&files, folder).unwrap().1, entries[5]);
}

#[test]
fn a_cut_while_writing_leaves_the_entry_or_the_one_before() {
    let entries = entries();
    for count in 0..entries.len() {
        for cut in 0.. {
            let disk = Fragile::default();
            let (mut journal, _) = Journal::open(&disk, Path::new("/")).unwrap();
            for entry in &entries[..count] {
                journal.write(&disk, entry).unwrap();
            }
            disk.cut_at(disk.changes() + cut);
            let wrote = journal.write(&disk, &entries[count]).is_ok();
            let before = count
                .checked_sub(1)
                .map(|n| entries[n].clone())
                .unwrap_or_default();
            for fate in (0..8).map(Fate::Mixed).chain([Fate::Lost, Fate::Kept]) {
                let (_, found) = Journal::open(&disk.after_cut(fate), Path::new("/")).unwrap();
                let right = found == entries[count] || !wrote && found == before;
                assert!(right, "entry {count}, cut {cut}, {fate:?}: {found:?}");
            }
            if wrote {
                break;
            }
        }
    }
}
