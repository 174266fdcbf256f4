//! How to speak to this client: its version, the longest packet it takes, and whether it wants reasons in words.

use refit_packet::{Error, PacketId, Properties, Property, PubAck, PubRec, Version};

use super::inbound::Owed;
use super::verdict::Verdict;

#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    pub(super) version: Version,
    /// The client's Maximum Packet Size.
    pub(super) packet_bytes_max: u32,
    /// Whether reason strings are welcome outside CONNACK and DISCONNECT ([MQTT-3.1.2-29]).
    pub(super) explains: bool,
}

impl Voice {
    /// Appends a packet, unless it is larger than the client takes: then it is as if it had been sent
    /// ([MQTT-3.1.2-24], [MQTT-3.1.2-25]). Tells whether it was appended.
    pub(super) fn put(
        &self,
        out: &mut Vec<u8>,
        encode: impl FnOnce(Version, &mut Vec<u8>) -> Result<(), Error>,
    ) -> bool {
        let start = out.len();
        let written = encode(self.version, out);
        debug_assert_eq!(written, Ok(()), "what we say is well formed");
        let fits = written.is_ok() && out.len() - start <= self.packet_bytes_max as usize;
        if !fits {
            out.truncate(start);
        }
        fits
    }

    /// Appends a packet with a reason string, if the client wants such and it fits; else without.
    pub(super) fn tell(
        &self,
        why: &str,
        out: &mut Vec<u8>,
        encode: impl Fn(Properties<'_>, Version, &mut Vec<u8>) -> Result<(), Error>,
    ) {
        self.tell_always(if self.explains { why } else { "" }, out, encode);
    }

    /// As [`Voice::tell`], for CONNACK and DISCONNECT, which always may say why.
    pub(super) fn tell_always(
        &self,
        why: &str,
        out: &mut Vec<u8>,
        encode: impl Fn(Properties<'_>, Version, &mut Vec<u8>) -> Result<(), Error>,
    ) {
        let property = [Property::ReasonString(why)];
        let said = self.version == Version::V5
            && !why.is_empty()
            && self.put(out, |v, out| encode(Properties::of(&property), v, out));
        if !said {
            self.put(out, |v, out| encode(Properties::NONE, v, out));
        }
    }

    /// Appends the PUBACK or PUBREC of a message. 3.1.1 has no reason codes: there a refusal is on `rejected`.
    pub(super) fn acknowledge(&self, owed: Owed, verdict: Verdict, out: &mut Vec<u8>) {
        let (id, reason): (PacketId, _) = (owed.id, verdict.reason);
        self.tell(verdict.why, out, |properties, version, out| {
            if owed.exactly_once {
                PubRec {
                    id,
                    reason,
                    properties,
                }
                .encode(version, out)
            } else {
                PubAck {
                    id,
                    reason,
                    properties,
                }
                .encode(version, out)
            }
        });
    }
}
