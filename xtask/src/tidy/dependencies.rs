//! Who may lean on whom, and on what from outside: each `Cargo.toml` against ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The arrows: a room, and the rooms that it may use. Test benches may use anything.
const ARROWS: [(&str, &[&str]); 17] = [
    ("refit-protocol", &[]),
    ("refit-packet", &[]),
    ("refit-replica", &["refit-protocol"]),
    ("refit-rollout", &["refit-protocol", "refit-selector"]),
    ("refit-access", &["refit-protocol"]),
    ("refit-selector", &["refit-protocol"]),
    ("refit-index", &["refit-protocol", "refit-selector"]),
    ("refit-identity", &["refit-protocol"]),
    ("refit-console", &["refit-protocol"]),
    ("refit-tls", &[]),
    ("refit-depot", &["refit-protocol"]),
    (
        "refit-store",
        &["refit-access", "refit-protocol", "refit-replica"],
    ),
    (
        "refit-engine",
        &[
            "refit-access",
            "refit-index",
            "refit-protocol",
            "refit-replica",
            "refit-rollout",
            "refit-selector",
            "refit-store",
        ],
    ),
    (
        "refit-mqtt",
        &[
            "refit-engine",
            "refit-packet",
            "refit-protocol",
            "refit-replica",
            "refit-tls",
        ],
    ),
    (
        "refit-server",
        &[
            "refit-access",
            "refit-depot",
            "refit-engine",
            "refit-identity",
            "refit-index",
            "refit-mqtt",
            "refit-protocol",
            "refit-replica",
            "refit-rollout",
            "refit-selector",
            "refit-store",
            "refit-tls",
        ],
    ),
    ("refit-agent", &["refit-packet", "refit-protocol"]),
    (
        "refit",
        &[
            "refit-access",
            "refit-depot",
            "refit-identity",
            "refit-packet",
            "refit-protocol",
            "refit-selector",
            "refit-server",
        ],
    ),
];

/// Complains about an arrow that is not drawn, a dependency without a reason, and a reason without a dependency.
pub(super) fn dependencies(root: &Path, complaints: &mut Vec<String>) {
    let architecture = read(&root.join("ARCHITECTURE.md"));
    let argued = argued(&architecture);
    let versioned = names_in(&read(&root.join("Cargo.toml")), &["workspace.dependencies"]);
    let mut used = BTreeSet::new();
    for manifest in manifests(root) {
        let text = read(&manifest);
        let room = manifest.parent().and_then(Path::file_name);
        let room = room.unwrap_or_default().to_string_lossy();
        let own = names_in(&text, &["dependencies"]);
        if let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == room) {
            for to in own.iter().filter(|name| name.starts_with("refit-")) {
                if !may.contains(&to.as_str()) {
                    complaints.push(format!("{room}: no arrow leads to {to}"));
                }
            }
        }
        used.extend(names_in(&text, &["dependencies", "dev-dependencies"]));
    }
    for name in &used {
        if !versioned.contains(name) {
            complaints.push(format!(
                "{name}: its version belongs into the root Cargo.toml"
            ));
        }
        if !name.starts_with("refit-") && !argued.contains(name.as_str()) {
            complaints.push(format!(
                "{name}: ARCHITECTURE.md does not say why it is here"
            ));
        }
    }
    for name in versioned.difference(&used) {
        complaints.push(format!("Cargo.toml: nobody uses {name}"));
    }
    for name in &argued {
        if !used.contains(*name) {
            complaints.push(format!(
                "ARCHITECTURE.md: {name} is argued for, and nobody uses it"
            ));
        }
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn manifests(root: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let rooms = fs::read_dir(root.join("crates")).into_iter().flatten();
    rooms
        .flatten()
        .map(|room| room.path().join("Cargo.toml"))
        .chain([root.join("xtask/Cargo.toml")])
}

/// Returns the keys of these tables of a manifest.
fn names_in(manifest: &str, tables: &[&str]) -> BTreeSet<String> {
    let mut within = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            within = tables.contains(&table.trim_end_matches(']'));
        } else if within && let Some((name, _)) = line.split_once(['.', ' ', '=']) {
            names.insert(name.to_owned());
        }
    }
    names.retain(|name| !name.is_empty() && !name.starts_with('#'));
    names
}

/// Returns the names in the first column of the table of dependencies.
fn argued(architecture: &str) -> BTreeSet<&str> {
    let section = architecture
        .split("\n## ")
        .find(|section| section.starts_with("Dependencies"));
    let rows = section.unwrap_or_default().lines();
    rows.filter_map(|row| row.strip_prefix("| `")?.split('|').next())
        .flat_map(|cell| cell.split('`').step_by(2))
        .filter(|name| !name.is_empty() && name.bytes().all(is_of_a_name))
        .collect()
}

const fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_manifests_and_in_the_table() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = { workspace = true }\n# c\n[lints]\nd = 1\n";
        let found = names_in(manifest, &["dependencies"]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        let table = "# A\n\n## Dependencies, why\n\n| crate | for |\n| --- | --- |\n| `a`, `b-c` with `d` | `e` |\n\n## Next\n| `f` | |\n";
        assert_eq!(
            argued(table).into_iter().collect::<Vec<_>>(),
            ["a", "b-c", "d"]
        );
    }
}
