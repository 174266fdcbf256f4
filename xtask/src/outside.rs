//! The parts that tests need and cargo does not bring. A missing one is named, never passed over.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{program, root, run};

/// What `--outside` needs: the command, and the Debian package that has it.
const OUTSIDE: [(&str, &str); 10] = [
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("strace", "strace"),
    ("curl", "curl"),
    ("radosgw", "radosgw"),
    ("ceph-mon", "ceph-mon"),
    ("ceph-osd", "ceph-osd"),
    ("ceph", "ceph-common"),
    ("openssl", "openssl"),
    ("systemd-analyze", "systemd"),
];

/// Names every missing part at once.
pub(crate) fn check() -> Result<(), String> {
    let missing: Vec<&str> = OUTSIDE
        .iter()
        .filter(|(command, _)| !is_there(command))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the tests with outside parts need these: apt-get install {}",
        missing.join(" ")
    ))
}

fn is_there(command: &str) -> bool {
    let places = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&places)
        .chain(["/usr/sbin".into()])
        .any(|place| place.join(command).is_file())
}

/// Makes the Python environment of the tests, unless it is there; returns its interpreter.
pub(crate) fn python() -> Result<PathBuf, String> {
    let wanted = root().join("tests/python/requirements.txt");
    let home = root().join("target/python");
    let python = home.join("bin/python");
    let made_from = home.join("requirements.txt");
    let requirements =
        std::fs::read(&wanted).map_err(|why| format!("{}: {why}", wanted.display()))?;
    if std::fs::read(&made_from).is_ok_and(|made| made == requirements) {
        return Ok(python);
    }
    run(program("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&home))
    .map_err(|why| format!("{why}; the tests need python3 with venv (Debian: python3-venv)"))?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ])
    .arg(&wanted);
    run(&mut pip)?;
    std::fs::write(&made_from, requirements)
        .map_err(|why| format!("{}: {why}", made_from.display()))?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_are_tightly_sandboxed() {
        if std::env::var_os("REFIT_TEST_OUTSIDE").is_none() {
            return;
        }
        for unit in ["refit.service", "refit-agent.service"] {
            let judged = program("systemd-analyze")
                .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
                .arg(root().join("packaging/systemd").join(unit))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&judged.stdout);
            assert!(judged.status.success(), "{unit}: {said}");
        }
    }
}
