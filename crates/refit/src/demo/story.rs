//! What happens, in order, and what must be true at the end.

mod checks;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::api::Grant;
use super::badge::Badge;
use super::bundle::{NAME, NEW, OLD};
use super::check::Check;
use super::stage::{self, Stage};
use super::thief::{self, Booty};
use super::world::{Tone, Wave, World, agent_name};
use super::{Failure, Wanted, enrolling, fleet, grouped, picture, screen};

/// The story. A step waits for its own end, so that the next one finds what it needs.
pub(super) const STEPS: [Step; 9] = [
    the_server_starts,
    everybody_enrols,
    the_fleet_connects,
    everybody_goes_to_the_old_release,
    the_new_release_is_wished_for,
    an_agent_is_killed_in_mid_install,
    the_server_is_killed_in_mid_flight,
    the_rest_of_the_fleet_arrives,
    everything_is_checked,
];

type Step = fn(&mut Stage, &mut Plot) -> Result<(), Failure>;

/// The steps of an update in which an agent is in mid-install: after the download, before the end.
const MID_INSTALL: [&str; 5] = ["writing", "fenced", "switching", "checking", "confirming"];

/// What the steps leave to each other.
pub(super) struct Plot {
    /// The agent that is killed.
    victim: usize,
    /// The agent on which the new release is bad.
    bad: usize,
    /// What the victim was doing.
    killed_while: &'static str,
    /// What had been acknowledged when the server was killed, held against the server that came back.
    survived: Option<Check>,
    /// Who the simulated devices are, until they start.
    badges: Vec<Badge>,
    /// Whether one agent was refused what another was given.
    refused: Option<Check>,
}

/// Tells the story. Whether every check held is the result; a story that broke off is a failure.
pub(crate) fn run(wanted: &Wanted) -> Result<bool, Failure> {
    let mut stage = Stage::build(wanted)?;
    let mut plot = Plot {
        victim: wanted.agents / 4,
        bad: wanted.agents / 2,
        killed_while: "",
        survived: None,
        badges: Vec::new(),
        refused: None,
    };
    let told = STEPS
        .iter()
        .try_for_each(|step| step(&mut stage, &mut plot));
    if told.is_err() {
        // What was known when it broke off helps to see why.
        stage.show_all()?;
    }
    told?;
    let all_held = stage.world.checks.iter().all(Check::held);
    close(&mut stage, wanted, &plot, all_held)?;
    stage.show_end(all_held)?;
    if let Some(file) = &wanted.picture {
        draw(&stage.world, file)?;
    }
    match wanted.stay.then(|| stage.stay()) {
        None | Some(Failure::Interrupted) => Ok(all_held),
        Some(failure) => Err(failure),
    }
}

fn the_server_starts(stage: &mut Stage, _: &mut Plot) -> Result<(), Failure> {
    stage.start_server()?;
    let (api, mqtt) = (&stage.world.server.api, &stage.world.server.mqtt);
    let text = format!("refit serve is up, with a CA of its own: {api} and {mqtt}");
    stage.world.tell(Tone::Step, text);
    Ok(())
}

fn everybody_enrols(stage: &mut Stage, plot: &mut Plot) -> Result<(), Failure> {
    let began = Instant::now();
    plot.badges = enrolling::everybody(stage)?;
    let text = format!(
        "{} have enrolled by one claim token, each with a key of its own, {:.1} s later",
        grouped(stage.world.fleet()),
        began.elapsed().as_secs_f64()
    );
    stage.world.tell(Tone::Good, text);
    Ok(())
}

fn the_fleet_connects(stage: &mut Stage, plot: &mut Plot) -> Result<(), Failure> {
    for agent in 0..stage.world.agents.len() {
        stage.start_agent(agent, agent == plot.bad)?;
    }
    stage.start_devices(std::mem::take(&mut plot.badges))?;
    stage.wait_for("everybody to be connected", |world| {
        world.online() == world.fleet()
    })?;
    let (devices, agents) = (stage.world.devices.len(), stage.world.agents.len());
    let text = format!(
        "{} devices and {agents} agents are connected, over TLS with their certificates",
        grouped(devices)
    );
    stage.world.tell(Tone::Step, text);
    Ok(())
}

fn everybody_goes_to_the_old_release(stage: &mut Stage, _: &mut Plot) -> Result<(), Failure> {
    release(stage, OLD, 0)?;
    stage.wait_for("everybody to have ended with 1.0.0", |world| {
        is_over(world, 0)
    })?;
    let took = arrived(&mut stage.world, 0);
    let text = format!(
        "all {} run {OLD} and have said so, {took:.1} s later",
        grouped(stage.world.fleet())
    );
    stage.world.tell(Tone::Good, text);
    Ok(())
}

fn the_new_release_is_wished_for(stage: &mut Stage, _: &mut Plot) -> Result<(), Failure> {
    release(stage, NEW, 1)
}

