//! What was probably meant by a name that does not exist.

/// Returns the name that was probably meant: the nearest, if at most a third of it has to change.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.replace('_', "-");
    names
        .map(|name| (distance(&wrong, name), name))
        .filter(|(far, name)| *far <= name.chars().count().div_ceil(3))
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// How many characters have to be put in, left out or exchanged (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, of_a) in a.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, of_b) in b.iter().enumerate() {
            let changed = corner + usize::from(of_a != *of_b);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_if_it_is_near() {
        let names = ["public-url", "http", "mqtt", "firmware@2.0.0"];
        let suggest = |wrong| nearest(wrong, names.into_iter());
        assert_eq!(suggest("public_url"), Some("public-url"));
        assert_eq!(suggest("htp"), Some("http"));
        assert_eq!(suggest("firmware@2.0.1"), Some("firmware@2.0.0"));
        assert_eq!(suggest("colour"), None);
        assert_eq!(suggest(""), None);
    }
}
