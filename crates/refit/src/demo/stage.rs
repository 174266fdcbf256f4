//! What the story plays on: the processes, the queue of news, and how something is waited for.
//!
//! Nothing here sleeps to be in time for something else. Whoever waits names what is awaited and a deadline, and if it
//! passes, both are said.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use refit_server::operator::read_token;
use refit_server::places::Places;

use super::api::{Api, Grant};
use super::badge::{Badge, SERVER_NAME};
use super::bundle::{self, BAD_BOARD, BOARD_FILE, GOOD_BOARD, NAME};
use super::keeper::Keeper;
use super::news::News;
use super::process::Process;
use super::teller::Teller;
use super::world::{World, agent_name};
use super::{Failure, Wanted, fleet, interrupt};
use crate::open_files;

/// How long anything is waited for, and how much longer for each device that takes part. It is never that long, unless
/// the machine is very busy.
const PATIENCE: Duration = Duration::from_secs(90);
const PATIENCE_EACH: Duration = Duration::from_millis(30);

/// How often the server is asked for something that it does not tell by itself.
const ASK: Duration = Duration::from_millis(50);

/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long a process may take to end in good order.
const GOOD_BYE: Duration = Duration::from_secs(5);

/// How many wishes are on their way at a time.
const WISHERS: usize = 8;

/// The stage.
pub(super) struct Stage {
    /// What is known.
    pub(super) world: World,
    teller: Teller,
    news: Receiver<News>,
    post: Sender<News>,
    looked: Instant,
    server: Option<Process>,
    agents: Vec<Option<Process>>,
    api: Option<Api>,
    refit: PathBuf,
    refit_agent: PathBuf,
    home: PathBuf,
    /// Where the server serves HTTPS and MQTT, once it has.
    at: Option<(SocketAddr, SocketAddr)>,
    seed: u64,
    /// Last: what it puts away is no longer used then.
    keeper: Arc<Keeper>,
}

impl Stage {
    /// Builds the stage; nothing runs on it yet but the keeper.
    pub(super) fn build(wanted: &Wanted) -> Result<Self, Failure> {
        let refit = std::env::current_exe().map_err(Failure::system("find this program"))?;
        let refit_agent = beside(&refit)?;
        enough_open_files(wanted.devices)?;
        // An error says that one is installed already, which is as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let (post, news) = channel();
        interrupt::listen(post.clone())?;
        let home = tempfile::Builder::new().prefix("refit-demo-").tempdir();
        // From here on the keeper removes it.
        let home = home
            .map_err(Failure::system("make a temporary directory"))?
            .keep();
        let keeper = Keeper::start(&refit, &home).map_err(Failure::system("start the keeper"))?;
        Ok(Self {
            world: World::new(wanted.devices, wanted.agents, wanted.seed),
            teller: Teller::new(wanted.json),
            news,
            post,
            looked: Instant::now(),
            server: None,
            agents: (0..wanted.agents).map(|_| None).collect(),
            api: None,
            refit,
            refit_agent,
            home,
            at: None,
            seed: wanted.seed,
            keeper: Arc::new(keeper),
        })
    }

    /// The server's API.
    pub(super) fn api(&self) -> Result<&Api, Failure> {
        self.api.as_ref().ok_or_else(not_up)
    }

    /// Where the server serves HTTPS.
    pub(super) fn https(&self) -> Result<SocketAddr, Failure> {
        self.at.map(|(https, _)| https).ok_or_else(not_up)
    }

    /// The root's certificate of the fleet (PEM).
    pub(super) fn ca(&self) -> Result<String, Failure> {
        std::fs::read_to_string(self.data().join("ca/root.pem"))
            .map_err(Failure::system("read the root's certificate"))
    }

    /// The directory of everything.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The agent's program.
    pub(super) fn refit_agent(&self) -> &Path {
        &self.refit_agent
    }