/// Adds a release, and wishes for it everywhere.
fn release(stage: &mut Stage, version: &str, wave: usize) -> Result<(), Failure> {
    stage.add_release(version)?;
    if let Some(wave) = stage.world.waves.get_mut(wave) {
        wave.began = Some(Instant::now());
    }
    stage.desire(version)?;
    let all = grouped(stage.world.fleet());
    stage.world.tell(
        Tone::Step,
        format!("{NAME} {version} is added, and wished for on all {all}"),
    );
    Ok(())
}

fn an_agent_is_killed_in_mid_install(stage: &mut Stage, plot: &mut Plot) -> Result<(), Failure> {
    let victim = plot.victim;
    let id = agent_name(victim);
    stage.wait_for(&format!("{id} to be in mid-install"), |world| {
        world.agents.get(victim).is_some_and(|agent| {
            agent.to.as_deref() == Some(NEW) && MID_INSTALL.contains(&agent.stage.as_str())
        })
    })?;
    stage.kill_agent(victim)?;
    plot.killed_while = stage
        .world
        .agents
        .get(victim)
        .map(|a| a.doing())
        .unwrap_or_default();
    let text = format!(
        "{id} is killed (SIGKILL) in mid-install: {}",
        plot.killed_while
    );
    stage.world.tell(Tone::Bad, text);
    another_tries_what_it_was_given(stage, plot)?;
    stage.start_agent(victim, false)?;
    stage.world.tell(
        Tone::Step,
        format!("{id} is started again, with what its journal says"),
    );
    Ok(())
}

/// While its owner is down, its job is open, and what it was given is good: for the owner.
fn another_tries_what_it_was_given(stage: &mut Stage, plot: &mut Plot) -> Result<(), Failure> {
    let (owner, thief) = (plot.victim, (plot.victim + 1) % stage.world.agents.len());
    let ids = [agent_name(owner), agent_name(thief)];
    let check = theft(stage, owner, thief, &ids).map_err(|why| {
        let what = format!("{} could not try what {} was given: {why}", ids[1], ids[0]);
        Failure::broken(what, "report this")
    })?;
    let tone = if check.held() { Tone::Good } else { Tone::Bad };
    stage.world.tell(tone, check.found.join("; "));
    plot.refused = Some(check);
    Ok(())
}

fn theft(stage: &Stage, owner: usize, thief: usize, ids: &[String; 2]) -> Result<Check, String> {
    let shown = |failure: Failure| failure.to_string();
    let (api, server) = (stage.api().map_err(shown)?, stage.https().map_err(shown)?);
    let badge = |agent| Badge::of_agent(&stage.root(agent));
    let (owner_badge, thief_badge) = (badge(owner)?, badge(thief)?);
    let job = stage.world.agents.get(owner).and_then(|a| a.job.clone());
    let job = job.ok_or("it has no job")?;
    let release = format!("{NAME}@{NEW}");
    let grant = |grant| api.desire(&ids[0], &release, Some(grant)).map_err(shown);
    let mine = stage::grant_of(owner);
    grant(Grant::Presigned)?;
    let url = thief::presigned(&owner_badge, server)?;
    grant(Grant::Credential)?;
    let credential = thief::credential(&owner_badge, server, &job)?;
    let booty = Booty { url, credential };
    let owner = thief::tries(&owner_badge, server, &booty)?;
    let thief = thief::tries(&thief_badge, server, &booty)?;
    grant(mine)?;
    Ok(checks::refused(ids, owner, thief))
}

fn the_server_is_killed_in_mid_flight(stage: &mut Stage, plot: &mut Plot) -> Result<(), Failure> {
    stage.wait_for("the server to have taken every wish", |world| {
        world.wished == world.fleet()
    })?;
    stage.wait_for("a quarter of the fleet to have ended with 2.0.0", |world| {
        wave(world, 1).ended() >= world.fleet() / 4
    })?;
    stage.kill_server()?;
    let (ended, all) = (wave(&stage.world, 1).ended(), stage.world.fleet());
    let text = format!(
        "the server is killed (SIGKILL): {} of {} are at work",
        grouped(all - ended),
        grouped(all)
    );
    stage.world.tell(Tone::Bad, text);
    let killed = Instant::now();
    // After this no acknowledgement of the killed server is still under way.
    stage.wait_for("everybody to have lost the server", |world| {
        world.online() == 0
    })?;
    let promised = stage.world.ledger.clone();
    stage.start_server()?;
    let survived = promised.compare(&stage.api()?.jobs()?);
    let text = format!(
        "the server is up again, {:.1} s later: {} of {} acknowledged words are there",
        killed.elapsed().as_secs_f64(),
        grouped(survived.kept),
        grouped(survived.of)
    );
    let check = Check::of_all(
        "what was acknowledged before the server was killed was there when it came back",
        survived.of,
        survived.lost,
    );
    if !check.held() {
        // The fleet would wait for ever for what is gone.
        stage.world.tell(Tone::Bad, text);
        stage.world.checks.push(check);
        return Err(Failure::broken(
            "the server has lost what it had acknowledged",
            "this is the gravest fault that Refit can have: report it, with what is printed above",
        ));
    }
    stage.world.tell(Tone::Good, text);
    plot.survived = Some(check);
    Ok(())
}

