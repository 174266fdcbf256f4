//! Charts, drawn on the server as SVG: their colours are classes of the style sheet, and what they show can be read as
//! text beside them.

mod area;
mod heat;
mod line;
mod segments;

pub use self::area::{Area, Layer, area};
pub use self::heat::{Heat, heat};
pub use self::line::{Line, Lines, lines};
pub use self::segments::{Segment, segments};
