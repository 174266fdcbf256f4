//! The agent's own binary.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running agent; it is killed with this value.
pub(crate) struct Program(Child);

/// Returns the command of the binary.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit-agent"));
    command
        .stdin(Stdio::null())
        .env_remove("REFIT_AGENT_CRASH_AT");
    command
}

impl Program {
    /// Starts an agent; `crash` is where it is to be killed.
    pub(crate) fn start(device: &str, root: &Path, mqtt: &str, crash: Option<&str>) -> Self {
        let mut command = command();
        command
            .args(["run", "--id", device, "--mqtt", mqtt, "--root"])
            .arg(root);
        if let Some(crash) = crash {
            command.env("REFIT_AGENT_CRASH_AT", crash);
        }
        // What it says is noise, unless somebody looks for a fault.
        if std::env::var_os("REFIT_AGENT_SHOW").is_none() {
            command.stderr(Stdio::null());
        }
        Self(command.spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Returns how it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < until, "the agent does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_root_is_one_devices_and_no_others() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("lock"), "lamp-a").unwrap();
    let output = command()
        .args(["run", "--id", "lamp-b", "--mqtt", "127.0.0.1:9", "--root"])
        .arg(home.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("that of the device lamp-a"), "{said}");
}
