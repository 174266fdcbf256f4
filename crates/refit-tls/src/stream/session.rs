//! A TLS session without I/O: bytes of the network in, plaintext and bytes for the network out.
//!
//! rustls' unbuffered connection tells its state again and again until nothing is left to do. Two traps: application
//! data can come in the same bytes as the end of the handshake, before the state in which one may write; and records are
//! decrypted in place, so that what is kept for the next call must be taken from the buffer after the call, not before.

use std::io;
use std::mem;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use tokio::io::ReadBuf;

/// What may be kept of input: a whole record of TLS 1.2 with its header (RFC 5246 §6.2.3), or a message of the handshake
/// that comes in several records, such as a long chain of certificates.
pub(super) const UNREAD_BYTES_MAX: usize = (1 << 14) + 2048 + 5;

/// What a record is longer than its content, mostly; with less rustls says how much it needs.
const OVERHEAD_BYTES: usize = 64;

/// One connection's session.
pub(super) struct Session {
    tls: UnbufferedServerConnection,
    /// Bytes received that are no whole record or message.
    pub(super) unread: Vec<u8>,
    /// Plaintext that the reader had no room for, and how much of it was handed over since.
    plain: Vec<u8>,
    handed: usize,
    /// Bytes made that the socket did not take.
    pub(super) unsent: Vec<u8>,
    end: End,
}

#[derive(Default)]
struct End {
    /// Why the session is broken.
    fault: Option<Box<rustls::Error>>,
    is_peer_closed: bool,
    is_closed: bool,
}

