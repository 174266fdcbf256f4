//! The agent's tests from outside, as one program. A test of its own sees that no file was forgotten.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what must hold in the shortest way"
)]

mod broker;
mod corpus;
mod credentials;
mod depot;
mod downloads;
mod enrol;
mod health;
mod https;
mod impostors;
mod kill;
mod link;
mod link_tls;
mod outside;
mod packed;
mod pki;
mod poll;
mod power_cut;
mod program;
mod reference;
mod releases;
mod renewal;
mod server;

#[test]
fn no_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let runner = include_str!("runner.rs");
    for entry in std::fs::read_dir(here).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "runner" || runner.contains(&format!("mod {module};")),
            "{name} is not run"
        );
    }
}
