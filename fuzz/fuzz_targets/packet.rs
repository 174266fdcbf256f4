//! Any bytes, as a packet from either side in either version: no panic, and whatever decodes
//! encodes to something that decodes equal. `crates/refit-packet/tests/corpus.rs` does the same
//! with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_packet::{
    Error, Frame, PACKET_BYTES_MAX, Packet, Version, announced_version, decode_from_client,
    decode_from_server, frame,
};

type Decode = for<'a> fn(&'a [u8], Version) -> Result<Packet<'a>, Error>;

fuzz_target!(|bytes: &[u8]| {
    let framed = frame(bytes, PACKET_BYTES_MAX);
    let _ = announced_version(bytes);
    // The packet alone, and the bytes as they are.
    if let Ok(Frame::Whole { len }) = framed {
        judge(&bytes[..len]);
    }
    judge(bytes);
});

fn judge(bytes: &[u8]) {
    for decode in [decode_from_client as Decode, decode_from_server as Decode] {
        for version in [Version::V311, Version::V5] {
            let Ok(packet) = decode(bytes, version) else {
                continue;
            };
            let _ = format!("{packet:?}");
            let mut again = Vec::new();
            packet
                .encode(version, &mut again)
                .expect("what decodes can be encoded");
            assert_eq!(decode(&again, version), Ok(packet));
        }
    }
}
