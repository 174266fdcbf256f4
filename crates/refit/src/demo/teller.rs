//! Tells the world to whoever reads: a screen that is drawn again and again, plain lines, or JSON lines.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::bundle::{NEW, OLD};
use super::grouped;
use super::screen::{self, COLUMNS, Line, Look, Piece};
use super::world::{Tone, World};

/// How often a screen is drawn at most.
const FRAME: Duration = Duration::from_millis(100);

/// How often progress is told where there is no screen.
const PROGRESS: Duration = Duration::from_secs(2);

/// What the size of the terminal is taken to be if it does not say.
const SIZE: (usize, usize) = (COLUMNS, 40);

/// Who tells.
pub(super) struct Teller {
    way: Way,
    told: usize,
    checked: usize,
    next: Instant,
    progress: [usize; 2],
}

enum Way {
    Screen { height: usize },
    Lines,
    Json,
}

impl Teller {
    /// Chooses by what the standard output is.
    pub(super) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let colours = AutoStream::choice(&stdout) != ColorChoice::Never;
        let way = match json {
            true => Way::Json,
            false if stdout.is_terminal() && colours => Way::Screen { height: 0 },
            false => Way::Lines,
        };
        Self {
            way,
            told: 0,
            checked: 0,
            next: Instant::now(),
            progress: [0; 2],
        }
    }

    /// Tells what is new, at the pace that suits the reader.
    pub(super) fn tell(&mut self, world: &World) -> io::Result<()> {
        let is_time = self.next <= Instant::now();
        match &mut self.way {
            Way::Screen { height } if is_time => {
                self.next = Instant::now() + FRAME;
                draw(world, height)
            }
            Way::Screen { .. } => Ok(()),
            Way::Lines | Way::Json => {
                self.tell_events(world)?;
                if is_time {
                    self.next = Instant::now() + PROGRESS;
                    self.tell_progress(world)?;
                }
                Ok(())
            }
        }
    }

    /// Tells everything that is not told yet, at once.
    pub(super) fn tell_all(&mut self, world: &World) -> io::Result<()> {
        match &mut self.way {
            Way::Screen { height } => draw(world, height),
            Way::Lines | Way::Json => {
                self.tell_events(world)?;
                self.tell_checks(world)
            }
        }
    }

    /// Says how it ended.
    pub(super) fn end(&mut self, world: &World, all_held: bool) -> io::Result<()> {
        self.tell_all(world)?;
        let mut out = io::stdout();
        if let Way::Json = self.way {
            let held = world.checks.iter().filter(|check| check.held()).count();
            let end = json!({
                "result": if all_held { "held" } else { "failed" },
                "checks": world.checks.len(),
                "held": held,
                "seconds": seconds(world.began.elapsed()),
            });
            return writeln!(out, "{end}");
        }
        if let Way::Lines = self.way {
            for line in &world.closing {
                writeln!(out, "{line}")?;
            }
        }
        out.flush()
    }

    fn tell_events(&mut self, world: &World) -> io::Result<()> {
        let new = (world.happened - self.told).min(world.events.len());
        self.told = world.happened;
        let mut out = io::stdout().lock();
        for event in world.events.iter().skip(world.events.len() - new) {
            let at = event.at;
            if let Way::Json = self.way {
                let tone = match event.tone {
                    Tone::Step => "step",
                    Tone::Good => "good",
                    Tone::Bad => "bad",
                };
                writeln!(
                    out,
                    "{}",
                    json!({ "at": seconds(at), "event": tone, "text": event.text })
                )?;
            } else {
                writeln!(out, "{:5.1} s  {}", at.as_secs_f64(), event.text)?;
            }
        }
        Ok(())
    }

    fn tell_progress(&mut self, world: &World) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for ((version, wave), told) in [OLD, NEW].iter().zip(&world.waves).zip(&mut self.progress) {
            if wave.told + wave.ended() == *told {
                continue;
            }
            *told = wave.told + wave.ended();
            let at = world.began.elapsed();
            if let Way::Json = self.way {
                let progress = json!({
                    "at": seconds(at), "progress": version, "of": world.fleet(),
                    "told": wave.told, "done": wave.done, "failed": wave.failed, "online": world.online(),
                });
                writeln!(out, "{progress}")?;
            } else {
                let (done, all) = (grouped(wave.done), grouped(world.fleet()));
                let at_work = grouped(wave.told.saturating_sub(wave.ended()));
                writeln!(
                    out,
                    "{:5.1} s  {version}: {done} of {all} run it, {at_work} at work",
                    at.as_secs_f64()
                )?;
            }
        }
        Ok(())
    }

    fn tell_checks(&mut self, world: &World) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for check in world.checks.iter().skip(self.checked) {
            if let Way::Json = self.way {
                let line = json!({
                    "check": check.promise, "held": check.held(),
                    "kept": check.kept, "of": check.of, "found": check.found,
                });
                writeln!(out, "{line}")?;
                continue;
            }
            writeln!(
                out,
                "{} {}",
                if check.held() { "✓" } else { "✗" },
                check.line()
            )?;
            for found in &check.found {
                writeln!(out, "  {found}")?;
            }
        }
        self.checked = world.checks.len();
        Ok(())
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Draws the screen over the one before.
fn draw(world: &World, height: &mut usize) -> io::Result<()> {
    let (columns, rows) = size();
    let lines = screen::lines(world, columns, rows.saturating_sub(1));
    // What is above the top of the terminal cannot be drawn over: the lowest lines are the newest.
    let skip = lines.len().saturating_sub(rows.saturating_sub(1));
    let lines = &lines[skip..];
    let mut out = String::with_capacity(8192);
    if *height > 0 {
        // Writing into a String cannot fail.
        let _ = write!(out, "\x1b[{height}A");
    }
    for line in lines {
        out.push_str("\x1b[2K");
        ansi(line, columns, &mut out);
        out.push('\n');
    }
    out.push_str("\x1b[J");
    *height = lines.len();
    let mut stdout = io::stdout().lock();
    stdout.write_all(out.as_bytes())?;
    stdout.flush()
}

fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        Ok(_) | Err(_) => SIZE,
    }
}

fn ansi(line: &Line, columns: usize, out: &mut String) {
    let mut at = 0;
    for (from, piece) in screen::placed(line, columns.min(COLUMNS)) {
        out.extend(std::iter::repeat_n(' ', from - at));
        let (look, text) = match piece {
            Piece::Text(look, text) => (look, text),
            Piece::Bar(look, cells) => (look, cell(look).repeat(cells)),
            Piece::To(_) => continue,
        };
        at = from + text.chars().count();
        let style = style(look);
        let _ = write!(out, "{style}{text}{style:#}");
    }
}

fn cell(look: Look) -> &'static str {
    match look {
        Look::Dim => "░",
        Look::Busy => "▒",
        Look::Plain | Look::Strong | Look::Good | Look::Bad => "█",
    }
}

fn style(look: Look) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match look {
        Look::Plain => Style::new(),
        Look::Dim => Style::new().dimmed(),
        Look::Strong => Style::new().bold(),
        Look::Good => colour(AnsiColor::Green),
        Look::Busy => colour(AnsiColor::Yellow),
        Look::Bad => colour(AnsiColor::Red),
    }
}
