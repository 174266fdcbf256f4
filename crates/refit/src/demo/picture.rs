//! The screen as a picture: an SVG that is text and boxes, so that it is small, sharp, and right in light and dark.

use std::fmt::Write;

use super::screen::{self, COLUMNS, Line, Look, Piece};

/// The size of a character cell, in the picture's own units.
const CELL: (f64, f64) = (8.0, 18.0);

/// The space around the text.
const MARGIN: f64 = 20.0;

const STYLE: &str = "
text { font: 13px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre; }
.ground { fill: #ffffff; stroke: #d0d7de; }
.plain { fill: #24292f; } .dim { fill: #656d76; } .strong { fill: #1f2328; font-weight: 600; }
.good { fill: #1a7f37; } .busy { fill: #9a6700; } .bad { fill: #cf222e; }
.bar.dim { fill: #eaeef2; } .bar.busy { fill: #eac54f; } .bar.good { fill: #2da44e; }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; stroke: #30363d; }
.plain { fill: #c9d1d9; } .dim { fill: #8b949e; } .strong { fill: #f0f6fc; }
.good { fill: #3fb950; } .busy { fill: #d29922; } .bad { fill: #f85149; }
.bar.dim { fill: #21262d; } .bar.busy { fill: #9e6a03; } .bar.good { fill: #2ea043; }
}
";

/// Draws the lines; `title` is for those who cannot see it.
pub(super) fn svg(lines: &[Line], title: &str) -> String {
    let width = COLUMNS as f64 * CELL.0 + 2.0 * MARGIN;
    let height = lines.len() as f64 * CELL.1 + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"t\">\n<title id=\"t\">{}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        escaped(title),
        width - 1.0,
        height - 1.0,
    );
    for (row, line) in lines.iter().enumerate() {
        draw(line, MARGIN + row as f64 * CELL.1, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn draw(line: &Line, top: f64, out: &mut String) {
    for (column, piece) in screen::placed(line, COLUMNS) {
        let x = MARGIN + column as f64 * CELL.0;
        // Writing into a String cannot fail.
        let _ = match piece {
            // Its length is said, so that columns meet whatever font there is.
            Piece::Text(look, text) => writeln!(
                out,
                "<text class=\"{}\" x=\"{x}\" y=\"{}\" textLength=\"{}\" xml:space=\"preserve\">{}</text>",
                class(look),
                top + 13.0,
                text.chars().count() as f64 * CELL.0,
                escaped(&text),
            ),
            Piece::Bar(look, cells) => writeln!(
                out,
                "<rect class=\"bar {}\" x=\"{x}\" y=\"{}\" width=\"{}\" height=\"11\"/>",
                class(look),
                top + 3.0,
                cells as f64 * CELL.0,
            ),
            Piece::To(_) => Ok(()),
        };
    }
}

fn class(look: Look) -> &'static str {
    match look {
        Look::Plain => "plain",
        Look::Dim => "dim",
        Look::Strong => "strong",
        Look::Good => "good",
        Look::Busy => "busy",
        Look::Bad => "bad",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        let line = vec![Piece::Text(Look::Bad, "<script>&".into())];
        let svg = svg(&[line], "a < b");
        assert!(svg.contains("&lt;script&gt;&amp;") && svg.contains("a &lt; b"));
    }
}
