//! What can happen to a device, and the circumstances in which a decision is made.

use alloc::boxed::Box;
use alloc::string::String;
use refit_protocol::digest::Digest;
use refit_protocol::grant::GrantPolicy;
use refit_protocol::rollout::Assignment;
use refit_protocol::software_source::Sources;
use refit_protocol::time::Now;
use refit_protocol::update::Update;

use crate::marks::Marks;
use crate::speaker::Speaker;

/// One thing that happens to one device.
#[derive(Clone, Debug)]
pub enum Input {
    /// Somebody sent an update.
    Update {
        /// Who, known from the connection's identity.
        speaker: Speaker,
        /// What.
        update: Update,
    },
    /// Somebody asked for the record; the device is told its delta with it.
    Ask {
        /// Who, known from the connection's identity.
        speaker: Speaker,
    },
    /// The device subscribed to its delta, so it is reachable now.
    Subscribed,
    /// The device went away; remaining times are noted.
    Detached,
    /// A time that [`Watch::next_due`](crate::watch::Watch) named has come.
    Due,
    /// An operator ends the open job.
    Cancel,
    /// An operator holds the device, or lets it go.
    Hold(bool),
    /// An operator wants what failed to be tried again.
    Retry,
    /// An operator removes the device.
    Remove,
    /// An operator pins the device to its software, or lets it follow rollouts and applications again.
    Pin(bool),
    /// A rollout assigns software to the device.
    Assign(Box<Assign>),
    /// A mark was set or taken away: what it makes of the record is folded in, and what it kept back is told.
    Fold,
    /// One of an operator's inputs above, taken only if the record has this version; otherwise it is refused (409).
    At(u64, Box<Self>),
}

/// What a rollout wants of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {
    /// Whose the job will be.
    pub assignment: Assignment,
    /// The origin of the job: `rollout/NAME`.
    pub origin: String,
    /// The higher goes before; of two equal ones, the newer rollout.
    pub priority: i32,
    /// The software.
    pub software_url: String,
    /// Which grant it is given by; `None`: the server's default.
    pub grant: Option<GrantPolicy>,
    /// From SENT to RUNNING, as [`Policy::start_ms`].
    pub start_ms: Option<u64>,
    /// To the end of the job, as [`Policy::end_ms`].
    pub end_ms: u64,
    /// Whether a device that fell back and is held for it takes part.
    pub past_revert: bool,
}

/// The circumstances of a decision: everything that is neither the record nor the input.
pub struct Context<'a> {
    /// Both clocks.
    pub now: Now,
    /// The store's epoch (semantics 22).
    pub epoch: u16,
    /// Whether the device is connected and subscribed to its delta.
    pub reachable: bool,
    /// Timers and bounds.
    pub policy: &'a Policy,
    /// Which artifacts the depot has.
    pub catalog: &'a dyn Catalog,
    /// The marks that stand.
    pub marks: &'a dyn Marks,
    /// Randomness for job IDs and jitter.
    pub random: &'a mut dyn FnMut() -> u128,
}

/// Which artifacts the depot has.
pub trait Catalog {
    /// Tells whether a release has this artifact.
    fn knows(&self, digest: &Digest) -> bool;
}

/// Timers and bounds of jobs. The default is semantics 33.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From SENT to RUNNING, while the device is reachable, in milliseconds; `None`: off.
    pub start_ms: Option<u64>,
    /// To the end of a job, in milliseconds: while SENT it runs while the device is reachable, then always.
    pub end_ms: u64,
    /// The first pause before a delta is sent again, in milliseconds; each further one is twice as long.
    pub resend_first_ms: u64,
    /// The longest such pause, in milliseconds.
    pub resend_longest_ms: u64,
    /// How often a timer sends the delta of one job again.
    pub resends_max: u8,
    /// How many jobs for one software may fail on one device.
    pub failures_max: u8,
    /// Whether devices have certificates here. Without them no grant can be bound to a device.
    pub certificates: bool,
    /// Which software of other hosts may be desired.
    pub sources: Sources,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            start_ms: None,
            end_ms: 24 * 3_600_000,
            resend_first_ms: 30_000,
            resend_longest_ms: 3_600_000,
            resends_max: 10,
            failures_max: 3,
            certificates: true,
            sources: Sources::open(),
        }
    }
}
