//! The name that was probably meant.

use alloc::vec::Vec;

/// Returns the name that is least far from `wrong`, if it is near enough to be a slip.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A word that is much longer than any name is not a slip, and not worth the work.
    if wrong.len() > 2 * super::limits::NAME_BYTES_MAX {
        return None;
    }
    let allowed = |name: &str| (1 + wrong.len() / 4).min(name.len().min(wrong.len()) / 2);
    names
        .map(|name| (distance(wrong, name), name))
        .filter(|(far, name)| *far <= allowed(name))
        .min()
        .map(|(_, name)| name)
}

/// Counts the insertions, removals, replacements and swaps of neighbours between two words, whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let fold = |word: &str| {
        word.chars()
            .map(|c| c.to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    let (a, b) = (fold(a), fold(b));
    let mut older: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && *x == b[j - 1] {
                least = least.min(older[j - 1] + 1);
            }
            row.push(least);
        }
        older = core::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        for (wrong, near) in [
            ("modle", Some("model")),
            ("Verison", Some("version")),
            ("ring", None),
            ("onlin", Some("online")),
            ("", None),
        ] {
            assert_eq!(
                nearest(wrong, ["model", "version", "online", "in"].into_iter()),
                near,
                "{wrong}"
            );
        }
        assert_eq!(
            (
                distance("ab", "ba"),
                distance("abc", ""),
                distance("kitten", "sitting")
            ),
            (1, 3, 3)
        );
    }
}
