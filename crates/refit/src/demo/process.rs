//! The real processes: started, listened to, killed; and none left behind.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Failure;
use super::keeper::Keeper;

/// How many of its last lines are kept, to be shown if it ends when it should not.
const LINES_KEPT: usize = 12;

/// A process that the demo started. It is killed when it is dropped.
pub(super) struct Process {
    name: String,
    child: Child,
    ended: Option<ExitStatus>,
    lines: Arc<Mutex<VecDeque<String>>>,
    keeper: Arc<Keeper>,
}

impl Process {
    /// Starts a process in a group of its own, so that Ctrl-C reaches the demo alone, and hands every line that it
    /// writes for people, on stderr, to `hear`.
    pub(super) fn start(
        name: &str,
        command: &mut Command,
        keeper: &Arc<Keeper>,
        hear: impl Fn(String) + Send + 'static,
    ) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(Failure::system(&format!("start {name}")))?;
        keeper.began(child.id());
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(err) = child.stderr.take() {
            listen(err, Arc::clone(&lines), hear);
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            ended: None,
            lines,
            keeper: Arc::clone(keeper),
        })
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL, and returns when it is over.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        if self.ended.is_none() {
            let failed = format!("kill {}", self.name);
            self.child.kill().map_err(Failure::system(&failed))?;
            self.wait().map_err(Failure::system(&failed))?;
        }
        Ok(())
    }

    fn wait(&mut self) -> std::io::Result<()> {
        self.ended = Some(self.child.wait()?);
        self.keeper.ended(self.child.id());
        Ok(())
    }

    /// Fails if it has ended by itself.
    pub(super) fn must_run(&mut self) -> Result<(), Failure> {
        self.has_ended()?;
        match self.ended {
            None => Ok(()),
            Some(status) => Err(Failure::broken(
                format!("{} ended by itself ({})", self.name, shown(status)),
                self.last_words(),
            )),
        }
    }

    /// Tells whether it has ended.
    pub(super) fn has_ended(&mut self) -> Result<bool, Failure> {
        if self.ended.is_none() {
            let looked = self.child.try_wait();
            self.ended = looked.map_err(Failure::system(&format!("look at {}", self.name)))?;
            if self.ended.is_some() {
                self.keeper.ended(self.child.id());
            }
        }
        Ok(self.ended.is_some())
    }

    /// Fails if it has not ended well.
    pub(super) fn must_have_succeeded(&self) -> Result<(), Failure> {
        match self.ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Failure::broken(
                format!("{} failed ({})", self.name, shown(status)),
                self.last_words(),
            )),
            None => Err(Failure::broken(
                format!("{} has not ended", self.name),
                "report this",
            )),
        }
    }

    /// Returns the last lines that it wrote, for a person.
    pub(super) fn last_words(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return format!("{} wrote nothing", self.name);
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        format!("the last lines of {}:\n{}", self.name, lines.join("\n"))
    }

    /// Asks it to end with SIGTERM.
    pub(super) fn ask_to_end(&self) {
        if self.ended.is_none()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits until it has ended, or kills it when the time is over.
    pub(super) fn end_by(&mut self, deadline: Instant) {
        while let Ok(false) = self.has_ended() {
            if Instant::now() >= deadline {
                drop(self.kill());
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

fn shown(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".into(),
    }
}

fn listen(
    from: impl Read + Send + 'static,
    into: Arc<Mutex<VecDeque<String>>>,
    hear: impl Fn(String) + Send + 'static,
) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            {
                let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LINES_KEPT {
                    kept.pop_front();
                }
                kept.push_back(line.clone());
            }
            hear(line);
        }
    });
}
