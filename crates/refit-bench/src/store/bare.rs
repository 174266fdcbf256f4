//! The yardstick: what anyone would write with SQLite in twenty lines. One connection, its default checkpoints; read,
//! change, write with a check of the revision, commit a batch.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rusqlite::{Connection, params};

use crate::measure::{Run, process_cpu};
use crate::store::state;

/// A plain table of devices.
pub(crate) struct Bare {
    connection: Connection,
    devices: u64,
    random: Rng,
}

impl Bare {
    pub(crate) fn load(directory: &Path, devices: u64) -> Result<Self, Box<dyn Error>> {
        let mut connection = Connection::open(directory.join("bare.db"))?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -64 * 1024)?;
        connection.execute_batch(
            "CREATE TABLE device (num INTEGER PRIMARY KEY, ext_id TEXT NOT NULL, revision INTEGER NOT NULL,
             desired TEXT NOT NULL, reported TEXT NOT NULL); CREATE UNIQUE INDEX by_id ON device (ext_id);",
        )?;
        for slice in 0..devices.div_ceil(10_000) {
            let transaction = connection.transaction()?;
            for n in slice * 10_000..((slice + 1) * 10_000).min(devices) {
                let (desired, reported) = state(n, 0);
                transaction
                    .prepare_cached("INSERT INTO device VALUES (?, ?, 1, ?, ?)")?
                    .execute(params![
                        n.cast_signed(),
                        format!("device-{n:09}"),
                        serde_json::to_string(&desired)?,
                        serde_json::to_string(&reported)?
                    ])?;
            }
            transaction.commit()?;
        }
        Ok(Self {
            connection,
            devices,
            random: Rng::with_seed(1),
        })
    }

    /// Writes batches for this long, as fast as it goes.
    pub(crate) fn run(&mut self, lasts: Duration, batch: usize) -> Result<Run, Box<dyn Error>> {
        let (begun, cpu) = (Instant::now(), process_cpu());
        let mut updates = 0;
        while begun.elapsed() < lasts {
            self.batch(batch)?;
            updates += batch as u64;
        }
        Ok(Run {
            updates,
            took: begun.elapsed(),
            cpu: process_cpu().saturating_sub(cpu),
        })
    }

    /// Writes a batch in each interval, and returns how long each took, sorted.
    pub(crate) fn paced(
        &mut self,
        lasts: Duration,
        batch: usize,
        interval: Duration,
    ) -> Result<Vec<Duration>, Box<dyn Error>> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        for round in 1.. {
            let due = begun + interval * round;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let started = Instant::now();
            self.batch(batch)?;
            took.push(started.elapsed());
            if begun.elapsed() > lasts {
                break;
            }
        }
        took.sort_unstable();
        Ok(took)
    }

    fn batch(&mut self, batch: usize) -> Result<(), Box<dyn Error>> {
        let mut keys: Vec<u64> = (0..batch)
            .map(|_| self.random.u64(0..self.devices))
            .collect();
        keys.sort_unstable();
        let transaction = self.connection.transaction()?;
        let mut read = transaction
            .prepare_cached("SELECT revision, desired, reported FROM device WHERE num = ?")?;
        let mut write = transaction.prepare_cached(
            "UPDATE device SET revision = revision + 1, desired = ?, reported = ? WHERE num = ? AND revision = ?",
        )?;
        for key in keys {
            let key = key.cast_signed();
            let (revision, desired, mut reported): (i64, String, String) =
                read.query_row([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            // The last digit of a number in it: the length stays.
            if let Some(at) = reported.rfind(|c: char| c.is_ascii_digit()) {
                reported.replace_range(at..=at, &(revision % 10).to_string());
            }
            write.execute(params![desired, reported, key, revision])?;
        }
        drop((read, write));
        transaction.commit()?;
        Ok(())
    }
}
