//! How a connection ends.

use refit_engine::seat::Close;
use refit_packet::{Error, ReasonCode};

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client said goodbye.
    Goodbye,
    /// The client is gone without a word.
    Lost,
    /// A packet is against the standard by itself.
    Wrong(Error),
    /// Refit ends it.
    Because {
        /// What MQTT 5 calls the reason.
        reason: ReasonCode,
        /// What happened, for a person.
        why: &'static str,
    },
}

impl End {
    pub(crate) const fn because(reason: ReasonCode, why: &'static str) -> Self {
        Self::Because { reason, why }
    }

    /// What the engine wants.
    pub(crate) const fn asked(close: Close) -> Self {
        match close {
            Close::TakenOver => Self::because(
                ReasonCode::SESSION_TAKEN_OVER,
                "the same client connected again",
            ),
            Close::ShuttingDown => Self::because(
                ReasonCode::SERVER_SHUTTING_DOWN,
                "the server stops; connect again later",
            ),
            Close::TooSlow => Self::because(
                ReasonCode::QUOTA_EXCEEDED,
                "it did not read what was sent to it",
            ),
            Close::NotAllowed => Self::because(
                ReasonCode::NOT_AUTHORIZED,
                "it may no longer be connected: its token or certificate is revoked or has expired",
            ),
            Close::NotStored => Self::NOT_STORED,
        }
    }

    /// The one way to make a 3.1.1 client say it again (semantics 37).
    pub(crate) const NOT_STORED: Self = Self::because(
        ReasonCode::QUOTA_EXCEEDED,
        "it could not be stored now; say it again later",
    );

    /// Returns the reason code of an end that Refit made.
    pub fn reason(self) -> Option<ReasonCode> {
        match self {
            Self::Goodbye | Self::Lost => None,
            Self::Wrong(error) => Some(error.reason()),
            Self::Because { reason, .. } => Some(reason),
        }
    }

    /// Says it in words.
    pub fn message(self) -> String {
        match self {
            Self::Goodbye => "the client said goodbye".into(),
            Self::Lost => "the connection was lost".into(),
            Self::Wrong(error) => error.to_string(),
            Self::Because { why, .. } => why.into(),
        }
    }
}
