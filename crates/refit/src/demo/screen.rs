//! The world as lines: one model of the screen, which a terminal shows and a picture draws.

use super::bundle::{NEW, OLD};
use super::grouped;
use super::world::{Agent, Event, Tone, Wave, World};

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// As text is.
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// All is well.
    Good,
    /// Something works.
    Busy,
    /// Something is broken.
    Bad,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Some text.
    Text(Look, String),
    /// A part of a bar, in cells.
    Bar(Look, usize),
    /// Nothing, up to this column.
    To(usize),
}

/// A line of the screen.
pub(super) type Line = Vec<Piece>;

/// The columns that the screen is made for; a wider terminal shows no more.
pub(super) const COLUMNS: usize = 96;

/// The columns down to which everything has a place; a narrower terminal shows less.
const COLUMNS_MIN: usize = 80;

/// Where what follows a name begins.
const INDENT: usize = 9;

/// Columns of a bar's line that are not bar.
const BESIDE_BAR: usize = 52;

/// How many events are shown if there is room.
const EVENTS: usize = 12;

/// Draws the world for so many columns, in at most so many lines: if there is too little room, old events are left out.
pub(super) fn lines(world: &World, columns: usize, height: usize) -> Vec<Line> {
    let columns = columns.clamp(COLUMNS_MIN, COLUMNS);
    let mut lines = vec![
        title(world, columns),
        vec![],
        server(world, columns),
        vec![],
    ];
    for (version, wave) in [OLD, NEW].into_iter().zip(&world.waves) {
        lines.push(bar(world, version, wave, columns - BESIDE_BAR));
    }
    lines.push(vec![]);
    lines.extend(agents(world, columns));
    lines.push(vec![]);
    let below = end(world, columns);
    let room = height.saturating_sub(lines.len() + below.len()).min(EVENTS);
    let skip = world.events.len().saturating_sub(room);
    lines.extend(world.events.iter().skip(skip).map(event));
    lines.extend(below);
    lines
}

fn title(world: &World, columns: usize) -> Line {
    let seconds = world.began.elapsed().as_secs_f64();
    let what = format!(
        "{} simulated devices, {} agents, one server",
        grouped(world.devices.len()),
        world.agents.len()
    );
    vec![
        text(Look::Strong, "refit demo"),
        Piece::To(INDENT + 4),
        text(Look::Dim, what),
        Piece::To(columns - 24),
        text(Look::Dim, format!("seed {}", world.seed)),
        Piece::To(columns - 8),
        text(Look::Dim, format!("{seconds:6.1} s")),
    ]
}

fn server(world: &World, columns: usize) -> Line {
    let server = &world.server;
    let (look, state) = match (server.is_up, server.kills) {
        (true, 0) => (Look::Good, "● up"),
        (true, _) => (Look::Good, "● up again"),
        (false, 0) => (Look::Busy, "○ starting"),
        (false, _) => (Look::Bad, "✗ killed"),
    };
    let online = world.online();
    let look_online = if online == world.fleet() {
        Look::Good
    } else {
        Look::Busy
    };
    let mut line = vec![
        text(Look::Strong, "server"),
        Piece::To(INDENT),
        text(look, state),
        Piece::To(INDENT + 13),
        text(Look::Dim, server.api.clone()),
    ];
    // The first event has both; there is not the room for both here in each terminal.
    if columns == COLUMNS {
        line.push(Piece::To(INDENT + 38));
        line.push(text(Look::Dim, server.mqtt.clone()));
    }
    line.push(Piece::To(columns - 22));
    line.push(text(
        look_online,
        format!("{} of {} online", grouped(online), grouped(world.fleet())),
    ));
    line
}

