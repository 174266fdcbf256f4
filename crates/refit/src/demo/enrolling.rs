//! Everybody gets an identity, before anybody connects: agents by `refit-agent enrol`, simulated devices as it does.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::badge::Badge;
use super::process::Process;
use super::stage::{Stage, quiet};
use super::world::agent_name;
use super::{Failure, fleet};

/// How many simulated devices enrol at a time.
const HANDS: usize = 8;

/// Enrols everybody with one claim token, which is good for exactly that many.
pub(super) fn everybody(stage: &mut Stage) -> Result<Vec<Badge>, Failure> {
    let (agents, devices) = (stage.world.agents.len(), stage.world.devices.len());
    let token = stage.api()?.claim(agents + devices)?;
    enrol_agents(stage, &token)?;
    let (server, root) = (stage.https()?, stage.ca()?);
    let hands = thread::spawn(move || enrol_devices(server, &root, devices, &token));
    stage.ask_until("the simulated devices to have enrolled", |_| {
        Ok(hands.is_finished())
    })?;
    let enrolled = hands.join().unwrap_or_else(|_| Err("it broke off".into()));
    enrolled.map_err(|why| Failure::broken(why, "report this"))
}

/// Runs `refit-agent enrol` for each agent; the token is in a file, since everybody sees what is typed.
fn enrol_agents(stage: &mut Stage, token: &str) -> Result<(), Failure> {
    let file = stage.home().join("claim.token");
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut to| to.write_all(token.as_bytes()));
    written.map_err(Failure::system("write the claim token"))?;
    let mut running = Vec::new();
    for agent in 0..stage.world.agents.len() {
        let (id, root) = (agent_name(agent), stage.root(agent));
        fs::create_dir_all(&root).map_err(Failure::system("make an agent's root"))?;
        let mut command = quiet(Command::new(stage.refit_agent()));
        command
            .env("REFIT_TOKEN_FILE", &file)
            .args(["enrol", "--server", &stage.world.server.api])
            .args(["--id", &id, "--root"])
            .arg(root);
        let name = format!("refit-agent enrol of {id}");
        running.push(Process::start(&name, &mut command, stage.keeper(), |_| {})?);
    }
    for mut enrolling in running {
        stage.ask_until("the agents to have enrolled", |_| enrolling.has_ended())?;
        enrolling.must_have_succeeded()?;
    }
    fs::remove_file(file).map_err(Failure::system("remove the claim token"))
}

fn enrol_devices(
    server: SocketAddr,
    root: &str,
    devices: usize,
    token: &str,
) -> Result<Vec<Badge>, String> {
    let next = AtomicUsize::new(0);
    let badges = Mutex::new(Vec::new());
    let hand = || -> Result<(), String> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= devices {
                return Ok(());
            }
            let id = fleet::name(number);
            let badge = Badge::enrol(server, root, number, &id, token)
                .map_err(|why| format!("{id}: {why}"))?;
            let mut badges = badges.lock().unwrap_or_else(PoisonError::into_inner);
            badges.push((number, badge));
        }
    };
    thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(hand)).collect();
        hands
            .into_iter()
            .try_for_each(|hand| hand.join().unwrap_or_else(|_| Err("it broke off".into())))
    })?;
    let mut badges = badges.into_inner().unwrap_or_else(PoisonError::into_inner);
    badges.sort_by_key(|(number, _)| *number);
    Ok(badges.into_iter().map(|(_, badge)| badge).collect())
}
