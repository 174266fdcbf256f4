//! Pages of lists for somebody who sees some of the rows only.

use refit_store::store::Failure;

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
    let (mut seen, mut after, mut looked) = (Vec::new(), after, 0);
    while looked < LOOKED_MAX {
        let rows = read(after.as_ref(), READ)?;
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
            return Ok((seen, None));
        }
    }
    Ok((seen, after))
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
}
