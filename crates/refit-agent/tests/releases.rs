//! Releases to install: their bytes, and what the server says of them.

use refit_agent::job::Release;
use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};

/// A release and its bytes.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) release: Release,
    pub(crate) bytes: Vec<u8>,
}

/// A release that is one file.
pub(crate) fn file(version: &str, bytes: Vec<u8>) -> Made {
    make(version, bytes, Format::File)
}

/// A release that is a tree; each file has a path and a content.
pub(crate) fn tree(version: &str, files: &[(&str, &str)]) -> Made {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder
            .append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    make(version, zstd(&builder.into_inner().unwrap()), Format::Tree)
}

fn make(version: &str, bytes: Vec<u8>, format: Format) -> Made {
    let digest = Digest::from_bytes(Sha256::digest(&bytes).into());
    let release = Release {
        url: format!("http://depot/depot/sha256/{digest}"),
        software: Software {
            name: "firmware".into(),
            version: version.into(),
            digest,
            length: bytes.len() as u64,
            format,
        },
    };
    Made { release, bytes }
}

/// One zstd frame of raw blocks: what an encoder makes that does not compress (RFC 8878 §3.1.1).
fn zstd(plain: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    let blocks: Vec<&[u8]> = plain.chunks(100_000).collect();
    for (n, block) in blocks.iter().enumerate() {
        let last = u32::from(n + 1 == blocks.len());
        frame.extend_from_slice(&((block.len() as u32) << 3 | last).to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}
