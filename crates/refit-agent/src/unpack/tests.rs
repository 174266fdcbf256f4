//! Archives that no release may be, made by hand and by GNU-style writers.

use super::*;
use crate::files::fragile::Fragile;
use tar::{Builder, EntryType, Header};

const HERE: &str = "/here";

fn small() -> Limits {
    Limits {
        bytes: 1000,
        items: 20,
        depth: 5,
    }
}

/// A thing to be archived: kind, path, and content or target.
type Thing<'a> = (char, &'a str, &'a str);

fn archive(things: &[Thing<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, path, content) in things {
        let mut header = Header::new_gnu();
        let (kind, size) = match kind {
            'f' => (EntryType::Regular, content.len()),
            'x' => (EntryType::Regular, content.len()),
            'd' => (EntryType::Directory, 0),
            'l' => (EntryType::Symlink, 0),
            'h' => (EntryType::Link, 0),
            'c' => (EntryType::Char, 0),
            'b' => (EntryType::Block, 0),
            'p' => (EntryType::Fifo, 0),
            other => panic!("{other}"),
        };
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header.set_mode(if size == 0 { 0o4777 } else { 0o644 });
        // Past the checks of the library: it would refuse what is to be tested.
        let name = &mut header.as_gnu_mut().unwrap().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            let target = &mut header.as_gnu_mut().unwrap().linkname;
            target[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        builder
            .append(&header, &content.as_bytes()[..size])
            .unwrap();
    }
    builder.into_inner().unwrap()
}

/// One zstd frame of raw blocks: what an encoder makes that does not compress (RFC 8878 §3.1.1).
fn zstd(plain: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]; // magic; no flags; a window of 2 MiB
    let blocks: Vec<&[u8]> = plain.chunks(100_000).collect();
    for (n, block) in blocks.iter().enumerate() {
        let last = u32::from(n + 1 == blocks.len());
        let header = (block.len() as u32) << 3 | last;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

fn try_unpack(tar: &[u8]) -> Result<Fragile, String> {
    let disk = Fragile::default();
    disk.make_folder(Path::new(HERE)).unwrap();
    let unpacked = unpack(&zstd(tar)[..], &disk, Path::new(HERE), &small());
    assert_eq!(
        disk.names(Path::new("/")).unwrap(),
        ["here"],
        "nothing is outside"
    );
    unpacked.map(|()| disk).map_err(|e| e.to_string())
}

#[test]
fn a_release_comes_out_as_it_went_in() {
    let disk = try_unpack(&archive(&[
        ('d', "bin/", ""),
        ('f', "bin/lamp", "light"),
        ('f', "./deep/er/file", "x"),
        ('l', "bin/lamp2", "lamp"),
        ('l', "deep/er/up", "../../bin/lamp"),
        ('f', "empty", ""),
    ]))
    .unwrap();
    let read = |path: &str| disk.read(&Path::new(HERE).join(path), 100).unwrap();
    assert_eq!(read("bin/lamp").unwrap(), b"light");
    assert_eq!(read("deep/er/file").unwrap(), b"x");
    assert_eq!(read("empty").unwrap(), b"");
    let link = disk.read_link(&Path::new(HERE).join("deep/er/up")).unwrap();
    assert_eq!(link.unwrap(), Path::new("../../bin/lamp"));
}

#[test]
fn the_largest_length_that_can_be_claimed_is_refused() {
    let claim = format!("29 size={}\n", u64::MAX);
    assert_eq!(claim.len(), 29);
    let mut builder = Builder::new(Vec::new());
    let mut extended = Header::new_ustar();
    extended.set_entry_type(EntryType::XHeader);
    extended.set_size(claim.len() as u64);
    extended.set_mode(0o644);
    extended.set_cksum();
    builder.append(&extended, claim.as_bytes()).unwrap();
    let rest = archive(&[('f', "lamp", "x")]);
    let tar = [builder.get_ref(), &rest[..]].concat();
    assert!(try_unpack(&tar).is_err());
}

#[test]
fn what_no_release_may_hold_is_refused() {
    let table: [(&[Thing<'_>], &str); 22] = [
        (&[('f', "../escape", "x")], "leads out"),
        (&[('f', "a/../../escape", "x")], "leads out"),
        (&[('f', "/etc/passwd", "x")], "leads out"),
        (&[('d', "..", "")], "leads out"),
        (&[('l', "a", "/etc")], "absolute"),
        (&[('l', "a", "..")], "link out"),
        (&[('l', "a/b", "../../x")], "link out"),
        (&[('l', "a", "")], "link to nothing"),
        (
            &[('d', "d", ""), ('l', "d/x", ".."), ('l', "y", "d/x/../..")],
            "behind a name",
        ),
        (&[('l', "a", "b"), ('f', "a/c", "x")], "no folder"),
        (
            &[('d', "d", ""), ('l', "a", "d"), ('f', "a/c", "x")],
            "no folder",
        ),
        (&[('f', "a", "x"), ('f', "a/c", "x")], "no folder"),
        (&[('f', "a", "x"), ('f', "a", "y")], "twice"),
        (&[('l', "a", "b"), ('f', "a", "y")], "twice"),
        (&[('f', "a", "x"), ('d', "a", "")], "no folder"),
        (&[('f', "a", "x"), ('h', "b", "a")], "neither file"),
        (&[('c', "null", "")], "neither file"),
        (&[('b', "disk", "")], "neither file"),
        (&[('p', "pipe", "")], "neither file"),
        (&[('f', "a/b/c/d/e/f/g", "x")], "too deep"),
        (&[('f', ".", "x")], "has no name"),
        (&[('l', "./", "x")], "has no name"),
    ];
    for (things, why) in table {
        let refused = try_unpack(&archive(things)).unwrap_err();
        assert!(refused.contains(why), "{things:?}: {refused}");
    }
}

#[test]
fn too_much_of_anything_is_refused() {
    let long = "x".repeat(999);
    let refused = try_unpack(&archive(&[('f', "a", &long), ('f', "b", "xy")])).unwrap_err();
    assert!(refused.contains("more than 1000 bytes"), "{refused}");
    let names: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    let many: Vec<Thing<'_>> = names.iter().map(|name| ('d', &**name, "")).collect();
    let refused = try_unpack(&archive(&many)).unwrap_err();
    assert!(refused.contains("more than 20 items"), "{refused}");
}

#[test]
fn long_names_are_read_and_endless_ones_refused() {
    let long = format!("{}/{}", "d".repeat(120), "n".repeat(120));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o755);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap(); // GNU's `L`
    builder
        .append_pax_extensions([("path", long.replace('n', "m").as_bytes()), ("mtime", b"1")])
        .unwrap();
    header.set_cksum();
    builder.append(&header, &b"y"[..]).unwrap(); // pax's `x`
    let disk = try_unpack(&builder.into_inner().unwrap()).unwrap();
    for (path, content) in [(long.clone(), b"x"), (long.replace('n', "m"), b"y")] {
        assert_eq!(
            disk.read(&Path::new(HERE).join(path), 9).unwrap().unwrap(),
            content
        );
    }
    for kind in [EntryType::GNULongName, EntryType::XHeader] {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(1 << 40);
        header.set_cksum();
        let refused = try_unpack(header.as_bytes()).unwrap_err();
        assert!(refused.contains("extended header"), "{refused}");
    }
}

#[test]
fn any_cut_and_any_flipped_byte_is_refused_or_harmless() {
    let packed = zstd(&archive(&[
        ('f', "a", "light"),
        ('d', "d", ""),
        ('l', "d/l", "../a"),
    ]));
    let attempt = |bytes: &[u8]| {
        let disk = Fragile::default();
        disk.make_folder(Path::new(HERE)).unwrap();
        let unpacked = unpack(bytes, &disk, Path::new(HERE), &small());
        assert_eq!(disk.names(Path::new("/")).unwrap(), ["here"]);
        unpacked.is_ok()
    };
    assert!(attempt(&packed));
    for length in (0..packed.len() - 1024).step_by(7) {
        assert!(!attempt(&packed[..length]), "{length} bytes");
    }
    for at in 0..packed.len() {
        for bits in [0x41, 0x80, 0xff] {
            let mut flipped = packed.clone();
            flipped[at] ^= bits;
            attempt(&flipped);
        }
    }
}

#[test]
fn binary_numbers_are_read_at_any_width() {
    // Found by the fuzzer: a binary number in a field of eight bytes, where only text was expected.
    let table = |field: usize, width: usize, bytes: &[u8]| {
        let mut tar = archive(&[('f', "a", "light")]);
        tar[field..field + width].fill(0);
        tar[field..field + width][..bytes.len()].copy_from_slice(bytes);
        let sum: u64 = (0..512)
            .map(|at| {
                if (148..156).contains(&at) {
                    32
                } else {
                    u64::from(tar[at])
                }
            })
            .sum();
        tar[148..156].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, (sum >> 8) as u8, sum as u8]);
        try_unpack(&tar)
    };
    assert!(table(124, 12, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]).is_ok());
    assert!(table(100, 8, &[0x80, 0, 0, 0, 0, 0, 1, 0xed]).is_ok());
    for bytes in [
        [0xff; 12],
        [0xbf; 12],
        [0x80, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert!(table(124, 12, &bytes).is_err(), "{bytes:?}");
    }
}