fn bar(world: &World, version: &str, wave: &Wave, width: usize) -> Line {
    let all = world.fleet();
    let cells = |count: usize| (count * width / all.max(1)).min(width);
    let done = cells(wave.done);
    let failed = cells(wave.ended())
        .saturating_sub(done)
        .max(usize::from(wave.failed > 0))
        .min(width - done);
    let told = cells(wave.told).saturating_sub(done + failed);
    let mut line = vec![
        text(Look::Strong, version),
        Piece::To(INDENT),
        Piece::Bar(Look::Good, done),
        Piece::Bar(Look::Bad, failed),
        Piece::Bar(Look::Busy, told),
        Piece::Bar(Look::Dim, width - done - failed - told),
        Piece::To(INDENT + width + 2),
        text(
            Look::Plain,
            format!("{:>5} of {}", grouped(wave.done), grouped(all)),
        ),
        Piece::To(INDENT + width + 17),
    ];
    if wave.failed > 0 {
        line.push(text(
            Look::Bad,
            format!("{} went back  ", grouped(wave.failed)),
        ));
    }
    match wave.took {
        Some(took) => line.push(text(Look::Dim, format!("{:.1} s", took.as_secs_f64()))),
        None if wave.told > wave.ended() => {
            line.push(text(
                Look::Busy,
                format!("{} at work", grouped(wave.told - wave.ended())),
            ));
        }
        None => {}
    }
    line
}

/// Three agents a line, or two.
fn agents(world: &World, columns: usize) -> impl Iterator<Item = Line> {
    let in_a_line = if columns == COLUMNS { 3 } else { 2 };
    world.agents.chunks(in_a_line).map(move |row| {
        let cell = |(at, agent): (usize, &Agent)| {
            let (look, mark, words) = agent_state(agent);
            let from = at * (columns / in_a_line);
            [
                Piece::To(from),
                text(Look::Plain, agent.id.clone()),
                Piece::To(from + 11),
                text(look, format!("{mark} {words}")),
            ]
        };
        row.iter().enumerate().flat_map(cell).collect()
    })
}

fn agent_state(agent: &Agent) -> (Look, &'static str, String) {
    let runs = agent.runs.as_deref().unwrap_or("–");
    let to = agent.to.as_deref().unwrap_or(runs);
    match agent.stage.as_str() {
        "going-back" => (Look::Bad, "↩", format!("{runs} going back")),
        "idle" if agent.note.is_some() => (Look::Bad, "↩", format!("{runs} went back")),
        "idle" | "" if agent.runs.is_none() => (Look::Dim, "○", "nothing yet".into()),
        "idle" | "" if agent.kills > 0 => (Look::Good, "●", format!("{runs} recovered")),
        "idle" | "" => (Look::Good, "●", runs.into()),
        _ if !agent.is_alive => (Look::Bad, "✗", format!("{to} killed")),
        _ => (Look::Busy, "◐", format!("{to} {}", agent.doing())),
    }
}

fn event(event: &Event) -> Line {
    let look = match event.tone {
        Tone::Step => Look::Plain,
        Tone::Good => Look::Good,
        Tone::Bad => Look::Bad,
    };
    let at = format!("{:5.1} s", event.at.as_secs_f64());
    vec![
        text(Look::Dim, at),
        Piece::To(INDENT),
        text(look, event.text.clone()),
    ]
}

fn end(world: &World, columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    if !world.checks.is_empty() {
        lines.push(vec![]);
    }
    for check in &world.checks {
        let (look, mark) = if check.held() {
            (Look::Good, "✓")
        } else {
            (Look::Bad, "✗")
        };
        for (at, line) in wrapped(&check.line(), columns - 2).enumerate() {
            let mark = if at == 0 { mark } else { "" };
            lines.push(vec![
                text(look, mark),
                Piece::To(2),
                text(Look::Plain, line),
            ]);
        }
        let found = check
            .found
            .iter()
            .flat_map(|found| wrapped(found, columns - 2));
        lines.extend(found.map(|found| vec![Piece::To(2), text(Look::Dim, found)]));
    }
    if !world.closing.is_empty() {
        lines.push(vec![]);
    }
    for (at, line) in world.closing.iter().enumerate() {
        let look = if at == 0 { Look::Strong } else { Look::Plain };
        lines.extend(wrapped(line, columns).map(|line| vec![text(look, line)]));
    }
    lines
}

/// Breaks a text into lines, between words where that is possible; the blanks that it begins with stay.
fn wrapped(text: &str, width: usize) -> impl Iterator<Item = String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if used > 0 && used + length > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
        used += word.chars().count();
    }
    lines.into_iter().map(|line| line.trim_end().to_owned())
}

