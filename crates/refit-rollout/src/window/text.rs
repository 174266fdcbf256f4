//! A window as an operator writes it: `mon-fri 22:00-05:00`, `sat,sun 01:00-05:00`, `daily 00:00-24:00`.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use super::Window;

pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const ALL_DAYS: u8 = 0b111_1111;
const MINUTES_OF_DAY: u16 = 1_440;

/// What is wrong with a window, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the window `{}`: {}", self.text, self.why)
    }
}

impl core::error::Error for WindowError {}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let wrong = |why: String| WindowError {
            text: text.into(),
            why,
        };
        let shape = "write days and times, such as `mon-fri 22:00-05:00` or `daily 01:00-05:00`";
        let (days, times) = text
            .trim()
            .split_once(' ')
            .ok_or_else(|| wrong(shape.into()))?;
        let (from, to) = times
            .trim()
            .split_once('-')
            .ok_or_else(|| wrong(shape.into()))?;
        let window = Self {
            days: read_days(days).map_err(wrong)?,
            from: read_time(from).map_err(wrong)?,
            to: read_time(to).map_err(wrong)?,
        };
        if window.from == MINUTES_OF_DAY {
            return Err(wrong(
                "24:00 is an end; one that begins at midnight begins at 00:00".into(),
            ));
        }
        if window.from == window.to {
            return Err(wrong(
                "it never opens, since it ends when it begins: a whole day is 00:00-24:00".into(),
            ));
        }
        Ok(window)
    }
}

fn read_days(text: &str) -> Result<u8, String> {
    if text.eq_ignore_ascii_case("daily") {
        return Ok(ALL_DAYS);
    }
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (day(first)?, day(last)?);
        days |= 1 << day;
        // From Saturday to Monday goes over Sunday.
        while day != last {
            day = (day + 1) % 7;
            days |= 1 << day;
        }
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, String> {
    DAYS.iter()
        .position(|day| text.eq_ignore_ascii_case(day))
        .ok_or_else(|| {
            format!("`{text}` is no day: write mon, tue, wed, thu, fri, sat, sun or daily")
        })
}

fn read_time(text: &str) -> Result<u16, String> {
    let number = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u16>().ok()).flatten()
    };
    text.split_once(':')
        .and_then(|(hours, minutes)| Some((number(hours)?, number(minutes)?)))
        .filter(|(hours, minutes)| *minutes < 60 && hours * 60 + minutes <= MINUTES_OF_DAY)
        .map(|(hours, minutes)| hours * 60 + minutes)
        .ok_or_else(|| format!("`{text}` is no time: write 00:00 to 24:00"))
}

/// Prints it canonically: days in the order of the week, runs of three and more with a dash.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days == ALL_DAYS {
            f.write_str("daily")?;
        } else {
            self.write_days(f)?;
        }
        write!(
            f,
            " {:02}:{:02}-{:02}:{:02}",
            self.from / 60,
            self.from % 60,
            self.to / 60,
            self.to % 60
        )
    }
}

impl Window {
    fn write_days(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |day: usize| self.days >> day & 1 == 1;
        let (mut day, mut comma) = (0, "");
        while day < DAYS.len() {
            let run = (day..DAYS.len()).take_while(|day| on(*day)).count();
            let names = DAYS.get(day..day + run).unwrap_or_default();
            match names {
                [] => {}
                [first, .., last] if run > 2 => write!(f, "{comma}{first}-{last}")?,
                names => write!(f, "{comma}{}", names.join(","))?,
            }
            if run > 0 {
                comma = ",";
            }
            day += run + 1;
        }
        Ok(())
    }
}

impl TryFrom<String> for Window {
    type Error = WindowError;

    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}
