//! From text to words and signs.

use crate::mistake::Mistake;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A word or sign, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) at: usize,
    pub(crate) length: usize,
    pub(crate) kind: Kind<'t>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'t> {
    /// A word without quotes.
    Bare(&'t str),
    /// What stood between quotes.
    Quoted(String),
    /// A sign: `= != < <= > >= ~ ( ) , !`.
    Sign(&'static str),
    /// The end of the text.
    End,
}

impl Token<'_> {
    pub(crate) const fn end(&self) -> usize {
        self.at + self.length
    }

    /// Tells whether it is this keyword, in whatever case.
    pub(crate) fn is_word(&self, keyword: &str) -> bool {
        matches!(self.kind, Kind::Bare(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub(crate) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.kind, Kind::Sign(own) if own == sign)
    }

    pub(crate) fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake::new(self.at, self.length, message)
    }
}

/// The signs, each before those that it begins with.
const SIGNS: [(&str, &str); 12] = [
    ("==", "="),
    ("!=", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("~", "~"),
    ("(", "("),
    (")", ")"),
    (",", ","),
    ("!", "!"),
];

/// What other languages write, and what it is here.
const FOREIGN: [(&str, &str); 9] = [
    ("&&", "and"),
    ("&", "and"),
    (";", "and"),
    ("||", "or"),
    ("|", "or"),
    ("<>", "!="),
    ("=~", "~"),
    ("=>", ">="),
    ("=<", "<="),
];

/// The words that say something between values, so that a value of that name needs quotes.
const KEYWORDS: [&str; 7] = ["and", "or", "not", "in", "notin", "within", "has"];

pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Tells whether a value can stand without quotes.
pub(crate) fn is_bare(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| is_of_a_word(byte) && byte != b'*')
        && !is_keyword(text)
}

const fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'_' | b'-' | b'.' | b':' | b'/' | b'+' | b'@' | b'%' | b'*'
        )
}

/// Cuts a text into tokens; the last is the end.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Mistake> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        if blank > 0 {
            at += blank;
            continue;
        }
        let token = token(rest, at)?;
        at = token.end();
        found.push(token);
    }
    found.push(Token {
        at: text.len(),
        length: 0,
        kind: Kind::End,
    });
    Ok(found)
}

fn token(rest: &str, at: usize) -> Result<Token<'_>, Mistake> {
    let length = rest.bytes().take_while(|byte| is_of_a_word(*byte)).count();
    let after = rest.get(length..).and_then(|after| after.chars().next());
    if after.is_some_and(|c| !c.is_ascii() && c.is_alphanumeric()) {
        return Err(stray(rest, at, after.unwrap_or_default()));
    }
    if let Some(word) = rest.get(..length).filter(|word| !word.is_empty()) {
        return Ok(Token {
            at,
            length,
            kind: Kind::Bare(word),
        });
    }
    if let Some((sign, meant)) = FOREIGN.iter().find(|(sign, _)| rest.starts_with(sign)) {
        let message = format!("`{sign}` means nothing here; write `{meant}`");
        return Err(Mistake::new(at, sign.len(), message).suggest(*meant));
    }
    if let Some((sign, kind)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok(Token {
            at,
            length: sign.len(),
            kind: Kind::Sign(kind),
        });
    }
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(rest, at, quote),
        other => Err(stray(rest, at, other.unwrap_or_default())),
    }
}

/// Reads what stands between two quotes. A backslash takes the sign after it as it is.
fn quoted(rest: &str, at: usize, quote: char) -> Result<Token<'_>, Mistake> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((offset, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) if matches!(escaped, '"' | '\'' | '\\') => text.push(escaped),
                _ => {
                    let message =
                        "a backslash stands only before a quote or a backslash; write it twice";
                    return Err(Mistake::new(at + offset, 1, message).suggest("\\\\"));
                }
            },
            c if c == quote => {
                return Ok(Token {
                    at,
                    length: offset + 1,
                    kind: Kind::Quoted(text),
                });
            }
            c if c.is_control() => {
                let message = "a value cannot hold control characters; take it out, or match around it with `~` and `*`";
                return Err(Mistake::new(at + offset, c.len_utf8(), message));
            }
            c => text.push(c),
        }
    }
    let message = format!("the quote that opens here is not closed; end the value with {quote}");
    Err(Mistake::new(at, rest.len(), message))
}

fn stray(rest: &str, at: usize, found: char) -> Mistake {
    if !found.is_alphanumeric() {
        return Mistake::new(
            at,
            found.len_utf8(),
            format!("{found:?} cannot stand here; put a value that holds it into double quotes"),
        );
    }
    let of_it = |c: &char| c.is_alphanumeric() || (c.is_ascii() && is_of_a_word(*c as u8));
    let word: String = rest.chars().take_while(of_it).collect();
    let message = format!("put a value that holds {found:?} into double quotes");
    Mistake::new(at, word.len(), message).suggest(format!("\"{word}\""))
}
