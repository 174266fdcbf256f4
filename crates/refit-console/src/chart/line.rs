//! Values over time against a line that must not, or should, be crossed.

use std::fmt::Write as _;

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

use crate::part::{Tone, when};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;

/// Several values over the same time.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    /// What they show, for whoever does not see them.
    pub label: &'a str,
    /// When the picture begins and ends.
    pub span: (Timestamp, Timestamp),
    /// The value at the upper edge; that at the lower is 0.
    pub top: f64,
    /// How a value is written.
    pub write: fn(f64) -> String,
    /// The values.
    pub lines: &'a [Line<'a>],
    /// A level across all of it, what it is called, and what it means to reach it: the threshold, or the whole.
    pub level: Option<(f64, &'a str, Tone)>,
    /// A band around a line, as lower and upper values: how sure one can be.
    pub band: &'a [(Timestamp, f64, f64)],
}

/// One value over time.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The class that gives it its colour.
    pub class: &'static str,
    /// The values, in order.
    pub points: Vec<(Timestamp, f64)>,
}

/// Draws them.
pub fn lines(chart: &Lines<'_>, now: Timestamp) -> Markup {
    html! {
        figure.lines {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(chart.label) {
                @if !chart.band.is_empty() { path.band d=(band(chart)) {} }
                @for line in chart.lines {
                    polyline class=(line.class) points=(points(chart, &line.points)) {}
                }
                @if let Some((level, _, tone)) = chart.level {
                    line.level.(tone.class()) x1="0" x2=(WIDTH) y1=(y(chart, level)) y2=(y(chart, level)) {}
                }
            }
            div.axis {
                span { (when(chart.span.0, now)) }
                span { "0 to " ((chart.write)(chart.top)) }
                span { (when(chart.span.1, now)) }
            }
            ul.legend aria-label=(chart.label) {
                @for line in chart.lines {
                    li {
                        i class={ "key " (line.class) } {}
                        span { (line.name) } " "
                        @if let Some((_, value)) = line.points.last() { span.value data-f { ((chart.write)(*value)) } }
                    }
                }
                @if let Some((level, name, tone)) = chart.level {
                    li { i.key.level.(tone.class()) {} span { (name) } " " span.value data-f { ((chart.write)(level)) } }
                }
            }
        }
    }
}

fn x(chart: &Lines<'_>, at: Timestamp) -> f64 {
    let (from, to) = (chart.span.0.as_millis(), chart.span.1.as_millis());
    let all = to.saturating_sub(from).max(1) as f64;
    (at.as_millis().saturating_sub(from) as f64 / all).min(1.0) * WIDTH
}

fn y(chart: &Lines<'_>, value: f64) -> String {
    let top = if chart.top > 0.0 { chart.top } else { 1.0 };
    format!("{:.1}", HEIGHT - (value / top).clamp(0.0, 1.0) * HEIGHT)
}

fn points(chart: &Lines<'_>, points: &[(Timestamp, f64)]) -> String {
    let mut text = String::new();
    for (at, value) in points {
        let _written = write!(text, "{:.1},{} ", x(chart, *at), y(chart, *value));
    }
    text
}

fn band(chart: &Lines<'_>) -> String {
    let mut path = String::new();
    for (i, (at, _, upper)) in chart.band.iter().enumerate() {
        let to = if i == 0 { 'M' } else { 'L' };
        let _written = write!(path, "{to}{:.1} {}", x(chart, *at), y(chart, *upper));
    }
    for (at, lower, _) in chart.band.iter().rev() {
        let _written = write!(path, "L{:.1} {}", x(chart, *at), y(chart, *lower));
    }
    path.push('Z');
    path
}
