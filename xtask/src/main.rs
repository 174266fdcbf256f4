//! The tasks of this repository, one word each: `cargo xtask demo | test | tidy`.
//!
//! They are a program and not a script so that they run wherever Rust does.

mod demo;
mod outside;
mod run;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  demo [ARG …]       build what the demo needs, and run it
  test [--outside]   run every test; --outside adds those that need Debian packages
  tidy               check what no compiler checks: front pages, file sizes, decision numbers, dependencies";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = arguments
        .split_first()
        .map_or(("", &[][..]), |(t, r)| (t.as_str(), r));
    let done = match task {
        "demo" => demo::demo(rest),
        "test" => test::test(rest),
        "tidy" => tidy::tidy(),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
