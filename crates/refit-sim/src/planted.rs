//! Rules that can be broken on purpose, to see that their checkers are awake.
//!
//! None of them is a branch in production code: the simulated driver, store or device does the wrong thing.

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The store says "durable" before it is.
    AcknowledgesBeforeCommit,
    /// A commit that was answered is lost in a crash.
    LosesTheLastCommit,
    /// Another wish does not end the open job.
    ForgetsToSupersede,
    /// A delta leaves while an input of the device is uncommitted.
    DeltaWhileUncommitted,
    /// The delta due at subscribe does not wait for what the device said before.
    DeltaAtOnceOnSubscribe,
    /// A delta goes to another device.
    DeltaToAnother,
    /// The agent writes its journal after the act instead of before.
    JournalsAfterTheAct,
    /// The server forgets ended jobs.
    ForgetsPastJobs,
    /// Timers go on while the server is away.
    TimersRunWhileDown,
    /// The end of a job is forgotten in a crash, and it ends again.
    EndsTwice,
    /// An installation becomes the current one before all of it is written.
    SwitchesToHalfARelease,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AcknowledgesBeforeCommit,
        Self::LosesTheLastCommit,
        Self::ForgetsToSupersede,
        Self::DeltaWhileUncommitted,
        Self::DeltaAtOnceOnSubscribe,
        Self::DeltaToAnother,
        Self::JournalsAfterTheAct,
        Self::ForgetsPastJobs,
        Self::TimersRunWhileDown,
        Self::EndsTwice,
        Self::SwitchesToHalfARelease,
    ];

    /// Returns its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcknowledgesBeforeCommit => "acknowledges-before-commit",
            Self::LosesTheLastCommit => "loses-the-last-commit",
            Self::ForgetsToSupersede => "forgets-to-supersede",
            Self::DeltaWhileUncommitted => "delta-while-uncommitted",
            Self::DeltaAtOnceOnSubscribe => "delta-at-once-on-subscribe",
            Self::DeltaToAnother => "delta-to-another",
            Self::JournalsAfterTheAct => "journals-after-the-act",
            Self::ForgetsPastJobs => "forgets-past-jobs",
            Self::TimersRunWhileDown => "timers-run-while-down",
            Self::EndsTwice => "ends-twice",
            Self::SwitchesToHalfARelease => "switches-to-half-a-release",
        }
    }

    /// Reads such a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|planted| planted.name() == name)
    }
}
