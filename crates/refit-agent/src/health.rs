//! Runs the health command of a release within its deadline, and keeps the end of what it said.
#![expect(clippy::disallowed_methods, reason = "it waits for a process")]

use crate::config::{Check, Settings};
use crate::job::Release;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The name of the file in which a release says how to check its health.
pub const RELEASE_FILE: &str = "refit.toml";

/// The longest [`RELEASE_FILE`] that is read, in bytes.
const RELEASE_FILE_BYTES_MAX: u64 = 64 << 10;

/// What is kept of the output, in bytes: it goes into the reason, which holds 1 KiB.
const OUTPUT_BYTES_MAX: usize = 768;

/// How often a running check looks whether the agent is to end.
const LOOK: Duration = Duration::from_millis(200);

/// The time for the last output to arrive after the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Whether a release that was switched to is well.
pub trait Health: Send + Sync {
    /// Checks a release in its folder; `Err` says what is wrong, for a person.
    fn check(&self, release: &Release, folder: &Path) -> Result<(), String>;
}

/// The health command: the operator's own, or the one in the release.
#[derive(Debug)]
pub struct HealthCommand {
    /// The operator's own, which goes first.
    pub configured: Option<Check>,
    /// Set when the agent is to end.
    pub stop: Arc<AtomicBool>,
}

impl Health for HealthCommand {
    fn check(&self, release: &Release, folder: &Path) -> Result<(), String> {
        let check = match &self.configured {
            Some(check) => Some(check.clone()),
            None => of_release(folder)?,
        };
        match check {
            Some(check) => self.run(&check, release, folder),
            None => Ok(()), // nobody says how to tell: it is taken as well
        }
    }
}

fn of_release(folder: &Path) -> Result<Option<Check>, String> {
    let path = folder.join(RELEASE_FILE);
    let unreadable = |e| format!("{RELEASE_FILE} of the release cannot be read: {e}");
    let mut text = String::new();
    match File::open(&path) {
        Ok(file) => file
            .take(RELEASE_FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e)),
    };
    if text.len() as u64 > RELEASE_FILE_BYTES_MAX {
        // Its beginning alone might name no command, and the release would be taken as well.
        return Err(format!(
            "{RELEASE_FILE} of the release is longer than {RELEASE_FILE_BYTES_MAX} bytes"
        ));
    }
    let settings = Settings::parse(&text)
        .map_err(|e| format!("{RELEASE_FILE} of the release is wrong: {e}"))?;
    Ok(settings.health)
}

impl HealthCommand {
    fn run(&self, check: &Check, release: &Release, folder: &Path) -> Result<(), String> {
        let (output, input) = std::io::pipe().map_err(|e| format!("no pipe: {e}"))?;
        let both = input.try_clone().map_err(|e| format!("no pipe: {e}"))?;
        let (program, arguments) = check
            .command
            .split_first()
            .ok_or("the health command is empty")?;
        let child = Command::new(found(program, folder))
            .args(arguments)
            .current_dir(folder)
            .env("REFIT_SOFTWARE", &release.software.name)
            .env("REFIT_VERSION", &release.software.version)
            .stdin(Stdio::null())
            .stdout(input)
            .stderr(both)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("the health command {program:?} cannot be run: {e}"))?;
        let said = Said::listen(output);
        let end = self.wait(child, check.deadline);
        let said = said.last_words();
        let reason = match end {
            End::Exited(status) if status.success() => return Ok(()),
            End::Exited(status) => format!("the health command failed ({})", shown(status)),
            End::Late => format!("the health command took longer than {:?}", check.deadline),
            End::Stopped => "the agent was stopped during the health check".into(),
            End::Lost(e) => format!("the health command cannot be waited for: {e}"),
        };
        Err(if said.is_empty() {
            reason
        } else {
            format!("{reason}; it said: {said}")
        })
    }

    fn wait(&self, mut child: Child, deadline: Duration) -> End {
        let group = Pid::from_child(&child);
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(child.wait()));
        let end = self.ended(&ended, deadline);
        if matches!(end, End::Late | End::Stopped) {
            // The whole group: what the command started must not go on. It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
            drop(ended.recv());
        }
        end
    }

    fn ended(&self, ended: &Receiver<std::io::Result<ExitStatus>>, deadline: Duration) -> End {
        let begun = Instant::now();
        loop {
            let left = deadline.saturating_sub(begun.elapsed());
            match ended.recv_timeout(left.min(LOOK)) {
                Ok(Ok(status)) => return End::Exited(status),
                Ok(Err(e)) => return End::Lost(e.to_string()),
                Err(RecvTimeoutError::Disconnected) => return End::Lost("it is gone".into()),
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => {
                    return End::Stopped;
                }
                Err(RecvTimeoutError::Timeout) if begun.elapsed() >= deadline => return End::Late,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

enum End {
    Exited(ExitStatus),
    Late,
    Stopped,
    Lost(String),
}

/// A program with a path is looked for in the release; one without is the system's.
fn found(program: &str, folder: &Path) -> PathBuf {
    let path = Path::new(program);
    if path.is_relative() && program.contains('/') {
        folder.join(path)
    } else {
        path.to_path_buf()
    }
}

fn shown(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".into(),
    }
}

/// The end of what a command said.
struct Said {
    kept: Arc<Mutex<VecDeque<u8>>>,
    over: Receiver<()>,
}

impl Said {
    fn listen(mut from: impl Read + Send + 'static) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, over) = channel();
        let into = Arc::clone(&kept);
        thread::spawn(move || {
            let mut chunk = [0; 1024];
            while let Ok(count @ 1..) = from.read(&mut chunk) {
                let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&chunk[..count]);
                let excess = kept.len().saturating_sub(OUTPUT_BYTES_MAX);
                kept.drain(..excess);
            }
            sender.send(())
        });
        Self { kept, over }
    }

    /// Something that the command left behind may hold the pipe: so this waits a moment, and not for the end.
    fn last_words(self) -> String {
        let _ = self.over.recv_timeout(LAST_WORDS);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}