    /// Who puts away what is left.
    pub(super) fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// The server's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("server")
    }

    /// An agent's root.
    pub(super) fn root(&self, agent: usize) -> PathBuf {
        self.home.join("agents").join(agent_name(agent))
    }

    /// The tree of a version, as its author has it.
    pub(super) fn tree(&self, version: &str) -> PathBuf {
        self.home.join(format!("{NAME}-{version}"))
    }

    /// Starts the server, on free ports or where it was before, and waits until it is ready.
    pub(super) fn start_server(&mut self) -> Result<(), Failure> {
        let (http, mqtt) = match self.at {
            Some(at) => at,
            None => (free_address()?, free_address()?),
        };
        self.at = Some((http, mqtt));
        let data = self.data();
        let mut command = quiet(Command::new(&self.refit));
        command
            .args(["serve", "--name", SERVER_NAME])
            .args(["--http", &http.to_string(), "--mqtt", &mqtt.to_string()])
            .arg("--data")
            .arg(&data);
        self.server = Some(Process::start(
            "the server",
            &mut command,
            &self.keeper,
            |_| {},
        )?);
        self.ask_until("the server to be ready", Self::is_ready)?;
        self.world.server.is_up = true;
        Ok(())
    }

    fn is_ready(&mut self) -> Result<bool, Failure> {
        let pid = self.server.as_ref().map(Process::pid);
        let Some(places) = Places::read(&self.data())
            .ok()
            .filter(|p| Some(p.pid) == pid)
        else {
            return Ok(false);
        };
        let token = read_token(&places.token_file)
            .map_err(|error| Failure::broken(error.to_string(), "report this"))?;
        let api = Api::new(&places.api, &token, &self.ca()?)?;
        let ready = api.is_ready();
        if ready {
            self.api = Some(api);
            self.world.server.api = places.api;
            self.world.server.mqtt = places.mqtt;
        }
        Ok(ready)
    }

    /// Kills the server with SIGKILL.
    pub(super) fn kill_server(&mut self) -> Result<(), Failure> {
        if let Some(mut server) = self.server.take() {
            server.kill()?;
        }
        self.world.server.is_up = false;
        self.world.server.kills += 1;
        Ok(())
    }

    /// Starts the simulated devices.
    pub(super) fn start_devices(&self, badges: Vec<Badge>) -> Result<(), Failure> {
        let (_, mqtt) = self.at.ok_or_else(not_up)?;
        fleet::start(mqtt, badges, &self.ca()?, self.seed, self.post.clone())
    }

    /// Starts an agent, or starts it again.
    pub(super) fn start_agent(&mut self, agent: usize, is_bad: bool) -> Result<(), Failure> {
        let (root, id) = (self.root(agent), agent_name(agent));
        let board = if is_bad { BAD_BOARD } else { GOOD_BOARD };
        std::fs::create_dir_all(&root)
            .and_then(|()| std::fs::write(root.join(BOARD_FILE), format!("{board}\n")))
            .map_err(Failure::system("make an agent's root"))?;
        let mut command = quiet(Command::new(&self.refit_agent));
        command.args(["run", "--root"]).arg(&root);
        let post = self.post.clone();
        // If the story is over, so is the process in a moment.
        let hear = move |line| drop(post.send(News::Agent(agent, line)));
        let process = Process::start(&id, &mut command, &self.keeper, hear)?;
        if let Some(place) = self.agents.get_mut(agent) {
            *place = Some(process);
        }
        if let Some(seen) = self.world.agents.get_mut(agent) {
            seen.is_alive = true;
        }
        Ok(())
    }

    /// Kills an agent with SIGKILL.
    pub(super) fn kill_agent(&mut self, agent: usize) -> Result<(), Failure> {
        if let Some(mut process) = self.agents.get_mut(agent).and_then(Option::take) {
            process.kill()?;
        }
        if let Some(seen) = self.world.agents.get_mut(agent) {
            seen.is_alive = false;
            seen.is_up = false;
            seen.kills += 1;
        }
        Ok(())
    }

    /// Writes the tree of a version, and adds it as a release, with the command that an operator types.
    pub(super) fn add_release(&mut self, version: &str) -> Result<(), Failure> {
        let tree = bundle::write(&self.home, version, self.seed)
            .map_err(Failure::system("write a release"))?;
        let mut command = quiet(Command::new(&self.refit));
        command
            .env("REFIT_DATA", self.data())
            .args(["release", "add"])
            .arg(tree)
            .args(["--name", NAME, "--version", version]);
        let mut adding = Process::start("refit release add", &mut command, &self.keeper, |_| {})?;
        self.ask_until("refit release add to end", |_| adding.has_ended())?;
        adding.must_have_succeeded()
    }

    /// Says for every device which version it should run, agents first. That all are told is waited for by the caller.
    pub(super) fn desire(&mut self, version: &str) -> Result<(), Failure> {
        let agents = self.world.agents.iter().enumerate();
        let agents = agents.map(|(number, agent)| (agent.id.clone(), Some(grant_of(number))));
        let devices = (0..self.world.devices.len()).map(|number| (fleet::name(number), None));
        let wishes: Arc<Vec<(String, Option<Grant>)>> = Arc::new(agents.chain(devices).collect());
        let next = Arc::new(AtomicUsize::new(0));
        let release = format!("{NAME}@{version}");
        self.world.wished = 0;
        for _ in 0..WISHERS {
            let (wishes, next, api) = (Arc::clone(&wishes), Arc::clone(&next), self.api()?.clone());
            let (post, release) = (self.post.clone(), release.clone());
            thread::spawn(move || {
                while let Some((id, grant)) = wishes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // As above.
                    drop(post.send(News::Wished(api.desire(id, &release, *grant))));
                }
            });
        }
        Ok(())
    }

    /// Waits until something is so, as far as it is known.
    pub(super) fn wait_for(
        &mut self,
        what: &str,
        is_so: impl Fn(&World) -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + self.patience();
        while !is_so(&self.world) {
            self.not_after(deadline, what)?;
            self.turn(LOOK)?;
        }
        Ok(())
    }

    /// Waits until something is so that has to be asked for.
    pub(super) fn ask_until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + self.patience();
        while !is_so(self)? {
            self.not_after(deadline, what)?;
            let again = Instant::now() + ASK;
            while Instant::now() < again {
                self.turn(again.saturating_duration_since(Instant::now()))?;
            }
        }
        Ok(())
    }

    /// Goes on until somebody wants it to end.
    pub(super) fn stay(&mut self) -> Failure {
        loop {
            if let Err(failure) = self.turn(LOOK) {
                return failure;
            }
        }
    }

    fn patience(&self) -> Duration {
        let devices = u32::try_from(self.world.fleet()).unwrap_or(u32::MAX);
        PATIENCE + devices * PATIENCE_EACH
    }

    fn not_after(&self, deadline: Instant, what: &str) -> Result<(), Failure> {
        if Instant::now() < deadline {
            return Ok(());
        }
        let server = self
            .server
            .as_ref()
            .map(Process::last_words)
            .unwrap_or_default();
        Err(Failure::broken(
            format!(
                "waited {} s for {what}, in vain; {}",
                self.patience().as_secs(),
                self.world.stands()
            ),
            format!(
                "if the machine is not very busy, this is a fault: report it with this output. {server}"
            ),
        ))
    }

    /// Hears one thing, or nothing for so long, and shows it.
    fn turn(&mut self, wait: Duration) -> Result<(), Failure> {
        match self.news.recv_timeout(wait.min(LOOK)) {
            Ok(News::Interrupted) => return Err(Failure::Interrupted),
            Ok(News::Wished(Err(failure))) => return Err(failure),
            Ok(news) => self.world.hear(&news),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            let agents = self.agents.iter_mut().flatten();
            agents
                .chain(&mut self.server)
                .try_for_each(Process::must_run)?;
        }
        self.show()
    }

    fn show(&mut self) -> Result<(), Failure> {
        self.teller.tell(&self.world).map_err(unread)
    }

    /// Shows everything as it is now.
    pub(super) fn show_all(&mut self) -> Result<(), Failure> {
        self.teller.tell_all(&self.world).map_err(unread)
    }

    /// Says how it ended.
    pub(super) fn show_end(&mut self, all_held: bool) -> Result<(), Failure> {
        let ended = self.teller.end(&self.world, all_held);
        ended.map_err(unread)
    }

    /// Ends all processes in good order, or kills them.
    pub(super) fn clear(&mut self) {
        let deadline = Instant::now() + GOOD_BYE;
        for mut processes in [
            self.agents.iter_mut().flatten().collect(),
            Vec::from_iter(&mut self.server),
        ] {
            processes.iter().for_each(|process| process.ask_to_end());
            processes
                .iter_mut()
                .for_each(|process| process.end_by(deadline));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Half of the agents have each grant.
pub(super) fn grant_of(agent: usize) -> Grant {
    if agent.is_multiple_of(2) {
        Grant::Credential
    } else {
        Grant::Presigned
    }
}

fn not_up() -> Failure {
    Failure::broken("the server is not up", "report this")
}

/// Settings of the person who types are not for the demo's own processes.
pub(super) fn quiet(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"REFIT_") {
            command.env_remove(name);
        }
    }
    command
}

