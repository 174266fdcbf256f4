//! The same tree gives the same bytes, and what cannot be packed is named.

use super::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// A tree from lines: `path/` is a directory, `path -> target` a link, `path*` a program, `path` a file that holds
/// its own path. Files are made with this mode, and with a time of their own.
fn make(root: &Path, lines: &[&str], mode: u32) {
    for (i, line) in lines.iter().enumerate() {
        let (path, target) = line.split_once(" -> ").unwrap_or((line, ""));
        let path = root.join(path.trim_end_matches('*'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match line {
            _ if !target.is_empty() => symlink(target, path).unwrap(),
            _ if line.ends_with('/') => fs::create_dir_all(path).unwrap(),
            _ => {
                fs::write(&path, line).unwrap();
                let x = if line.ends_with('*') { 0o100 } else { 0 };
                fs::set_permissions(&path, Permissions::from_mode(mode | x)).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(mode) + i as u64);
                File::options()
                    .append(true)
                    .open(&path)
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
            }
        }
    }
}

const TREE: [&str; 9] = [
    "bin/lamp*",
    "a",
    "a-b/c",
    "a.d/",
    "empty/below/",
    "lib/deep/up -> ../../a",
    "lib/lamp.so",
    "lib/current -> deep/./up",
    "größe/ü",
];

fn packed(root: &Path) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = pack(root, &mut bytes).unwrap();
    (bytes, summary)
}

fn made(lines: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    make(home.path(), lines, 0o644);
    home
}

/// Lists `path mode size target` of an archive, with the `tar` crate.
fn listed(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(bytes).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let link = entry
            .link_name()
            .unwrap()
            .map(|to| format!(" -> {}", to.display()))
            .unwrap_or_default();
        let path = entry.path().unwrap().display().to_string();
        let header = entry.header();
        let owner = (
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
        );
        assert_eq!((owner, header.username()), ((0, 0, 0), Ok(Some(""))));
        let mode = header.mode().unwrap();
        let size = io::copy(&mut entry, &mut io::sink()).unwrap();
        format!("{path} {mode:o} {size}{link}")
    });
    entries.collect()
}

#[test]
fn the_same_tree_gives_the_same_bytes_however_it_was_made() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make(first.path(), &TREE, 0o644);
    let mut lines = TREE;
    lines.reverse();
    make(second.path(), &lines, 0o600);
    // A hard link is one more file to us.
    fs::remove_file(second.path().join("a")).unwrap();
    fs::write(second.path().join("other"), "a").unwrap();
    fs::hard_link(second.path().join("other"), second.path().join("a")).unwrap();
    fs::remove_file(second.path().join("other")).unwrap();
    assert_eq!(packed(first.path()), packed(second.path()));
}

#[test]
fn the_bytes_stay_what_they_were() {
    // If this fails, zstd or the layout has changed, and a release that is packed again gets a new digest: devices
    // would update to what they have. Say so in the changelog before changing the digest here.
    let home = made(&TREE);
    // Enough, and varied enough, that the compressor has something to decide.
    let words = (0..60_000u64).map(|i| format!("{} ", ((i * i) % 7919) >> (i % 5)));
    fs::write(home.path().join("words"), words.collect::<String>()).unwrap();
    let (bytes, summary) = packed(home.path());
    assert_eq!(
        summary.digest.to_hex(),
        "dd477c29e36435e16743e578594fbd7dde3c00757b6b2cb7283698abbe468aaf"
    );
    assert_eq!(
        summary.digest,
        Digest::from_bytes(<sha2::Sha256 as sha2::Digest>::digest(&bytes).into())
    );
    assert_eq!((summary.entries, summary.length), (16, bytes.len() as u64));
}

#[test]
fn entries_are_in_the_order_of_their_bytes_with_plain_modes() {
    let (bytes, summary) = packed(made(&TREE).path());
    let wanted = [
        "a 644 1",
        "a-b/ 755 0",
        "a-b/c 644 5",
        "a.d/ 755 0",
        "bin/ 755 0",
        "bin/lamp 755 9",
        "empty/ 755 0",
        "empty/below/ 755 0",
        "größe/ 755 0",
        "größe/ü 644 10",
        "lib/ 755 0",
        "lib/current 777 0 -> deep/./up",
        "lib/deep/ 755 0",
        "lib/deep/up 777 0 -> ../../a",
        "lib/lamp.so 644 11",
    ];
    assert_eq!(listed(&bytes), wanted);
    assert_eq!(summary.bytes, 1 + 5 + 9 + 10 + 11);
}

