//! The head of the audit log goes out each minute: into the log, which a system journal carries away, and into a file that
//! an operator may put on another machine's disk. Only with a head that was seen elsewhere can a cut tail or a full rewrite
//! be found (semantics 21).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::readers::Readers;
use crate::wall;

/// How often it is looked whether there is another head.
const HEADS_EVERY: Duration = Duration::from_secs(60);

/// Tells each head that it sees, until the server stops; then the last one.
pub(crate) async fn tell_heads(
    readers: Arc<Readers>,
    file: Option<PathBuf>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut tick = tokio::time::interval(HEADS_EVERY);
    let mut told = 0;
    loop {
        let is_last = tokio::select! {
            _ = tick.tick() => false,
            _ = stopping.wait_for(|stopping| *stopping) => true,
        };
        // What cannot be read now is told the next time; why, whoever needs the store is told.
        if let Ok((number, head)) = readers.read(|reader| reader.audit_head()).await
            && number != told
        {
            tracing::info!(number, %head, "the head of the audit log");
            told = number;
            if let Some(file) = &file {
                let line = format!("{} {number} {head}\n", wall::now().rfc3339());
                if let Err(error) = append(file, &line) {
                    tracing::error!(
                        "failed to write the audit log's head to {}: {error}",
                        file.display()
                    );
                }
            }
        }
        if is_last {
            return;
        }
    }
}

fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o640).open(file)?;
    file.write_all(line.as_bytes())?;
    file.sync_data()
}
