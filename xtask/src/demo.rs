//! Builds the server and the agent, and runs the demo with what was built.

use crate::run::{cargo, program, root, run};

pub(crate) fn demo(arguments: &[String]) -> Result<(), String> {
    run(cargo().args([
        "build",
        "--release",
        "--package",
        "refit",
        "--package",
        "refit-agent",
    ]))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    run(program(target.join("release/refit"))
        .arg("demo")
        .args(arguments))
}
