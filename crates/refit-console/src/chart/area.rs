//! How a whole was divided over time: layers upon one another.

use std::fmt::Write as _;

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

use crate::part::{count, when};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;

/// A division over time.
#[derive(Clone, Debug)]
pub struct Area<'a> {
    /// What it shows, for whoever does not see it.
    pub label: &'a str,
    /// When it was looked at, in order.
    pub at: &'a [Timestamp],
    /// The layers from the bottom up.
    pub layers: &'a [Layer<'a>],
}

/// One part of the whole.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The class that gives it its colour.
    pub class: &'static str,
    /// How many, at each time.
    pub n: Vec<u64>,
    /// Those of now.
    pub href: String,
}

/// Draws it. Fewer than two looks make no picture, and say so.
pub fn area(chart: &Area<'_>, now: Timestamp) -> Markup {
    let (Some(first), Some(last)) = (chart.at.first(), chart.at.last()) else {
        return empty();
    };
    if first == last {
        return empty();
    }
    let top = (0..chart.at.len())
        .map(|i| chart.layers.iter().map(|layer| at(layer, i)).sum::<u64>())
        .max()
        .unwrap_or(0);
    html! {
        figure.area {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(chart.label) {
                @for (place, layer) in chart.layers.iter().enumerate() {
                    path class=(layer.class) d=(outline(chart, place, top)) {}
                }
            }
            div.axis { span { (when(*first, now)) } span { (count(top)) " at most" } span { (when(*last, now)) } }
            ul.legend aria-label=(chart.label) {
                @for layer in chart.layers.iter().rev() {
                    li {
                        a href=(layer.href) {
                            i class={ "key " (layer.class) } {}
                            span { (layer.name) } " "
                            b data-f { (count(layer.n.last().copied().unwrap_or(0))) }
                        }
                    }
                }
            }
        }
    }
}

fn empty() -> Markup {
    html! { p.empty { "The picture begins with the second look, a minute after the first." } }
}

fn at(layer: &Layer<'_>, i: usize) -> u64 {
    layer.n.get(i).copied().unwrap_or(0)
}

/// Draws one layer: along its upper edge, and back along its lower.
fn outline(chart: &Area<'_>, place: usize, top: u64) -> String {
    let below: Vec<u64> = (0..chart.at.len())
        .map(|i| chart.layers.iter().take(place).map(|l| at(l, i)).sum())
        .collect();
    let Some(layer) = chart.layers.get(place) else {
        return String::new();
    };
    let points = chart.at.iter().zip(&below).enumerate();
    let mut path = String::new();
    for (i, (time, below)) in points.clone() {
        let (x, y) = (across(chart, *time), up(below + at(layer, i), top));
        let to = if i == 0 { 'M' } else { 'L' };
        let _written = write!(path, "{to}{x:.1} {y:.1}");
    }
    for (_, (time, below)) in points.rev() {
        let (x, y) = (across(chart, *time), up(*below, top));
        let _written = write!(path, "L{x:.1} {y:.1}");
    }
    path.push('Z');
    path
}

fn across(chart: &Area<'_>, time: Timestamp) -> f64 {
    let first = chart.at.first().map_or(0, |t| t.as_millis());
    let last = chart.at.last().map_or(1, |t| t.as_millis());
    let all = last.saturating_sub(first).max(1) as f64;
    time.as_millis().saturating_sub(first) as f64 / all * WIDTH
}

fn up(n: u64, top: u64) -> f64 {
    HEIGHT - n as f64 / top.max(1) as f64 * HEIGHT
}
