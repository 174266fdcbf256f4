//! Every test there is: the outside parts are made ready first, then cargo runs them all.

use crate::outside;
use crate::run::{cargo, run};

pub(crate) fn test(arguments: &[String]) -> Result<(), String> {
    let outside = match arguments {
        [] => false,
        [one] if one == "--outside" => true,
        _ => return Err("usage: cargo xtask test [--outside]".into()),
    };
    if outside {
        outside::check()?;
    }
    let python = outside::python()?;
    // The end-to-end tests run the programs themselves, so they are built first.
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    let mut tests = cargo();
    tests
        .args(["test", "--workspace", "--no-fail-fast"])
        .env("REFIT_TEST_PYTHON", python);
    if outside {
        tests.env("REFIT_TEST_OUTSIDE", "1");
    }
    run(&mut tests)
}
