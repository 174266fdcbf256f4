//! Two properties of all devices against each other: a table whose cells are links, the fuller the stronger.

use maud::{Markup, html};

use crate::part::count;

/// A table of counts.
#[derive(Clone, Debug)]
pub struct Heat<'a> {
    /// What it shows.
    pub caption: &'a str,
    /// The property that the rows are of.
    pub of_rows: &'a str,
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows' names, and for each column how many and where they are.
    pub rows: Vec<(String, Vec<(u64, String)>)>,
}

/// Draws it.
pub fn heat(table: &Heat<'_>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(table.caption) {
            table.heat {
                caption { (table.caption) }
                thead { tr {
                    th scope="col" { (table.of_rows) }
                    @for column in &table.columns { th scope="col" { (column) } }
                } }
                tbody {
                    @for (name, cells) in &table.rows {
                        @let all: u64 = cells.iter().map(|(n, _)| n).sum();
                        tr {
                            th scope="row" { (name) }
                            @for (n, href) in cells {
                                td class=(warmth(*n, all)) {
                                    @if *n == 0 { span.none { "–" } } @else { a href=(href) data-f { (count(*n)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the class for a cell's share of its row.
const fn warmth(n: u64, all: u64) -> &'static str {
    if n == 0 || all == 0 {
        return "h0";
    }
    match n.saturating_mul(100) / all {
        0..=4 => "h1",
        5..=24 => "h2",
        25..=59 => "h3",
        _ => "h4",
    }
}
