//! Pages of lists for somebody who sees some of the rows only.

use refit_store::store::Failure;

use super::count::Count;

/// How many rows are read at a time, and looked at for one page, where not all are seen. A page may then be shorter
/// than was asked for; its cursor goes on where it ended.
const READ: usize = 500;
const LOOKED_MAX: usize = 5_000;

/// A page: its rows, and behind which key the next one begins, if there may be more.
pub(super) type Narrowed<T, K> = (Vec<T>, Option<K>);

/// Reads a page of the rows that are seen. `sees` is `None` if all are.
pub(super) fn page<T, K: Clone>(
    after: Option<K>,
    limit: usize,
    mut read: impl FnMut(Option<&K>, usize) -> Result<Vec<T>, Failure>,
    key: impl Fn(&T) -> K,
    sees: Option<&dyn Fn(&T) -> bool>,
) -> Result<Narrowed<T, K>, Failure> {
    let Some(sees) = sees else {
        let rows = read(after.as_ref(), limit)?;
        let next = rows.get(limit - 1).map(&key);
        return Ok((rows, next));
    };
    let all = |(): &(), after: Option<&K>, limit| read(after, limit);
    page_of_parts(&[()], after, limit, all, key, sees)
}

/// Counts the rows that are seen, among as many as are looked at for a page.
pub(super) fn count<T, K: Clone>(
    read: impl FnMut(Option<&K>, usize) -> Result<Vec<T>, Failure>,
    key: impl Fn(&T) -> K,
    sees: &dyn Fn(&T) -> bool,
) -> Result<Count, Failure> {
    let (seen, next) = page(None, usize::MAX, read, key, Some(sees))?;
    let count = seen.len() as u64;
    Ok(match next {
        None => Count::exact(count),
        Some(_) => Count::at_least(count),
    })
}

/// Reads a page of the rows that are seen, all of which are in these parts of the list, one behind the other. A part
/// costs one read at least.
pub(super) fn page_of_parts<P, T, K: Clone>(
    parts: &[P],
    after: Option<K>,
    limit: usize,
    mut read: impl FnMut(&P, Option<&K>, usize) -> Result<Vec<T>, Failure>,
    key: impl Fn(&T) -> K,
    sees: &dyn Fn(&T) -> bool,
) -> Result<Narrowed<T, K>, Failure> {
    let (mut seen, mut after, mut looked) = (Vec::new(), after, 0);
    for part in parts {
        loop {
            if looked >= LOOKED_MAX {
                return Ok((seen, after));
            }
            let rows = read(part, after.as_ref(), READ)?;
            let is_last = rows.len() < READ;
            for row in rows {
                looked += 1;
                after = Some(key(&row));
                if sees(&row) {
                    seen.push(row);
                    if seen.len() == limit {
                        return Ok((seen, after));
                    }
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok((seen, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of numbers below 12,000 as a store would.
    fn read(after: Option<&u32>, limit: usize) -> Result<Vec<u32>, Failure> {
        let first = after.map_or(0, |after| after + 1);
        Ok((first..12_000).take(limit).collect())
    }

    fn all(limit: usize, sees: Option<&dyn Fn(&u32) -> bool>) -> Vec<Vec<u32>> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let (rows, next) = page(after, limit, read, |n| *n, sees).unwrap();
            pages.push(rows);
            after = next;
            if after.is_none() {
                return pages;
            }
        }
    }

    #[track_caller]
    fn every_row(sees: &dyn Fn(&u32) -> bool, count: usize) {
        for limit in [1000, 7] {
            let pages = all(limit, Some(sees));
            assert!(pages.iter().all(|page| page.len() <= limit));
            let rows: Vec<u32> = pages.concat();
            assert_eq!(rows.len(), count);
            assert!(rows.iter().all(sees) && rows.is_sorted());
        }
    }

    #[test]
    fn every_row_that_is_seen_is_on_one_page() {
        let (some, few, none) = (
            |n: &u32| n.is_multiple_of(3),
            |n: &u32| *n == 11_999,
            |_: &u32| false,
        );
        every_row(&some, 4000);
        every_row(&few, 1);
        every_row(&none, 0);
        assert_eq!(all(500, None).concat().len(), 12_000);
    }

    #[test]
    fn what_is_between_the_parts_is_not_read() {
        let parts = [(10, 12), (6000, 6600), (9000, 9001), (11_000, 11_000)];
        let is_in = |n: u32| parts.iter().any(|(from, to)| (*from..*to).contains(&n));
        let count = (0..12_000)
            .filter(|n| is_in(*n) && !n.is_multiple_of(5))
            .count();
        for limit in [1000, 7, 1] {
            let (mut rows, mut after, mut looked) = (Vec::new(), None, 0);
            loop {
                let read = |(from, to): &(u32, u32), after: Option<&u32>, limit: usize| {
                    let first = after.map_or(*from, |after| (after + 1).max(*from));
                    let rows: Vec<u32> = (first..*to).take(limit).collect();
                    looked += rows.len();
                    Ok(rows)
                };
                let sees = |n: &u32| !n.is_multiple_of(5);
                let page = page_of_parts(&parts, after, limit, read, |n| *n, &sees).unwrap();
                assert!(page.0.len() <= limit);
                rows.extend(page.0);
                after = page.1;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(rows.len(), count);
            assert!(rows.is_sorted());
            if limit == 1000 {
                assert_eq!(looked, 603, "each row of the parts once, and no other");
            }
        }
    }
}
