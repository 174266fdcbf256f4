//! Who may write what. The identity comes from the connection, never from the payload (design §5).

use alloc::format;
use alloc::string::String;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::update::Update;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The device itself.
    Device,
    /// An operator, who may also make a device known by desiring something of it; the name is for history.
    Operator(String),
    /// An application: it may desire of the devices that are known, and of them as far as it is trusted.
    Application(String, Wishes),
}

/// How far an application's wishes go. Who decides that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// It may write `softwareURL`.
    pub software: bool,
    /// It may write everything else.
    pub state: bool,
}

impl Wishes {
    /// Everything.
    pub const ALL: Self = Self {
        software: true,
        state: true,
    };

    /// Nothing.
    pub const NONE: Self = Self {
        software: false,
        state: false,
    };

    /// Tells whether this may be written; a wish that writes nothing is one of the state.
    fn allow(self, update: &Update) -> Result<(), &'static str> {
        let Some(desired) = &update.desired else {
            return Ok(());
        };
        let writes_software = desired.contains_key(SOFTWARE_URL);
        if writes_software && !self.software {
            return Err(
                "it needs software:assign to write state.desired.softwareURL of this device",
            );
        }
        if (!writes_software || desired.len() > 1) && !self.state {
            return Err("it needs state:write to write this of state.desired of this device");
        }
        Ok(())
    }
}

impl Speaker {
    /// Tells whether this speaker may say all of this update.
    pub fn may_say(&self, update: &Update) -> Result<(), Rejection> {
        let refusal = match self {
            Self::Device if update.desired.is_some() => {
                "a device may not write state.desired; an operator or application does"
            }
            Self::Operator(_) | Self::Application(..) if update.reported.is_some() => {
                "only the device itself may write state.reported"
            }
            Self::Operator(_) | Self::Application(..) if update.job_id.is_some() => {
                "only the device itself may acknowledge a job"
            }
            Self::Application(_, wishes) => match wishes.allow(update) {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            },
            Self::Device | Self::Operator(_) => return Ok(()),
        };
        Err(Rejection::new(Code::Forbidden, refusal))
    }

    /// Returns the origin of a job that this speaker's wish opens (semantics 7).
    pub fn origin(&self) -> String {
        match self {
            Self::Device => "replica".into(),
            Self::Operator(name) | Self::Application(name, _) => format!("direct/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_writes_what_it_is_trusted_with() {
        let software = r#"{"state":{"desired":{"softwareURL":"http://h/x"}}}"#;
        let cleared = r#"{"state":{"desired":{"softwareURL":null}}}"#;
        let state = r#"{"state":{"desired":{"colour":"red"}}}"#;
        let both = r#"{"state":{"desired":{"softwareURL":"http://h/x","colour":"red"}}}"#;
        let nothing = r#"{"state":{"desired":{}}}"#;
        let of = |software, state| Wishes { software, state };
        for (wishes, may) in [
            (Wishes::ALL, [true, true, true, true, true]),
            (of(true, false), [true, true, false, false, false]),
            (of(false, true), [false, false, true, false, true]),
            (Wishes::NONE, [false, false, false, false, false]),
        ] {
            let speaker = Speaker::Application("shop".into(), wishes);
            for (text, may) in [software, cleared, state, both, nothing]
                .into_iter()
                .zip(may)
            {
                let update = Update::parse(text.as_bytes()).unwrap();
                let said = speaker.may_say(&update);
                assert_eq!(said.is_ok(), may, "{wishes:?} {text}");
            }
        }
    }
}
