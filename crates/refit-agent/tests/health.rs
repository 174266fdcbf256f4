//! The health command: its end, its deadline, its output.

use crate::releases;
use refit_agent::config::Check;
use refit_agent::health::{Health, HealthCommand};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn check(script: &str, deadline_ms: u64, folder: &Path) -> Result<(), String> {
    let command = HealthCommand {
        configured: Some(Check {
            command: vec!["sh".into(), "-c".into(), script.into()],
            deadline: Duration::from_millis(deadline_ms),
        }),
        stop: Arc::new(AtomicBool::new(false)),
    };
    command.check(&releases::file("2.0.0", vec![1]).release, folder)
}

#[test]
fn a_command_that_ends_well_is_health() {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("here"), "").unwrap();
    assert_eq!(
        check(
            "test -e here && test $REFIT_VERSION = 2.0.0",
            10_000,
            home.path()
        ),
        Ok(())
    );
}

#[test]
fn a_failure_says_its_last_lines() {
    let home = TempDir::new().unwrap();
    let why = check(
        "seq 1 100000; echo the lamp is dark >&2; exit 3",
        10_000,
        home.path(),
    )
    .unwrap_err();
    assert!(
        why.contains("exit code 3") && why.ends_with("the lamp is dark"),
        "{why}"
    );
    assert!(why.len() < 1024, "{} bytes", why.len());
}

#[test]
fn a_late_command_is_killed_with_all_it_started() {
    let home = TempDir::new().unwrap();
    let begun = Instant::now();
    let why = check(
        "sleep 600 & echo $! > child; echo waiting; wait",
        300,
        home.path(),
    )
    .unwrap_err();
    assert!(
        why.contains("longer than 300ms") && why.ends_with("waiting"),
        "{why}"
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
    let child = std::fs::read_to_string(home.path().join("child")).unwrap();
    while let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())) {
        // A zombie is dead too: only nobody has waited for it yet.
        if stat.contains(") Z ") {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it lives: {stat}"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_release_can_say_itself_how_it_is_checked() {
    let home = TempDir::new().unwrap();
    let command = HealthCommand {
        configured: None,
        stop: Arc::new(AtomicBool::new(false)),
    };
    let release = releases::file("2.0.0", vec![1]).release;
    assert_eq!(
        command.check(&release, home.path()),
        Ok(()),
        "nobody says how: it is taken as well"
    );
    let say = |text: &str| std::fs::write(home.path().join("refit.toml"), text).unwrap();
    say("[health]\ncommand = [\"false\"]");
    assert!(
        command
            .check(&release, home.path())
            .unwrap_err()
            .contains("exit code 1")
    );
    say("[health]\ncommand = [\"./none\"]");
    assert!(
        command
            .check(&release, home.path())
            .unwrap_err()
            .contains("cannot be run")
    );
    say("[wealth]");
    assert!(
        command
            .check(&release, home.path())
            .unwrap_err()
            .contains("refit.toml")
    );
}

#[test]
fn a_release_file_without_end_is_refused_and_not_read() {
    let home = TempDir::new().unwrap();
    let file = std::fs::File::create(home.path().join("refit.toml")).unwrap();
    file.set_len(1 << 40).unwrap();
    let command = HealthCommand {
        configured: None,
        stop: Arc::new(AtomicBool::new(false)),
    };
    let release = releases::file("2.0.0", vec![1]).release;
    let why = command.check(&release, home.path()).unwrap_err();
    assert!(why.contains("longer than 65536 bytes"), "{why}");
}
