//! A new password: typed twice at a terminal that does not show it, or the line that is piped in.
//!
//! While one is typed the terminal hands over every key at once, Ctrl-C too, so that it is as it was before in any case.

use std::io::{self, IsTerminal as _, Read, Stdin, Write as _};

use refit_access::password::{PASSWORD_BYTES_MAX, check};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::failure::{Failure, Kind};

/// Reads the password from standard input: all of it is one line, with or without its end.
pub(crate) fn of_stdin() -> Result<String, Failure> {
    let mut given = Vec::new();
    // The end of a line, and one byte that tells that there is too much.
    let most = PASSWORD_BYTES_MAX as u64 + 3;
    io::stdin()
        .lock()
        .take(most)
        .read_to_end(&mut given)
        .map_err(|error| unread().because(&error))?;
    acceptable(&line(&given).ok_or_else(several)?)
}

fn line(given: &[u8]) -> Option<Vec<u8>> {
    let line = given.strip_suffix(b"\n").unwrap_or(given);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.contains(&b'\n')).then(|| line.to_vec())
}

fn several() -> Failure {
    Failure::new(Kind::Usage, "standard input has more than one line")
        .next("pipe in the password and nothing else")
}

/// Asks for the password at the terminal, twice.
pub(crate) fn typed() -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(
            Failure::new(Kind::Usage, "there is no terminal to ask for the password")
                .next("pipe it in, with --password-stdin"),
        );
    }
    let password = acceptable(&ask(&stdin, "Password: ")?)?;
    if ask(&stdin, "The same again: ")? == password.as_bytes() {
        Ok(password)
    } else {
        Err(Failure::new(
            Kind::Refused,
            "the two passwords are not the same",
        ))
    }
}

/// Takes what the server would take.
fn acceptable(given: &[u8]) -> Result<String, Failure> {
    let Ok(password) = str::from_utf8(given) else {
        return Err(Failure::new(Kind::Refused, "the password is not UTF-8"));
    };
    check(password).map_err(|why| {
        Failure::new(Kind::Refused, "the password is not taken").why(why.to_string())
    })?;
    Ok(password.to_owned())
}

fn ask(stdin: &Stdin, question: &str) -> Result<Vec<u8>, Failure> {
    let _quiet = Quiet::begin(stdin).map_err(|error| unread().because(&error))?;
    // Asked once the terminal is quiet: whoever waits for the question is not too early.
    let mut stderr = io::stderr().lock();
    drop(stderr.write_all(question.as_bytes()));
    let mut line = Line::default();
    let end = loop {
        let mut key = [0];
        match stdin.lock().read(&mut key) {
            Ok(0) => break End::Closed,
            Ok(_) => {
                if let Some(end) = line.press(key[0]) {
                    break end;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unread().because(&error)),
        }
    };
    drop(stderr.write_all(b"\n"));
    match end {
        End::Entered => Ok(line.typed),
        End::Interrupted => Err(Failure::new(Kind::Interrupted, "no password was given")),
        End::Closed => Err(unread()),
    }
}

fn unread() -> Failure {
    Failure::new(Kind::Error, "the password cannot be read")
}

/// What was typed so far.
#[derive(Default)]
struct Line {
    typed: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Entered,
    Interrupted,
    Closed,
}

impl Line {
    /// Takes a key as a terminal sends it; tells when that was the last one.
    fn press(&mut self, key: u8) -> Option<End> {
        match key {
            b'\r' | b'\n' => return Some(End::Entered),
            // Ctrl-C and Ctrl-\.
            0x03 | 0x1c => return Some(End::Interrupted),
            // Ctrl-D at the beginning.
            0x04 if self.typed.is_empty() => return Some(End::Closed),
            // Backspace takes back a whole letter; Ctrl-U all of them.
            0x08 | 0x7f => while let Some(0x80..=0xbf) = self.typed.pop() {},
            0x15 => self.typed.clear(),
            // More than one byte beyond what is taken is not kept: it is refused as it is.
            key if self.typed.len() <= PASSWORD_BYTES_MAX => self.typed.push(key),
            _ => {}
        }
        None
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        // A read returns with the first byte, however long that takes.
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn after(keys: &str, end: Option<End>, typed: &str) {
        let mut line = Line::default();
        let last = keys.bytes().map(|key| line.press(key)).last().flatten();
        assert_eq!((last, line.typed.as_slice()), (end, typed.as_bytes()));
    }

    #[test]
    fn keys_are_taken_as_at_any_terminal() {
        after("abc\r", Some(End::Entered), "abc");
        after("aä\u{7f}b\n", Some(End::Entered), "ab");
        after("\u{7f}a\u{8}\u{8}b", None, "b");
        after("abc\u{15}d", None, "d");
        after("abc\u{3}", Some(End::Interrupted), "abc");
        after("\u{4}", Some(End::Closed), "");
        after("a\u{4}", None, "a\u{4}");
        let most = "x".repeat(PASSWORD_BYTES_MAX + 1);
        after(&format!("{most}yy"), None, &most);
    }

    #[test]
    fn a_line_is_taken_without_its_end_and_two_are_refused() {
        for (given, taken) in [
            ("abc", Some("abc")),
            ("abc\n", Some("abc")),
            ("abc\r\n", Some("abc")),
            (" a \n", Some(" a ")),
            ("a\nb", None),
            ("a\n\n", None),
        ] {
            let taken = taken.map(|taken| taken.as_bytes().to_vec());
            assert_eq!(line(given.as_bytes()), taken, "{given:?}");
        }
    }
}
