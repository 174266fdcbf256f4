//! The reference of the command line, written from what `clap` knows, and compared with the committed page.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::Cli;
use crate::failure::Kind;
use crate::find::EVERYWHERE;

/// Variables that are no option of a command.
const VARIABLES: [(&str, &str); 5] = [
    (
        "REFIT_DATA",
        "the data directory: where `serve` keeps everything, and where the other commands find the server on this machine",
    ),
    (
        "REFIT_LOG",
        "what `serve` logs: `info` (the default), `debug`, or `refit_mqtt=debug,info`",
    ),
    (
        "NO_COLOR",
        "no colours; a pipe, or `TERM=dumb`, gets none in any case",
    ),
    (
        "TMPDIR",
        "where `release add` packs a directory before it is sent",
    ),
    (
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "a proxy on the way to a server that is not on this machine",
    ),
];

const HEAD: &str = "# The command line

Made from the commands themselves, as `--help` shows them. Data goes to stdout, hints and progress to stderr. `--json` \
writes what the API answers; a list is `{\"items\": […], \"more\": …}`, a stream is an object a line. An empty list prints \
nothing but a hint on stderr. How a command finds its server is told in [configuration](configuration.md).
";

/// Writes the page.
fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = HEAD.to_owned();
    page.push_str("\n## Exit codes\n\n| code | when |\n| --- | --- |\n| 0 | done |\n");
    for kind in Kind::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| {} | {} |", kind.exit_code(), kind.when());
    }
    page.push_str("\n## Variables\n\n| variable | what it is |\n| --- | --- |\n");
    for (name, what) in variables(&command) {
        let _ = writeln!(page, "| `{}` | {what} |", name.replace(", ", "`, `"));
    }
    page.push_str("\n## Options of every command\n");
    arguments(&mut page, everywhere(&command));
    for command in command.get_subcommands() {
        section(&mut page, "refit", command);
    }
    page
}

fn everywhere(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.is_global_set())
}

/// The variables of options, those of settings, and the others.
fn variables(command: &Command) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut commands = vec![("refit".to_owned(), command)];
    while let Some((path, command)) = commands.pop() {
        for arg in command.get_arguments() {
            let is_own = !arg.is_global_set() || path == "refit";
            if let Some(name) = arg.get_env().filter(|_| is_own) {
                let of = if arg.is_global_set() {
                    "every command"
                } else {
                    path.as_str()
                };
                let flag = arg.get_long().unwrap_or_default();
                all.push((
                    name.to_string_lossy().into_owned(),
                    format!("the same as `--{flag}` of {of}"),
                ));
            }
        }
        for sub in command.get_subcommands() {
            commands.push((
                format!("`{} {}`", path.trim_matches('`'), sub.get_name()),
                sub,
            ));
        }
    }
    all.sort();
    for (name, what) in VARIABLES {
        all.push((name.into(), what.into()));
    }
    let settings = "each setting of `refit serve`, as [configuration](configuration.md) lists them";
    all.push(("REFIT_…".into(), settings.into()));
    all
}

fn section(page: &mut String, above: &str, command: &Command) {
    let path = format!("{above} {}", command.get_name());
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let _ = writeln!(page, "\n## `{path}`\n");
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    // The derivation takes the full stop from a line, and leaves those of paragraphs.
    let _ = writeln!(page, "{}.", about.trim_end_matches('.'));
    if command.has_subcommands() {
        for sub in command.get_subcommands() {
            section(page, &path, sub);
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _ = writeln!(page, "\n```text\n{usage}\n```");
    let aliases: Vec<_> = command.get_all_aliases().collect();
    if !aliases.is_empty() {
        let _ = writeln!(page, "\nAlso `{above} {}`.", aliases.join("`, `"));
    }
    let own = command.get_arguments();
    let own =
        own.filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help");
    arguments(page, own);
    if let Some(after) = command.get_after_help() {
        let _ = writeln!(page, "\n```text\n{after}\n```");
    }
}

fn arguments<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<_> = arguments.map(row).collect();
    if !rows.is_empty() {
        page.push_str("\n| argument | default | what it is |\n| --- | --- | --- |\n");
        page.extend(rows);
    }
}

fn row(arg: &Arg) -> String {
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value = arg.get_value_names().unwrap_or_default().join(" ");
    let name = match arg.get_long() {
        Some(long) if takes_value => format!("--{long} {value}"),
        Some(long) => format!("--{long}"),
        None => value,
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    // The settings of `serve` have theirs in the text, because variable and file come between.
    let (help, told) = match help.split_once(" [default: ") {
        Some((help, told)) => (help.to_owned(), Some(told.trim_end_matches(']').to_owned())),
        None => (help, None),
    };
    let default = arg.get_default_values().first();
    let default = default.filter(|_| takes_value);
    let default = default.map(|value| value.to_string_lossy().into_owned());
    let default = default.or(told).map(|value| format!("`{value}`"));
    let needed = if arg.is_required_set() {
        " (needed)"
    } else {
        ""
    };
    let variable = arg
        .get_env()
        .map(|name| format!("; `{}`", name.to_string_lossy()));
    format!(
        "| `{name}`{needed} | {} | {}{} |\n",
        default.unwrap_or_default(),
        help.replace('|', "\\|"),
        variable.unwrap_or_default()
    )
}

#[test]
fn the_committed_reference_is_what_the_commands_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    let said = page();
    if std::env::var_os("REFIT_BLESS").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == said,
        "cli.md is another one now: look at it, then run this test with REFIT_BLESS=1"
    );
}

#[test]
fn the_exit_codes_of_the_help_are_those_that_there_are() {
    let mut command = Cli::command();
    let help = command.render_help().to_string();
    let (_, codes) = help.split_once("Exit codes: 0 done, ").unwrap();
    let told = codes.split(',').map(|part| {
        let number = part.split_whitespace().next().unwrap_or_default();
        number.parse::<u8>().unwrap_or_default()
    });
    let known: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
    assert_eq!(told.collect::<Vec<_>>(), known);
    assert!(help.contains(EVERYWHERE), "{help}");
}
