//! Who may write what. The identity comes from the connection, never from the payload (design §5).

use alloc::format;
use alloc::string::String;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::update::Update;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The device itself.
    Device,
    /// An operator, who may also make a device known by desiring something of it; the name is for history.
    Operator(String),
    /// An application: it may desire of the devices that are known.
    Application(String),
}

impl Speaker {
    /// Tells whether this speaker may say all of this update.
    pub fn may_say(&self, update: &Update) -> Result<(), Rejection> {
        let refusal = match self {
            Self::Device if update.desired.is_some() => {
                "a device may not write state.desired; an operator or application does"
            }
            Self::Operator(_) | Self::Application(_) if update.reported.is_some() => {
                "only the device itself may write state.reported"
            }
            Self::Operator(_) | Self::Application(_) if update.job_id.is_some() => {
                "only the device itself may acknowledge a job"
            }
            Self::Device | Self::Operator(_) | Self::Application(_) => return Ok(()),
        };
        Err(Rejection::new(Code::Forbidden, refusal))
    }

    /// Returns the origin of a job that this speaker's wish opens (semantics 7).
    pub fn origin(&self) -> String {
        match self {
            Self::Device => "replica".into(),
            Self::Operator(name) | Self::Application(name) => format!("direct/{name}"),
        }
    }
}