#[test]
fn long_paths_and_the_tar_command_agree() {
    let deep = [
        "d".repeat(140).as_str(),
        "e".repeat(140).as_str(),
        &"f".repeat(60),
    ]
    .join("/");
    let home = made(&[&deep, "short", "link -> short"]);
    symlink(format!("./{deep}"), home.path().join("long")).unwrap();
    let (bytes, _) = packed(home.path());
    let mut tar = Command::new("tar")
        .args(["-t", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command tar is needed for this test");
    let archive = zstd::decode_all(&bytes[..]).unwrap();
    tar.stdin.take().unwrap().write_all(&archive).unwrap();
    let output = tar.wait_with_output().unwrap();
    assert!(output.status.success());
    let (first, second) = (&deep[..140], &deep[..281]);
    let wanted = format!("{first}/\n{second}/\n{deep}\nlink\nlong\nshort\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
    assert!(listed(&bytes).contains(&format!("long 777 0 -> ./{deep}")));
}

#[test]
fn large_content_comes_back_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let sizes = [
        0,
        1,
        511,
        512,
        513,
        sink::PIECE_BYTES - 512,
        sink::PIECE_BYTES,
        3_000_001,
    ];
    let content =
        |size: usize| -> Vec<u8> { (0..size as u64).map(|i| ((i * i) >> 7) as u8).collect() };
    for size in sizes {
        fs::write(home.path().join(size.to_string()), content(size)).unwrap();
    }
    let (bytes, summary) = packed(home.path());
    assert_eq!(summary.bytes, sizes.iter().sum::<usize>() as u64);
    let mut archive = tar::Archive::new(zstd::Decoder::new(&bytes[..]).unwrap());
    let mut seen = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut got = Vec::new();
        entry.read_to_end(&mut got).unwrap();
        seen.insert(entry.path().unwrap().display().to_string(), got);
    }
    assert_eq!(seen.len(), sizes.len());
    assert!(
        sizes
            .iter()
            .all(|size| seen[&size.to_string()] == content(*size))
    );
}

#[test]
fn a_link_may_only_lead_to_what_is_in_the_tree() {
    for (path, target, inside) in [
        ("l", "a", true),
        ("l", "./a//b/", true),
        ("l", "not/there", true),
        ("d/l", "../a", true),
        ("d/l", "..", true),
        ("d/e/l", ".././../a", true),
        ("l", "..", false),
        ("l", "/etc/passwd", false),
        ("d/l", "../../a", false),
        // Outside only if `a` is a link upwards: the text does not tell.
        ("d/l", "a/..", false),
        ("d/l", "../a/../b", false),
    ] {
        assert_eq!(
            tree::stays_inside(path, target),
            inside,
            "{path} -> {target}"
        );
    }
    let home = made(&["d/up -> ../../etc"]);
    let error = pack(home.path(), io::sink()).unwrap_err();
    assert!(matches!(&error, Error::LinkLeaves { .. }), "{error}");
    assert!(error.to_string().contains("d/up to ../../etc"), "{error}");
}

#[test]
fn what_has_no_place_in_an_archive_is_refused_by_name() {
    let refusal = |prepare: &dyn Fn(&Path)| {
        let home = made(&["file"]);
        prepare(home.path());
        let mut written = Vec::new();
        let error = pack(home.path(), &mut written).unwrap_err();
        assert!(written.is_empty());
        error
    };
    let socket = refusal(&|root| drop(UnixListener::bind(root.join("socket")).unwrap()));
    assert!(
        matches!(&socket, Error::Special { path } if path.ends_with("socket")),
        "{socket}"
    );
    let latin1 = refusal(&|root| fs::write(root.join(OsStr::from_bytes(b"gr\xfcn")), "").unwrap());
    assert!(matches!(&latin1, Error::NotUtf8 { .. }), "{latin1}");
    let target = refusal(&|root| symlink(OsStr::from_bytes(b"gr\xfcn"), root.join("l")).unwrap());
    assert!(matches!(&target, Error::NotUtf8 { .. }), "{target}");
    let empty = refusal(&|root| fs::remove_file(root.join("file")).unwrap());
    assert!(matches!(&empty, Error::Empty { .. }), "{empty}");
    let home = made(&["file"]);
    let file = pack(&home.path().join("file"), io::sink()).unwrap_err();
    assert!(matches!(&file, Error::NotADirectory { .. }), "{file}");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let home = made(&["file"]);
    let path = home.path().join("file");
    for promised in [3, 5] {
        let mut sink = Sink::new(io::sink()).unwrap();
        let file = File::open(&path).unwrap();
        let error = write_content(file, promised, &path, &mut sink).unwrap_err();
        assert!(
            matches!(error, Error::Changed { .. }),
            "{promised}: {error}"
        );
    }
}

#[test]
fn a_writer_that_fails_is_told_apart_from_a_tree_that_does() {
    let home = made(&["file"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let error = pack(home.path(), full).unwrap_err();
    assert!(matches!(error, Error::Write(e) if e.kind() == io::ErrorKind::StorageFull));
}
