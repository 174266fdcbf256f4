//! Those of the checks that look at more than one thing.

use std::collections::BTreeMap;

use crate::demo::api::{Device, Job};
use crate::demo::bundle::{self, NAME, NEW, OLD};
use crate::demo::check::Check;
use crate::demo::fleet;
use crate::demo::stage::Stage;
use crate::demo::thief::Statuses;
use crate::demo::world::{Agent, World, agent_name};

/// Two jobs for everybody, one for each release, and all of them ended.
pub(super) fn ended_once(world: &World, jobs: &BTreeMap<String, Job>) -> Check {
    let mut faults = Vec::new();
    let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (id, job) in jobs {
        if !matches!(job.status.as_str(), "SUCCEEDED" | "FAILED") {
            faults.push(format!("job {id} of {} is {}", job.device, job.status));
        }
        let release = job.release.as_deref().unwrap_or("unknown software");
        *found.entry((&job.device, release)).or_default() += 1;
    }
    let releases = [OLD, NEW].map(|version| format!("{NAME}@{version}"));
    for id in everybody(world) {
        for release in &releases {
            match found.get(&(id.as_str(), release.as_str())) {
                Some(1) => {}
                count => faults.push(format!(
                    "{id} has {} jobs for {release}",
                    count.unwrap_or(&0)
                )),
            }
        }
    }
    Check::of_all("every job ended, and ended once", 2 * world.fleet(), faults)
}

/// What the server says a device runs is what the device runs.
pub(super) fn believes_what_is(world: &World, devices: &BTreeMap<String, Device>) -> Check {
    let runs = world.agents.iter().map(|agent| &agent.runs);
    let runs = runs.chain(world.devices.iter().map(|device| &device.runs));
    let fault = |(id, runs): (String, &Option<String>)| {
        let runs = runs.as_ref().map(|version| format!("{NAME}@{version}"));
        let seen = devices.get(&id);
        let reported = seen.and_then(|device| device.reported.clone());
        let shown = |what: &Option<String>| what.clone().unwrap_or_else(|| "nothing".into());
        if reported != runs {
            return Some(format!(
                "{id} runs {}, and the server has {}",
                shown(&runs),
                shown(&reported)
            ));
        }
        let is_online = seen.is_some_and(|device| device.online);
        (!is_online).then(|| format!("{id} is connected, and the server does not see it"))
    };
    let faults = everybody(world).zip(runs).filter_map(fault).collect();
    Check::of_all(
        "the server knows what everybody runs",
        world.fleet(),
        faults,
    )
}

/// What `current` names is the release that the agent says it runs, byte for byte.
pub(super) fn is_whole(stage: &Stage) -> Check {
    let agents = &stage.world.agents;
    let fault = |(number, agent): (usize, &Agent)| {
        let version = agent.runs.as_deref()?;
        let current = stage.root(number).join("current");
        let why = bundle::difference(&stage.tree(version), &current)?;
        Some(format!("{}: {why}", agent.id))
    };
    let faults = agents.iter().enumerate().filter_map(fault).collect();
    Check::of_all(
        "every agent runs a whole release, byte for byte",
        agents.len(),
        faults,
    )
}

/// The agent that was killed in mid-install runs the new release.
pub(super) fn recovered(stage: &Stage, victim: usize, killed_while: &str) -> Check {
    let runs = stage
        .world
        .agents
        .get(victim)
        .and_then(|agent| agent.runs.clone());
    let found = format!(
        "{}, killed in mid-install ({killed_while}), runs {}",
        agent_name(victim),
        runs.as_deref().unwrap_or("nothing")
    );
    Check::of_one(
        "the agent that was killed has recovered",
        runs.as_deref() == Some(NEW),
        found,
    )
}

/// Where the new release is bad, the old one runs, and everybody is told why.
pub(super) fn went_back(
    world: &World,
    bad: usize,
    jobs: &BTreeMap<String, Job>,
    why: Option<String>,
) -> Check {
    let id = agent_name(bad);
    let runs = world.agents.get(bad).and_then(|agent| agent.runs.clone());
    let job = jobs
        .values()
        .find(|job| job.device == id && job.status == "FAILED");
    let reason = job.and_then(|job| job.reason.clone()).unwrap_or_default();
    let held = runs.as_deref() == Some(OLD) && reason.contains("modem") && why.is_some();
    let mut check = Check::of_one(
        "where the release is bad, the former one runs, and why is said",
        held,
        format!(
            "{id} runs {}: {}",
            runs.unwrap_or_default(),
            one_line(&reason)
        ),
    );
    check
        .found
        .extend(why.map(|why| format!("refit device why {id}: {}", one_line(&why))));
    check
}

/// What one agent was given is good for it, and for no other.
pub(super) fn refused(ids: &[String; 2], owner: Statuses, thief: Statuses) -> Check {
    let [owner_id, thief_id] = ids;
    let shown = |statuses: Statuses| format!("{}, {}", statuses[0], statuses[1]);
    Check::of_one(
        "one agent was refused what another was given",
        owner == [200; 2] && thief == [403; 2],
        format!(
            "{thief_id} was refused {owner_id}'s URL and credential: {}; {owner_id} itself: {}",
            shown(thief),
            shown(owner)
        ),
    )
}

/// All IDs, agents first.
fn everybody(world: &World) -> impl Iterator<Item = String> {
    let agents = (0..world.agents.len()).map(agent_name);
    agents.chain((0..world.devices.len()).map(fleet::name))
}

/// Several lines as one.
fn one_line(text: &str) -> String {
    text.replace('\n', "; ")
}
