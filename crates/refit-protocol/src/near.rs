//! Which name was probably meant by one that does not exist: of a field, a setting, a release, a time zone.

use alloc::vec::Vec;

/// Returns the name that is least far from `wrong`, if it is near enough to be a slip: about one in four characters
/// has to change, and no more than half of either. What is much longer than any name is compared with none. A name that
/// exists, but not for this place, is not suggested for itself.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let others = names.into_iter().filter(|name| *name != wrong);
    let wrong = folded(wrong);
    let far = |name: &'a str| {
        let folded = folded(name);
        let shorter = folded.len().min(wrong.len());
        let allowed = (1 + wrong.len() / 4).min(shorter / 2);
        // A length that differs by more is as many insertions: no need to count.
        (folded.len().abs_diff(wrong.len()) <= allowed)
            .then(|| distance(&wrong, &folded))
            .filter(|far| *far <= allowed)
            .map(|far| (far, name))
    };
    let near = others.filter_map(far).min();
    near.map(|(_, name)| name)
}

fn folded(word: &str) -> Vec<char> {
    word.chars().map(|c| c.to_ascii_lowercase()).collect()
}

/// Counts the insertions, removals, replacements and swaps of neighbours between two words ("optimal string alignment":
/// Damerau 1964, Levenshtein 1966).
fn distance(a: &[char], b: &[char]) -> usize {
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
        let names = [
            "model",
            "version",
            "online",
            "in",
            "public-url",
            "http",
            "firmware@2.0.0",
            "firmware@2.1.0",
        ];
        for (wrong, near) in [
            ("modle", Some("model")),
            ("Verison", Some("version")),
            ("onlin", Some("online")),
            ("public_url", Some("public-url")),
            ("htp", Some("http")),
            ("firmware@2.0.1", Some("firmware@2.0.0")),
            ("ring", None),
            ("colour", None),
            ("i", None),
            ("HTTP", Some("http")),
            ("http", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, names), near, "{wrong}");
        }
        assert_eq!(nearest(&"model".repeat(1000), names), None);
    }

    #[test]
    fn a_swap_is_one_slip() {
        let far = |a: &str, b: &str| distance(&folded(a), &folded(b));
        assert_eq!(
            (far("ab", "ba"), far("abc", ""), far("kitten", "sitting")),
            (1, 3, 3)
        );
    }
}
