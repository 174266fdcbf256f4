//! Every test that `docs/security.md` names as the proof of a defence is there, and is a test.

use std::fs;
use std::path::Path;

/// Looks at each `file::name` between backticks.
pub(super) fn promises(root: &Path, complaints: &mut Vec<String>) {
    let page = "docs/security.md";
    let Ok(text) = fs::read_to_string(root.join(page)) else {
        return complaints.push(format!("{page} is not there"));
    };
    let mut count = 0;
    for (file, name) in named(&text) {
        count += 1;
        let source = fs::read_to_string(root.join("crates").join(file)).unwrap_or_default();
        if !is_test(&source, name) {
            complaints.push(format!("{page}: there is no test {file}::{name}"));
        }
    }
    if count == 0 {
        complaints.push(format!("{page}: it names no test"));
    }
}

fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|word| word.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs"))
}

/// Tells whether a function of this name stands below an attribute that makes it a test.
fn is_test(source: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    let mut after_attribute = false;
    for line in source.lines().map(str::trim) {
        if line.contains(&function) {
            // Property tests have theirs from the macro around them, in the same form.
            return after_attribute;
        }
        if line.starts_with("#[") {
            after_attribute |= line.contains("test");
        } else if line.is_empty() || line.ends_with('}') {
            after_attribute = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_test_is_found() {
        let text = "a `x/y.rs::one` b `z.rs`, `x/y.rs::two` `not::this`";
        let all: Vec<_> = named(text).collect();
        assert_eq!(all, [("x/y.rs", "one"), ("x/y.rs", "two")]);
        let source = "#[test]\nfn one() {}\n\nfn two() {}\n#[tokio::test]\nasync fn three() {}\n";
        assert!(is_test(source, "one") && is_test(source, "three"));
        assert!(!is_test(source, "two") && !is_test(source, "four"));
    }
}
