//! docs/reference/agent.md says what the program says. `REFIT_BLESS=1` writes the help into it anew.

use refit_agent::command_line::HELP;
use refit_agent::config::Settings;
use std::path::Path;

#[test]
fn the_reference_has_the_help_and_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/agent.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let begin = text.find("```text\n").unwrap() + "```text\n".len();
    let end = begin + text[begin..].find("```").unwrap();
    if std::env::var_os("REFIT_BLESS").is_some() {
        text.replace_range(begin..end, HELP);
        std::fs::write(&path, &text).unwrap();
        return;
    }
    assert_eq!(&text[begin..end], HELP, "REFIT_BLESS=1 writes it anew");
    // The refusal of a setting that does not exist names those that do.
    let refusal = Settings::parse("nothing = 1").unwrap_err().to_string();
    let (_, known) = refusal.split_once("expected one of").expect(&refusal);
    let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
    assert!(known.len() > 5, "{refusal}");
    for setting in known {
        let row = [format!("| `{setting}`"), format!("| `[{setting}]`")];
        assert!(
            row.iter().any(|row| text.contains(row)),
            "{setting} has no row"
        );
    }
}
