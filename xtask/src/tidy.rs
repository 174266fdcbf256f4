//! Checks what no compiler checks: every file says what it is for, none is too long to read, decisions are numbered,
//! dependencies are as they are drawn and argued for, and a rule that is cited can be looked up.

mod dependencies;
mod promises;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::root;

/// Past this a file is not read in one sitting.
const LINES_MAX: usize = 550;

pub(crate) fn tidy() -> Result<(), String> {
    let mut complaints = Vec::new();
    let page = rules::page(&root());
    for file in rust_files(&root()) {
        let text = fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
        complain_about(&file, &text, &page, &mut complaints);
    }
    decisions(&root().join("docs/decisions"), &mut complaints);
    dependencies::dependencies(&root(), &mut complaints);
    promises::promises(&root(), &mut complaints);
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints.join("\n"))
    }
}

fn complain_about(file: &Path, text: &str, page: &str, complaints: &mut Vec<String>) {
    let name = file
        .strip_prefix(root())
        .unwrap_or(file)
        .display()
        .to_string();
    if !text.starts_with("//! ") {
        complaints.push(format!(
            "{name}: no front page; begin with `//!` and the one thing it says"
        ));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        complaints.push(format!(
            "{name}: {lines} lines; split it where a second noun appears"
        ));
    }
    if !name.starts_with("xtask") {
        rules::rules(&name, text, page, complaints);
    }
    for word in ["FIXME", "dbg!("] {
        if text.contains(word) && !name.starts_with("xtask") {
            complaints.push(format!("{name}: {word} does not reach main"));
        }
    }
}

fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("crates"), root.join("xtask"), root.join("fuzz")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn decisions(folder: &Path, complaints: &mut Vec<String>) {
    let mut numbers: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".md") && name != "template.md")
        .map(|name| name.chars().take(4).collect())
        .collect();
    numbers.sort();
    for (at, number) in numbers.iter().enumerate() {
        if number.parse() != Ok(at + 1) {
            complaints.push(format!(
                "docs/decisions: number {number} stands where {:04} should",
                at + 1
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        super::tidy().unwrap();
    }
}
