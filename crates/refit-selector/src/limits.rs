//! What a selector may be at most: enough for any that a person writes, and little enough to ask of a million devices.

/// The longest text of a selector, as written and as printed, in bytes. More IDs than fit are a list: `in list NAME`.
pub const TEXT_BYTES_MAX: usize = 4096;

/// How deep parentheses and `not` may nest.
pub const DEPTH_MAX: usize = 16;

/// How many terms a selector may have; the values of one `in (…)` are one term.
pub const TERMS_MAX: usize = 64;

/// The longest name of a tag, an attribute or a list, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Tells whether `name` can be that of a tag, an attribute or a list: 1 to [`NAME_BYTES_MAX`] of `A-Z a-z 0-9 _ - . /`.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'))
}
