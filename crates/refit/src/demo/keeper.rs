//! A process that outlives the demo for a moment, and puts away what it left: children that still run, and the
//! temporary directory. So nothing stays behind even if the demo itself is killed.
//!
//! The demo tells it, a line each, which processes began (`+pid`) and which are over (`-pid`). When the pipe ends, for
//! whatever reason, the demo is over.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

/// The hidden flag that makes the demo its own keeper.
pub(super) const FLAG: &str = "--keeper";

/// The demo's end of the pipe.
pub(super) struct Keeper {
    process: Mutex<Child>,
    tell: Mutex<Option<ChildStdin>>,
}

impl Keeper {
    /// Starts the keeper of a directory. It has a process group of its own: a Ctrl-C at the terminal is not for it.
    pub(super) fn start(exe: &Path, home: &Path) -> io::Result<Self> {
        let mut process = Command::new(exe)
            .args(["demo", FLAG])
            .arg(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let tell = process.stdin.take();
        Ok(Self {
            process: Mutex::new(process),
            tell: Mutex::new(tell),
        })
    }

    /// Tells it of a process that began.
    pub(super) fn began(&self, pid: u32) {
        self.tell(&format!("+{pid}\n"));
    }

    /// Tells it of a process that is over.
    pub(super) fn ended(&self, pid: u32) {
        self.tell(&format!("-{pid}\n"));
    }

    fn tell(&self, line: &str) {
        let mut tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = tell.as_mut() {
            // Without a keeper the demo still puts its own things away.
            drop(pipe.write_all(line.as_bytes()));
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let tell = self.tell.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(tell.take());
        let process = self
            .process
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        drop(process.wait());
    }
}

/// Keeps `home` until the standard input ends, then puts everything away.
pub(crate) fn keep(home: &Path) {
    let mut running = BTreeSet::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let (sign, pid) = line.split_at_checked(1).unwrap_or(("", ""));
        let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else {
            continue;
        };
        match sign {
            "+" => running.insert(pid.as_raw_nonzero()),
            _ => running.remove(&pid.as_raw_nonzero()),
        };
    }
    for pid in running
        .into_iter()
        .filter_map(|pid| Pid::from_raw(pid.get()))
    {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
    remove(home);
}

/// Removes the directory; a process that has just been killed may still have written into it meanwhile.
fn remove(home: &Path) {
    const TRIES: usize = 50;
    for _ in 0..TRIES {
        match std::fs::remove_dir_all(home) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Ok(()) | Err(_) => return,
        }
    }
}
