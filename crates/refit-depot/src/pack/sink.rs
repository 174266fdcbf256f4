//! Where an archive goes: compressed, hashed and counted, out to the caller's writer.
//!
//! zstd sees its input in pieces of one size, whatever the file system gave per read: its output could otherwise
//! depend on where the pieces were cut.

use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};
use zstd::stream::write::Encoder;

/// The size of a piece, in bytes: a block of zstd (RFC 8878 §3.1.1.2.3).
pub(super) const PIECE_BYTES: usize = 128 << 10;

/// Packing happens once, unpacking on every device; above 9 the time grows much faster than the savings.
const LEVEL: i32 = 9;

/// 2 MiB: what a device must hold in memory to unpack.
const WINDOW_LOG: u32 = 21;

/// Takes an archive.
pub(super) struct Sink<W: Write> {
    encoder: Encoder<'static, Hashed<W>>,
    piece: Vec<u8>,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(to: W) -> io::Result<Self> {
        let mut encoder = Encoder::new(
            Hashed {
                to,
                hash: Sha256::new(),
                length: 0,
            },
            LEVEL,
        )?;
        encoder.include_checksum(true)?;
        encoder.window_log(WINDOW_LOG)?;
        Ok(Self {
            encoder,
            piece: Vec::with_capacity(PIECE_BYTES),
        })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = (PIECE_BYTES - self.piece.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == PIECE_BYTES {
                self.pass_on()?;
            }
        }
        Ok(())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.encoder.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// Ends the stream; returns the length and the digest of what came out.
    pub(super) fn finish(mut self) -> io::Result<(u64, Digest)> {
        self.pass_on()?;
        let mut out = self.encoder.finish()?;
        out.to.flush()?;
        Ok((out.length, Digest::from_bytes(out.hash.finalize().into())))
    }
}

struct Hashed<W> {
    to: W,
    hash: Sha256,
    length: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
