//! What tokens and users are called: 1 to 64 of `A-Z a-z 0-9 _ - . @`, beginning with a letter or digit. A name stands
//! in logs, in the origin of jobs and in paths, so nothing in it means anything there.

use std::fmt;

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Says what is wrong with a name, if anything is.
pub fn check(text: &str) -> Result<(), InvalidName> {
    let first = text.bytes().next().ok_or(InvalidName::Empty)?;
    if text.len() > NAME_BYTES_MAX {
        return Err(InvalidName::TooLong);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@');
    if !first.is_ascii_alphanumeric() || !text.bytes().all(allowed) {
        return Err(InvalidName::Byte);
    }
    Ok(())
}

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidName {
    /// There is nothing in it.
    Empty,
    /// It has more than [`NAME_BYTES_MAX`] bytes.
    TooLong,
    /// It holds something else than is allowed.
    Byte,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::TooLong => write!(f, "the name is longer than {NAME_BYTES_MAX} bytes"),
            Self::Byte => f.write_str(
                "a name is made of A-Z a-z 0-9 _ - . @ and begins with a letter or digit",
            ),
        }
    }
}

impl std::error::Error for InvalidName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_anywhere() {
        for good in ["a", "shop-1", "ada@example.com", &"x".repeat(64)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(""), Err(InvalidName::Empty));
        assert_eq!(check(&"x".repeat(65)), Err(InvalidName::TooLong));
        for bad in ["-a", ".", "a b", "a/b", "a\n", "ä", "a:b", "=1+1"] {
            assert_eq!(check(bad), Err(InvalidName::Byte), "{bad}");
        }
    }
}
