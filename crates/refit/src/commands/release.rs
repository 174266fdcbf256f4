//! `refit release`: software distributions, into the depot.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use refit_depot::pack;
use serde_json::Value;
use sha2::{Digest, Sha256};
use ureq::http::Method;

use super::Dry;
use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, bytes, cell, facts, hint, table, text, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Add a release: a file as it is, or a directory as one archive
    Add(Add),
    /// List releases, each name's in the order of its versions
    #[command(alias = "ls")]
    List {
        /// Only those of this name
        name: Option<String>,
    },
    /// Show a release
    Show {
        /// The release
        #[arg(value_name = "NAME@VERSION", value_parser = release)]
        release: Release,
    },
    /// Remove a release that no device desires
    #[command(alias = "rm")]
    Remove {
        /// The release
        #[arg(value_name = "NAME@VERSION", value_parser = release)]
        release: Release,
        #[command(flatten)]
        dry: Dry,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// A file, or the directory that holds the release
    path: PathBuf,
    /// The name of the software: A-Z a-z 0-9 . _ -
    #[arg(long)]
    name: String,
    /// The version of the release: A-Z a-z 0-9 . _ - +
    #[arg(long)]
    version: String,
    /// A word about it, for people
    #[arg(long)]
    note: Option<String>,
    /// The version that it comes right after, where its own version does not say
    #[arg(long, value_name = "VERSION")]
    after: Option<String>,
    #[command(flatten)]
    dry: Dry,
}

/// A release, as it was named.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    name: String,
    version: String,
}

pub(super) fn release(text: &str) -> Result<Release, String> {
    match text.split_once('@') {
        Some((name, version)) if ![name, version].contains(&"") && !version.contains('@') => {
            Ok(Release {
                name: name.into(),
                version: version.into(),
            })
        }
        _ => Err("write it as NAME@VERSION".into()),
    }
}

impl Release {
    fn path(&self) -> String {
        format!(
            "/api/v1/releases/{}/{}",
            encoded(&self.name),
            encoded(&self.version)
        )
    }
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::Add(add) => add.run(client, output),
        Command::List { name } => list(name.as_deref(), client, output),
        Command::Show { release } => {
            let found = client.get(&release.path())?;
            output.document(&found, || shown(&found))
        }
        Command::Remove { release, dry } => remove(&release, dry, client, output),
    }
}

fn remove(release: &Release, dry: Dry, client: &Client, output: Output) -> Result<(), Failure> {
    let answer = client.send(Method::DELETE, &dry.path(release.path()), None)?;
    let Release { name, version } = release;
    dry.hint();
    if dry.dry_run {
        return output.document(&answer, || {
            let freed = answer["freed"].as_u64().unwrap_or_default();
            format!("would remove {name}@{version}, and free {}", bytes(freed))
        });
    }
    let gone = serde_json::json!({ "name": name, "version": version, "removed": true });
    output.document(&gone, || format!("removed {name}@{version}"))
}

impl Add {
    fn run(&self, client: &Client, output: Output) -> Result<(), Failure> {
        let artifact = Artifact::of(&self.path)?;
        let mut path = format!(
            "/api/v1/releases?name={}&version={}&format={}",
            encoded(&self.name),
            encoded(&self.version),
            artifact.format
        );
        for (name, value) in [("note", &self.note), ("after", &self.after)] {
            if let Some(value) = value {
                path = format!("{path}&{name}={}", encoded(value));
            }
        }
        let path = self.dry.path(path);
        let bar = bar(artifact.length, "sending");
        let reading = bar.wrap_read(artifact.file);
        let sent = client.upload(&path, reading, artifact.length, &artifact.digest);
        bar.finish_and_clear();
        let (new, release) = sent?;
        if !new {
            hint("the same bytes were there already; nothing changed");
        }
        self.dry.hint();
        output.document(&release, || shown(&release))
    }
}