/// Finds a free port on loopback, at random, below those that systems give to outgoing connections. The server is killed
/// and comes back on the same port: nobody who connects somewhere meanwhile must be given it, least of all a device
/// that tries to reach the server, for it would then be connected to itself.
fn free_address() -> Result<SocketAddr, Failure> {
    const TRIES: usize = 200;
    for _ in 0..TRIES {
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(12_000..32_000)));
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(Failure::broken(
        format!("no free port was found in {TRIES} tries"),
        "the demo needs two free ports from 12000 to 31999 on 127.0.0.1",
    ))
}

/// Whoever closes the standard output has seen enough.
fn unread(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Interrupted,
        _ => Failure::system("write to the standard output")(error),
    }
}

/// Each simulated device is an open file here, and one in the server.
fn enough_open_files(devices: usize) -> Result<(), Failure> {
    const OTHERS: usize = 256;
    let limit = open_files::raise().map_err(Failure::system("raise the limit of open files"))?;
    match limit.and_then(|limit| usize::try_from(limit).ok()) {
        Some(limit) if limit < devices + OTHERS => Err(Failure::broken(
            format!(
                "{devices} devices need more open files than the {limit} that are allowed here"
            ),
            format!(
                "simulate fewer, at most {}, or raise `ulimit -Hn`",
                limit.saturating_sub(OTHERS)
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Finds the agent: it is built into the same directory.
fn beside(refit: &Path) -> Result<PathBuf, Failure> {
    let agent = refit.with_file_name("refit-agent");
    if agent.is_file() {
        return Ok(agent);
    }
    Err(Failure::broken(
        format!("there is no {}", agent.display()),
        "the demo runs real agents: build both with `cargo build -p refit -p refit-agent`, or let `cargo demo` do it",
    ))
}