fn the_rest_of_the_fleet_arrives(stage: &mut Stage, _: &mut Plot) -> Result<(), Failure> {
    stage.wait_for("everybody to have ended with 2.0.0", |world| {
        is_over(world, 1)
    })?;
    stage.wait_for("everybody to be connected again", |world| {
        world.online() == world.fleet()
    })?;
    let took = arrived(&mut stage.world, 1);
    let wave = wave(&stage.world, 1);
    let text = format!(
        "{} run {NEW}, {} went back, {took:.1} s later",
        grouped(wave.done),
        grouped(wave.failed)
    );
    stage.world.tell(Tone::Good, text);
    Ok(())
}

fn wave(world: &World, number: usize) -> Wave {
    world.waves.get(number).cloned().unwrap_or_default()
}

fn is_over(world: &World, number: usize) -> bool {
    wave(world, number).ended() == world.fleet()
}

/// Notes that a wave is over, and returns how many seconds it took.
fn arrived(world: &mut World, number: usize) -> f64 {
    let Some(wave) = world.waves.get_mut(number) else {
        return 0.0;
    };
    wave.took = wave.began.map(|began| began.elapsed());
    wave.took.unwrap_or_default().as_secs_f64()
}

fn everything_is_checked(stage: &mut Stage, plot: &mut Plot) -> Result<(), Failure> {
    let (jobs, devices) = (stage.api()?.jobs()?, stage.api()?.devices()?);
    let why = stage.api()?.why(&agent_name(plot.bad))?;
    let world = &stage.world;
    let kept = world.ledger.compare_ends(&jobs);
    let mut checks = vec![Check::of_all(
        "nothing acknowledged was lost",
        kept.of,
        kept.lost,
    )];
    checks.extend(plot.survived.take());
    checks.extend(plot.refused.take());
    checks.extend([
        checks::ended_once(world, &jobs),
        checks::believes_what_is(world, &devices),
        checks::is_whole(stage),
        checks::recovered(stage, plot.victim, plot.killed_while),
        checks::went_back(world, plot.bad, &jobs, why),
        Check::of_all(
            "nobody was told or given anything wrong",
            world.fleet(),
            world.wrongs.clone(),
        ),
    ]);
    stage.world.checks = checks;
    Ok(())
}

fn close(stage: &mut Stage, wanted: &Wanted, plot: &Plot, all_held: bool) -> Result<(), Failure> {
    let world = &stage.world;
    let held = world.checks.iter().filter(|check| check.held()).count();
    let mut closing = vec![format!(
        "{held} of {} checks held in {:.1} s; {} downloads by simulated devices, {:.1} MB, all verified.",
        world.checks.len(),
        world.began.elapsed().as_secs_f64(),
        grouped(world.downloads),
        world.downloaded as f64 / 1e6,
    )];
    if !all_held {
        closing.push("This is a fault of Refit. Please report it with this output.".into());
    }
    if wanted.stay {
        closing.extend(to_try(&typed()?, &stage.data(), plot));
    }
    stage.world.closing = closing;
    stage.world.is_told = true;
    Ok(())
}

/// Three commands that work while the demo stays.
fn to_try(refit: &Path, data: &Path, plot: &Plot) -> Vec<String> {
    let refit = refit.display();
    vec![
        String::new(),
        "It goes on until Ctrl-C. To try, in another terminal:".into(),
        format!("  export REFIT_DATA={}", data.display()),
        format!("  {refit} device why {}", agent_name(plot.bad)),
        format!("  {refit} device set {} {NAME}@{OLD}", fleet::name(0)),
        format!("  {refit} job list --status FAILED"),
    ]
}

/// This program, as somebody in the same directory would type it.
fn typed() -> Result<PathBuf, Failure> {
    let exe = std::env::current_exe().map_err(Failure::system("find this program"))?;
    let here = std::env::current_dir().unwrap_or_default();
    Ok(exe.strip_prefix(here).map(Path::to_owned).unwrap_or(exe))
}

fn draw(world: &World, file: &Path) -> Result<(), Failure> {
    let lines = screen::lines(world, screen::COLUMNS, usize::MAX);
    let title = "The screen of refit demo at its end: two releases, every agent, the last events, and the checks that held";
    fs::write(file, picture::svg(&lines, title)).map_err(Failure::system("write the picture"))
}