fn text(look: Look, text: impl Into<String>) -> Piece {
    Piece::Text(look, text.into())
}

/// Returns a line's pieces with the columns that they begin at, cut at the right edge.
pub(super) fn placed(line: &Line, columns: usize) -> Vec<(usize, Piece)> {
    let mut at = 0;
    let mut placed = Vec::new();
    for piece in line {
        let room = columns.saturating_sub(at);
        let (piece, width) = match piece {
            Piece::To(column) => {
                // Where there is no room for a gap of its own, one blank keeps things apart.
                at = if *column > at || at == 0 {
                    *column
                } else {
                    at + 1
                };
                continue;
            }
            Piece::Text(look, text) => {
                let cut: String = text.chars().take(room).collect();
                let width = cut.chars().count();
                (Piece::Text(*look, cut), width)
            }
            Piece::Bar(look, cells) => (Piece::Bar(*look, (*cells).min(room)), (*cells).min(room)),
        };
        if width > 0 {
            placed.push((at, piece));
            at += width;
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: &Line, columns: usize) -> String {
        let mut out = String::new();
        for (at, piece) in placed(line, columns) {
            out.extend(std::iter::repeat_n(' ', at - out.chars().count()));
            match piece {
                Piece::Text(_, text) => out.push_str(&text),
                Piece::Bar(look, cells) => {
                    let cell = if look == Look::Dim { '.' } else { '#' };
                    out.extend(std::iter::repeat_n(cell, cells));
                }
                Piece::To(_) => {}
            }
        }
        out
    }

    #[test]
    fn nothing_is_wider_than_the_terminal_and_nothing_runs_together() {
        let mut world = World::new(500, 12, 7);
        world.server.api = "http://127.0.0.1:65535/with/a/very/long/path/for/a/demo".into();
        world.tell(Tone::Bad, "x".repeat(300));
        for line in lines(&world, 80, 60) {
            assert!(plain(&line, 80).chars().count() <= 80);
        }
        let server = plain(&server(&world, COLUMNS), 200);
        assert!(server.contains("demo  0 of 512 online"), "{server}");
    }

    #[test]
    fn a_single_failure_is_seen_in_a_bar_of_hundreds() {
        let mut world = World::new(500, 12, 7);
        world.waves[1] = Wave {
            told: 512,
            done: 511,
            failed: 1,
            ..Wave::default()
        };
        let line = bar(&world, NEW, &world.waves[1], 44);
        assert!(line.contains(&Piece::Bar(Look::Bad, 1)));
        let cells: usize = line
            .iter()
            .map(|p| if let Piece::Bar(_, n) = p { *n } else { 0 })
            .sum();
        assert_eq!(cells, 44);
        assert!(plain(&line, 96).contains("1 went back"));
    }

    #[test]
    fn eighty_columns_have_room_for_how_far_it_is() {
        let mut world = World::new(500, 12, 7);
        world.server.api = "http://127.0.0.1:65535".into();
        world.waves[1] = Wave {
            told: 512,
            done: 57,
            failed: 1,
            ..Wave::default()
        };
        let drawn: Vec<String> = lines(&world, 80, 60)
            .iter()
            .map(|line| plain(line, 80))
            .collect();
        for end in [" s", "0 of 512 online", "1 went back  454 at work"] {
            assert!(drawn.iter().any(|line| line.ends_with(end)), "{drawn:#?}");
        }
    }

    #[test]
    fn long_texts_are_broken_between_words() {
        let broken: Vec<String> = wrapped("  one two three", 9).collect();
        assert_eq!(broken, ["  one two", "three"]);
        assert_eq!(wrapped("", 9).collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn old_events_make_room() {
        let mut world = World::new(1, 2, 7);
        (0..40).for_each(|n| world.tell(Tone::Step, format!("event {n}")));
        assert!(lines(&world, 80, 12).len() <= 12);
        assert!(
            lines(&world, 80, 100)
                .iter()
                .any(|line| plain(line, 80).ends_with("event 39"))
        );
    }
}
