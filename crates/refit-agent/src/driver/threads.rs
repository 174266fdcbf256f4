//! The other threads: the link, the work, the signals, and the operator's command for other state.

use super::keeper::{self, Nudge, Post};
use super::log::say;
use super::who::Who;
use super::{News, Start, now, seed};
use crate::files::Files;
use crate::hands::Hands;
use crate::health::HealthCommand;
use crate::installer::Tree;
use crate::link::back_off::first;
use crate::link::{self, Orders, Via, poll};
use crate::machine::effect::Effect;
use crate::machine::state::Chance;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// The thread that keeps the link.
pub(super) struct Link {
    pub(super) give: Orders,
    /// Something comes when the link has ended.
    pub(super) closed: Receiver<()>,
}

pub(super) fn start_link(start: &Start, who: &Who, news: Sender<News>) -> Result<Link, String> {
    let (give, inbox) = link::orders().map_err(|e| format!("no queue for the link: {e}"))?;
    let (sender, closed) = channel();
    let (device, server) = (who.device.clone(), who.server.clone());
    let (via, client) = (start.via, who.client.clone());
    let mut chance = Chance {
        seed: seed()?,
        drawn: 0,
    };
    let since_boot = Duration::from_millis(now().mono.0);
    let first = first(device.as_str(), since_boot, start.settings.connect_spread);
    thread::spawn(move || {
        let mut say = |event| drop(news.send(News::Link(event)));
        let mut draw = |end| chance.below(end);
        let device = device.as_str();
        match via {
            Via::Mqtt => link::keep(device, &server, first, &inbox, &mut draw, &mut say),
            Via::Poll => {
                let to = (&server, &client);
                poll::keep(device, to, first, &inbox, &mut draw, &mut say);
            }
        }
        sender.send(())
    });
    Ok(Link { give, closed })
}

/// Starts the thread that keeps the identity, if there is one.
pub(super) fn start_keeper(
    start: &Start,
    who: &Who,
    files: Arc<dyn Files>,
    news: Sender<News>,
) -> Result<Option<Sender<Nudge>>, String> {
    let Some(current) = who.current() else {
        return Ok(None);
    };
    let (sender, nudges) = channel();
    let post = Post {
        files,
        root: start.root.clone(),
        current: Arc::clone(current),
        client: who.client.clone(),
        keep_key: start.settings.keep_key,
        nudges,
        news,
    };
    let mut chance = Chance {
        seed: seed()?,
        drawn: 0,
    };
    thread::spawn(move || keeper::run(&post, &mut |end| chance.below(end)));
    Ok(Some(sender))
}

/// The thread that does the work.
pub(super) struct Worker {
    pub(super) tasks: Sender<(Effect, Arc<AtomicBool>)>,
    pub(super) stop_fetch: Arc<AtomicBool>,
}

pub(super) fn start_worker(
    start: &Start,
    who: &Who,
    files: Arc<dyn Files>,
    tree: Tree,
    stop: Arc<AtomicBool>,
    news: Sender<News>,
) -> Worker {
    let hands = Hands {
        files,
        installer: Arc::new(tree),
        http: Arc::new(who.client.clone()),
        health: Arc::new(HealthCommand {
            configured: start.settings.health.clone(),
            stop,
        }),
        root: start.root.clone(),
        length_max: start.settings.artifact_bytes_max,
    };
    let (tasks, queue) = channel::<(Effect, Arc<AtomicBool>)>();
    thread::spawn(move || {
        for (effect, stop) in queue {
            let mut say = |input| drop(news.send(News::Input(input)));
            hands.work(effect, &stop, &mut say);
        }
    });
    Worker {
        tasks,
        stop_fetch: Arc::new(AtomicBool::new(false)),
    }
}

/// SIGTERM and SIGINT end the agent in good order.
pub(super) fn on_signal(news: Sender<News>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("signals cannot be caught: {e}");
    let (mut read, write) = UnixStream::pair().map_err(failed)?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let write = write.try_clone().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, write).map_err(failed)?;
    }
    thread::spawn(move || {
        let mut byte = [0];
        while read.read(&mut byte).is_ok_and(|count| count > 0) {
            drop(news.send(News::Stop));
        }
    });
    Ok(())
}

/// Hands other state to the operator's command, on a thread of its own: it may take its time.
pub(super) fn apply_state(command: Vec<String>, state: String) {
    thread::spawn(move || {
        if let Err(e) = run_with_input(&command, state.as_bytes()) {
            say(&format!("the state command failed: {e}"));
        }
    });
}

fn run_with_input(command: &[String], input: &[u8]) -> std::io::Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?;
    }
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(status.to_string()))
    }
}
