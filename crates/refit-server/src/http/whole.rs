//! Pages of lists that are read whole, because there are never many: releases, tokens, users, claim tokens, keys.

use axum::http::{HeaderMap, Uri};

use super::ask::{self, Page};
use super::count::Count;
use super::error::{Kind, Problem};
use crate::cursor::Cursors;

/// A page: its items, where the next begins, and how many there are, if that was asked for.
pub(super) struct Paged<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
    pub(super) count: Option<Count>,
    /// `Link` to the next page.
    pub(super) link: HeaderMap,
}

/// Cuts out of a whole list the page that is asked for. `label` tells an item from all others.
pub(super) fn page<T>(
    (cursors, list): (&Cursors, &str),
    (uri, asked): (&Uri, Page),
    all: Vec<T>,
    label: impl Fn(&T) -> String,
) -> Result<Paged<T>, Problem> {
    let asked = asked.checked()?;
    let first = match &asked.cursor {
        None => 0,
        Some(cursor) => behind(&all, &cursors.read(list, cursor)?, &label)?,
    };
    let count = asked.count.map(|_| Count::exact(all.len() as u64));
    let is_last = all.len().saturating_sub(first) <= asked.limit;
    let items: Vec<T> = all.into_iter().skip(first).take(asked.limit).collect();
    let last = items.last().filter(|_| !is_last);
    let next = last.map(|last| cursors.write(list, &label(last)));
    Ok(Paged {
        link: ask::link_next(uri, next.as_deref()),
        items,
        next,
        count,
    })
}

/// Returns how many items are before the page after this one.
fn behind<T>(all: &[T], last: &str, label: impl Fn(&T) -> String) -> Result<usize, Problem> {
    let place = all.iter().position(|item| label(item) == last);
    place.map(|place| place + 1).ok_or_else(|| {
        let detail = format!(
            "{last}, the last of the page before, was removed: begin anew without a cursor"
        );
        Problem::new(Kind::BadCursor, detail).with("reason", "removed")
    })
}