/// What is sent.
struct Artifact {
    file: File,
    format: &'static str,
    length: u64,
    /// As the header `Content-Digest` has it.
    digest: String,
}

impl Artifact {
    fn of(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| {
            Failure::new(Kind::Error, format!("{} cannot be read", path.display())).because(&error)
        };
        if std::fs::metadata(path).map_err(cannot)?.is_dir() {
            return Self::of_directory(path);
        }
        let mut file = File::open(path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        let bar = bar(length, "reading");
        let digest = hashed(&mut bar.wrap_read(&mut file)).map_err(cannot)?;
        bar.finish_and_clear();
        file.seek(SeekFrom::Start(0)).map_err(cannot)?;
        Ok(Self {
            file,
            format: "file",
            length,
            digest: header(&digest),
        })
    }

    fn of_directory(path: &Path) -> Result<Self, Failure> {
        let mut file = tempfile::tempfile().map_err(|error| {
            Failure::new(Kind::Error, "there is no room for the archive")
                .because(&error)
                .next("set TMPDIR")
        })?;
        let packed = pack::pack(path, &mut file).map_err(|error| {
            let failure = Failure::new(Kind::Error, format!("failed to {error}"));
            match std::error::Error::source(&error) {
                Some(source) => failure.because(source),
                None => failure,
            }
        })?;
        file.seek(SeekFrom::Start(0)).map_err(|error| {
            Failure::new(Kind::Error, "the archive cannot be read").because(&error)
        })?;
        Ok(Self {
            file,
            format: "tree",
            length: packed.length,
            digest: header(packed.digest.as_bytes()),
        })
    }
}

fn hashed(from: &mut impl Read) -> std::io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 128 << 10];
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&piece[..read]),
        }
    }
}

fn header(digest: &[u8; 32]) -> String {
    use base64::Engine;
    format!(
        "sha-256=:{}:",
        base64::engine::general_purpose::STANDARD.encode(digest)
    )
}

/// A bar on stderr; nothing where that is no terminal.
fn bar(length: u64, doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {eta}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(doing)
}

fn list(name: Option<&str>, client: &Client, output: Output) -> Result<(), Failure> {
    let mut releases = client.get_all("/api/v1/releases", usize::MAX)?;
    if let (Some(name), Some(Value::Array(items))) = (name, releases.get_mut("items")) {
        items.retain(|release| release["name"] == name);
    }
    let items = releases["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        let of = name.map_or_else(String::new, |name| format!(" of {name}"));
        hint(&format!(
            "there are no releases{of}; add one: refit release add PATH --name NAME --version VERSION"
        ));
        return output.nothing(&releases);
    }
    output.document(&releases, || {
        let rows = items.iter().map(|release| {
            vec![
                format!("{}@{}", cell(release, "name"), cell(release, "version")),
                cell(release, "format"),
                bytes(release["length"].as_u64().unwrap_or_default()),
                cell(release, "sha256").chars().take(12).collect(),
                time(release, "addedAt").unwrap_or_default(),
                text(release, "note").unwrap_or_default(),
            ]
        });
        table(
            &["RELEASE", "FORMAT", "SIZE", "SHA-256", "ADDED", "NOTE"],
            rows,
        )
    })
}

fn shown(release: &Value) -> String {
    let same: Vec<&str> = release["sameAs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    facts(
        &format!("{}@{}", cell(release, "name"), cell(release, "version")),
        &[
            ("softwareURL", text(release, "softwareURL")),
            ("sha256", text(release, "sha256")),
            ("size", release["length"].as_u64().map(bytes)),
            ("format", text(release, "format")),
            ("added", time(release, "addedAt")),
            ("note", text(release, "note")),
            (
                "same as",
                (!same.is_empty()).then(|| {
                    format!(
                        "{}: to go from one to the other is no update",
                        same.join(", ")
                    )
                }),
            ),
        ],
    )
}
