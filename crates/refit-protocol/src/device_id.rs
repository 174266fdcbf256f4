//! The name of a device: 1 to 128 of `A-Z a-z 0-9 : _ - .` (design §5).
//!
//! The alphabet has no `/`, `+`, `#`, `%` or blank, so an ID is safe in a topic, a path, a file name and a log line.

use alloc::sync::Arc;
use core::fmt;

/// The longest device ID, in bytes.
pub const DEVICE_ID_BYTES_MAX: usize = 128;

/// A valid device ID. Cloning it copies a pointer: a server holds each ID once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// Reads a device ID, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidDeviceId> {
        check(text)?;
        Ok(Self(Arc::from(text)))
    }

    /// Returns the ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells whether `text` is a valid device ID, without making one.
pub fn check(text: &str) -> Result<(), InvalidDeviceId> {
    if text.is_empty() {
        return Err(InvalidDeviceId::Empty);
    }
    if text.len() > DEVICE_ID_BYTES_MAX {
        return Err(InvalidDeviceId::TooLong);
    }
    // A path may not be made of dots alone: `.` and `..` mean something to a file system.
    if text == "." || text == ".." {
        return Err(InvalidDeviceId::Dots);
    }
    match text.bytes().find(|b| !allowed(*b)) {
        Some(byte) => Err(InvalidDeviceId::Byte(byte)),
        None => Ok(()),
    }
}

const fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-' | b'.')
}

/// Why a text is not a device ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidDeviceId {
    /// There is nothing in it.
    Empty,
    /// It has more than [`DEVICE_ID_BYTES_MAX`] bytes.
    TooLong,
    /// It is `.` or `..`.
    Dots,
    /// It holds this byte, which is not of `A-Z a-z 0-9 : _ - .`.
    Byte(u8),
}

impl fmt::Display for InvalidDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the device ID is empty"),
            Self::TooLong => write!(
                f,
                "the device ID is longer than {DEVICE_ID_BYTES_MAX} bytes"
            ),
            Self::Dots => f.write_str("the device ID is made of dots alone"),
            Self::Byte(b) => write!(
                f,
                "the device ID holds the byte {:?}; use A-Z a-z 0-9 : _ - .",
                char::from(*b)
            ),
        }
    }
}

impl core::error::Error for InvalidDeviceId {}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::borrow::Borrow<str> for DeviceId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_alphabet_are_valid() {
        for id in ["a", "lamp-7", "A.b:c_d-0", "...", "x".repeat(128).as_str()] {
            assert_eq!(DeviceId::parse(id).map(|d| d.as_str().len()), Ok(id.len()));
        }
    }

    #[test]
    fn ids_that_mean_something_elsewhere_are_refused() {
        use InvalidDeviceId::*;
        for (id, why) in [
            ("", Empty),
            ("..", Dots),
            (".", Dots),
            ("a/b", Byte(b'/')),
            ("a+", Byte(b'+')),
            ("#", Byte(b'#')),
            ("a b", Byte(b' ')),
            ("a%2f", Byte(b'%')),
            ("a\0", Byte(0)),
            ("ü", Byte(0xc3)),
        ] {
            assert_eq!(DeviceId::parse(id), Err(why), "{id:?}");
        }
        assert_eq!(DeviceId::parse(&"x".repeat(129)), Err(TooLong));
    }
}
