//! What a peer did wrong, as a value: it is an answer, not an error. The one table of codes.

use alloc::string::String;

/// The code of a rejection; its numbers mean what they mean in HTTP (RFC 9110 §15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Code {
    /// The payload is not an update.
    Malformed = 400,
    /// The connection has no identity that could say this.
    Unauthenticated = 401,
    /// The speaker may not say this.
    Forbidden = 403,
    /// There is no such device.
    NotFound = 404,
    /// The version or the job is not the current one.
    Conflict = 409,
    /// The payload, or the state it would make, is too large.
    TooLarge = 413,
    /// The release is unknown, or not for this device.
    Unprocessable = 422,
    /// There were too many updates.
    TooMany = 429,
    /// Refit failed; nothing is known to be wrong with the update.
    Internal = 500,
    /// It could not be stored now; say it again later.
    Unavailable = 503,
}

impl Code {
    /// Returns the number that is sent.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Returns the MQTT 5 reason code that a PUBACK carries for it (semantics 37).
    pub const fn mqtt_reason(self) -> u8 {
        match self {
            Self::Malformed | Self::TooLarge => 0x99,
            Self::Unauthenticated | Self::Forbidden | Self::NotFound => 0x87,
            Self::Conflict | Self::Unprocessable | Self::Internal => 0x83,
            Self::TooMany | Self::Unavailable => 0x97,
        }
    }
}

/// A refusal: a code, and a sentence that says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What kind of refusal it is.
    pub code: Code,
    /// Why, for a person.
    pub message: String,
}

impl Rejection {
    /// Makes a rejection.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
