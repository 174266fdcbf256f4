//! Where a packet ends. Decided from the fixed header alone (3.1.1 §2.2, 5 §2.1), so that a peer
//! cannot make us keep what we would refuse.

use crate::Error;

/// The most that four bytes of remaining length can say.
pub(crate) const REMAINING_LENGTH_MAX: u32 = 268_435_455;

/// The longest packet that MQTT knows, fixed header included.
pub const PACKET_BYTES_MAX: usize = 5 + REMAINING_LENGTH_MAX as usize;

/// What the bytes received so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// No whole packet yet: at least so many bytes are missing.
    Partial {
        /// How many bytes must come before asking again is worth it.
        missing: usize,
    },
    /// The first `len` bytes are one packet.
    Whole {
        /// Length of the packet, fixed header included.
        len: usize,
    },
}

/// Finds the end of the packet at the start of `received`. A packet of more than `limit` bytes in
/// all is refused as soon as its header says so.
pub fn frame(received: &[u8], limit: usize) -> Result<Frame, Error> {
    match header(received)? {
        None => Ok(Frame::Partial {
            missing: if received.is_empty() { 2 } else { 1 },
        }),
        Some(header) if header.packet_len > limit => Err(Error::PacketTooLarge),
        Some(header) if header.packet_len > received.len() => Ok(Frame::Partial {
            missing: header.packet_len - received.len(),
        }),
        Some(header) => Ok(Frame::Whole {
            len: header.packet_len,
        }),
    }
}

pub(crate) struct Header {
    pub(crate) first: u8,
    pub(crate) header_len: usize,
    pub(crate) packet_len: usize,
    /// The length took no more bytes than it needs; MQTT 5 demands that, 3.1.1 does not.
    pub(crate) minimal: bool,
}

/// Reads the fixed header; `None` if it is not all there.
pub(crate) fn header(received: &[u8]) -> Result<Option<Header>, Error> {
    let Some((&first, rest)) = received.split_first() else {
        return Ok(None);
    };
    if first >> 4 == 0 {
        return Err(Error::ReservedType);
    }
    let mut remaining = 0usize;
    for (at, &byte) in rest.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let header_len = at + 2;
            let minimal = at == 0 || byte != 0;
            return Ok(Some(Header {
                first,
                header_len,
                packet_len: header_len + remaining,
                minimal,
            }));
        }
    }
    if rest.len() >= 4 {
        Err(Error::RemainingLength)
    } else {
        Ok(None)
    }
}