/// What to do when all input is taken in.
pub(super) enum Act<'a> {
    /// Nothing more.
    Read,
    /// Seal these bytes into that buffer.
    Write(&'a [u8], &'a mut Vec<u8>),
    /// Say goodbye into that buffer.
    Close(&'a mut Vec<u8>),
}

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(config)?,
            unread: Vec::new(),
            plain: Vec::new(),
            handed: 0,
            unsent: Vec::new(),
            end: End::default(),
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    pub(super) fn alpn_protocol(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// A resumed session has the certificate of the first one before the peer has proved anything: so it is told only
    /// after the handshake.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        if self.is_handshaking() || self.end.fault.is_some() {
            return None;
        }
        let chain = self.tls.peer_certificates()?;
        chain.first().map(AsRef::as_ref)
    }

    pub(super) const fn is_peer_closed(&self) -> bool {
        self.end.is_peer_closed
    }

    pub(super) fn may_say_goodbye(&self) -> bool {
        !self.is_handshaking() && !self.end.is_closed && self.end.fault.is_none()
    }

    /// Fails if the session is broken.
    pub(super) fn check(&self) -> io::Result<()> {
        match &self.end.fault {
            Some(fault) => Err(invalid((**fault).clone())),
            None => Ok(()),
        }
    }

    /// Hands over plaintext that was kept.
    pub(super) fn hand_over(&mut self, to: &mut ReadBuf<'_>) {
        let kept = self.plain.get(self.handed..).unwrap_or_default();
        let len = kept.len().min(to.remaining());
        to.put_slice(kept.get(..len).unwrap_or_default());
        self.handed += len;
        if self.handed == self.plain.len() {
            self.plain = Vec::new();
            self.handed = 0;
        }
    }

    /// Takes in `input`, which begins with what was kept in `unread`, and keeps what is not whole. A fault is kept too:
    /// what came before it is handed over first.
    pub(super) fn take_in(&mut self, input: &mut [u8], to: Option<&mut ReadBuf<'_>>) {
        let Ok(used) = self.turn(input, to, Act::Read) else {
            return;
        };
        let rest = input.get(used..).unwrap_or_default();
        if rest.len() > UNREAD_BYTES_MAX {
            let fault = rustls::Error::General("a message is too long".into());
            drop(self.fail(fault));
        } else if rest.is_empty() {
            self.unread = Vec::new();
        } else {
            self.unread.clear();
            self.unread.extend_from_slice(rest);
        }
    }

    /// Makes a record.
    pub(super) fn seal(&mut self, act: Act<'_>) -> io::Result<()> {
        let mut input = mem::take(&mut self.unread);
        let used = self.turn(&mut input, None, act)?;
        input.drain(..used.min(input.len()));
        self.unread = input;
        Ok(())
    }

    /// Lets rustls do all that it can; returns how much of the input is done with.
    fn turn(
        &mut self,
        input: &mut [u8],
        mut to: Option<&mut ReadBuf<'_>>,
        mut act: Act<'_>,
    ) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(rest);
            used += discard;
            let state = match state {
                Ok(state) => state,
                Err(fault) => return Err(self.break_off(input, used, fault)),
            };
            match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = match record {
                            Ok(record) => record,
                            Err(fault) => {
                                let fault = Box::new(fault);
                                return Err(invalid((**self.end.fault.insert(fault)).clone()));
                            }
                        };
                        used += record.discard;
                        let plain = record.payload;
                        let room = to.as_ref().map_or(0, |to| to.remaining());
                        // What is kept comes first: nothing may overtake it.
                        let room = if self.plain.is_empty() { room } else { 0 };
                        let (now, later) = plain.split_at(room.min(plain.len()));
                        if let Some(to) = &mut to {
                            to.put_slice(now);
                        }
                        self.plain.extend_from_slice(later);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    if let Err(error) = encode(&mut data, &mut self.unsent) {
                        let fault = rustls::Error::General(error.to_string());
                        return Err(self.fail(fault));
                    }
                }
                // It waits in `unsent`, in its order.
                ConnectionState::TransmitTlsData(transmit) => transmit.done(),
                ConnectionState::PeerClosed => self.end.is_peer_closed = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    match &mut act {
                        Act::Read => {}
                        Act::Write(bytes, out) => {
                            let guess = bytes.len() + OVERHEAD_BYTES;
                            grow(out, guess, |out| traffic.encrypt(bytes, out))?;
                        }
                        Act::Close(out) => {
                            grow(out, OVERHEAD_BYTES, |out| traffic.queue_close_notify(out))?;
                            self.end.is_closed = true;
                        }
                    }
                    return Ok(used);
                }
                // Early data is not taken (`server.rs`).
                _ => match act {
                    Act::Read => return Ok(used),
                    Act::Write(..) | Act::Close(_) => {
                        return Err(io::ErrorKind::NotConnected.into());
                    }
                },
            }
        }
    }

    /// After a fault: what rustls has to say about it goes out, and the session is over. It must not see the faulty
    /// bytes a second time.
    fn break_off(&mut self, input: &mut [u8], mut used: usize, fault: rustls::Error) -> io::Error {
        while self.tls.wants_write() {
            let rest = input.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(rest);
            used += discard;
            let Ok(ConnectionState::EncodeTlsData(mut data)) = state else {
                break;
            };
            if encode(&mut data, &mut self.unsent).is_err() {
                break;
            }
        }
        self.fail(fault)
    }

    fn fail(&mut self, fault: rustls::Error) -> io::Error {
        self.unread = Vec::new();
        self.end.fault = Some(Box::new(fault.clone()));
        invalid(fault)
    }
}

fn invalid(fault: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

/// Appends what rustls wants to have sent.
fn encode<D>(data: &mut EncodeTlsData<'_, D>, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    loop {
        let room = out.get_mut(start..).unwrap_or_default();
        match data.encode(room) {
            Ok(len) => {
                out.truncate(start + len);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(needed)) if room.len() < needed.required_size => {
                out.resize(start + needed.required_size, 0);
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// Has a record made in an empty buffer, which grows to what is needed.
fn grow(
    out: &mut Vec<u8>,
    guess: usize,
    mut make: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> io::Result<()> {
    out.resize(guess, 0);
    loop {
        match make(out) {
            Ok(len) => {
                out.truncate(len);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(needed)) if out.len() < needed.required_size => {
                out.resize(needed.required_size, 0);
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}
