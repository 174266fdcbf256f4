//! A rule that the code cites by its number ("semantics 30") stands on the page of rules, so that a reader can look it up.

use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = "docs/rules.md";

/// How a number of a rule is announced in comments.
const WORD: &str = "semantics ";

/// Complains about numbers that are cited in this text and are no row of the page.
pub(super) fn rules(name: &str, text: &str, page: &str, complaints: &mut Vec<String>) {
    for number in cited(text) {
        if !page.contains(&format!("\n| {number} | ")) {
            complaints.push(format!(
                "{name}: cites semantics {number}, which {PAGE} does not have: write what the rule says there"
            ));
        }
    }
}

/// Returns the page's part with the rules that are cited so; the others have numbers of their own.
pub(super) fn page(root: &Path) -> String {
    let page = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    let rules = page.split_once("\n## Semantics\n").map(|(_, rules)| rules);
    rules.unwrap_or_default().to_owned()
}

/// Reads `semantics 17`, `semantics 12 and 13`, `semantics 9, 27 and 28`.
fn cited(text: &str) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    let lower = text.to_ascii_lowercase();
    for (at, word) in lower.match_indices(WORD) {
        let mut rest = lower.get(at + word.len()..).unwrap_or_default();
        loop {
            let end = rest.find(|c: char| !c.is_ascii_digit());
            let (number, tail) = rest.split_at(end.unwrap_or(rest.len()));
            let Ok(number) = number.parse() else { break };
            numbers.insert(number);
            let next = tail
                .strip_prefix(", ")
                .or_else(|| tail.strip_prefix(" and "));
            let Some(next) = next else { break };
            rest = next;
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_that_is_cited_is_looked_up() {
        let text = "// (semantics 12 and 13), Semantics 9, 27 and 28: so. The semantics of it. semantics 4, as ever";
        assert_eq!(cited(text), [4, 9, 12, 13, 27, 28].into());
        let mut complaints = Vec::new();
        let page = "\n| 4 | a |\n| 12 | a |\n| 13 | a |\n| 27 | a |\n| 28 | a |\n";
        rules("a.rs", text, page, &mut complaints);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].starts_with("a.rs: cites semantics 9,"));
    }
}
