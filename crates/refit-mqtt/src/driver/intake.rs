//! Bytes from the socket, cut into packets. What is not finished is kept, and nothing else.

use std::mem;
use std::sync::atomic::Ordering;

use refit_packet::{Frame, ReasonCode, frame};
use refit_tls::stream::Peered;
use tokio::io::{AsyncRead, AsyncWrite};

use super::line::Line;
use super::{Connection, OUT_BYTES_PER_TURN, Stage};
use crate::figures::rise;
use crate::identity::{Refusal, Who};
use crate::session::{End, Origin, greet, refuse_after_all, refuse_unframed};

impl<S: AsyncRead + AsyncWrite + Peered + Unpin> Connection<S> {
    /// Takes in bytes; what is not finished is kept.
    pub(super) fn take_in(
        &mut self,
        fresh: &[u8],
        budget: &mut u32,
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let left = self.left.as_mut();
        let mut unread = left.map_or_else(Vec::new, |left| mem::take(&mut left.unread));
        let is_more = !unread.is_empty();
        if is_more {
            unread.extend_from_slice(fresh);
        }
        let bytes = if is_more { &unread } else { fresh };
        let before = *budget;
        let (used, is_whole) = self.packets(bytes, budget, now, out)?;
        let packets = u64::from(before - *budget);
        self.house
            .figures
            .packets_in
            .fetch_add(packets, Ordering::Relaxed);
        let rest = if is_more && used == 0 {
            unread
        } else {
            bytes.get(used..).unwrap_or_default().to_vec()
        };
        if !rest.is_empty() || self.left.is_some() {
            let left = self.left.get_or_insert_default();
            left.is_whole = is_whole && !rest.is_empty();
            left.unread = rest;
            self.tidy();
        }
        Ok(())
    }

    /// Takes in the packets at the start of `bytes`; tells how many bytes they were, and whether there may be more.
    fn packets(
        &mut self,
        bytes: &[u8],
        budget: &mut u32,
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<(usize, bool), End> {
        let mut used = 0;
        while *budget > 0 && out.len() < OUT_BYTES_PER_TURN && self.is_listening() {
            let rest = bytes.get(used..).unwrap_or_default();
            match frame(rest, self.packet_bytes_max()) {
                Ok(Frame::Whole { len }) => {
                    self.packet(rest.get(..len).unwrap_or_default(), now, out)?;
                    used += len;
                    *budget -= 1;
                }
                Ok(Frame::Partial { .. }) => {
                    self.expect_connect(rest)?;
                    return Ok((used, false));
                }
                Err(error) => {
                    if matches!(self.stage, Stage::Greeting(_)) {
                        refuse_unframed(error, rest, out);
                    }
                    return Err(End::Wrong(error));
                }
            }
        }
        Ok((used, true))
    }

    /// Ends at its first byte what is not MQTT at all.
    fn expect_connect(&self, received: &[u8]) -> Result<(), End> {
        match (&self.stage, received.first()) {
            (Stage::Greeting(_), Some(first)) if first >> 4 != 1 => Err(End::because(
                ReasonCode::PROTOCOL_ERROR,
                "the first packet is not CONNECT",
            )),
            _ => Ok(()),
        }
    }

    fn packet_bytes_max(&self) -> usize {
        match self.stage {
            Stage::Greeting(_) => self.house.quota.connect_bytes_max,
            _ => self.house.quota.terms.packet_bytes_max.get() as usize,
        }
    }

    fn packet(&mut self, packet: &[u8], now: u64, out: &mut Vec<u8>) -> Result<(), End> {
        self.note_heard(now);
        match &mut self.stage {
            Stage::Talking { session, line } => session.receive(packet, line, out),
            Stage::Greeting(greeting) => {
                let (gate, terms) = (&*self.house.gate, &self.house.quota.terms);
                let origin = Origin {
                    address: greeting.peer,
                    certificate: self.stream.peer_certificate(),
                };
                let start = out.len();
                let (session, who) = greet(packet, gate, origin, terms, out)?;
                if let Who::Device(device) = &who
                    && self.house.fights.must_wait(device, now)
                {
                    out.truncate(start);
                    return Err(refuse_after_all(&session, Refusal::Fighting, out));
                }
                let line = Line::open(&self.house, who.clone(), greeting.peer.ip(), now);
                self.ticket.seated(&line.seat);
                // Who is barred from now on is cut; who was barred since it was asked, hears of it here.
                if let Err(refusal) = gate.confirm(&who, self.stream.peer_certificate()) {
                    out.truncate(start);
                    return Err(refuse_after_all(&session, refusal, out));
                }
                rise(&self.house.figures.welcomed);
                if self.stream.is_resumed() {
                    rise(&self.house.figures.resumed);
                }
                self.stage = Stage::Talking { session, line };
                Ok(())
            }
            Stage::Leaving { .. } => Ok(()),
        }
    }
}
