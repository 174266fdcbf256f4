//! How does a connection become private, cheaply?
//!
//! *In*: a stream of bytes, a certificate with its key, the authorities whose devices are let in. *Out*: a
//! [`stream::TlsStream`], which reads and writes like the stream under it, keeps no buffer while it is idle, and knows
//! the certificate of its peer.
//!
//! *Absent on purpose*: who a certificate belongs to, whether it was revoked (the one who admits asks that, also for
//! resumed sessions, whose certificate is not verified again), sockets, tasks, timers, MQTT, HTTP.
//!
//! *Start reading at* [`stream::TlsStream`]; then `stream/session.rs` (one turn of rustls' unbuffered connection),
//! `server.rs` (the configuration), `own.rs` (the server's certificate, read again when its file changes), `clients.rs`
//! (who may have signed a client's certificate, which may change while it runs), `tickets.rs` (resumption), `pace.rs` (how
//! fast new ones may begin, since the handshake is what costs).
//!
//! *Keeps*: application data that comes in the same flight as the handshake's end is not lost; nothing is delivered
//! before its record is verified; a client without a certificate is let through, one with a bad one is not
//! (`tests/`).

pub mod clients;
pub mod own;
pub mod pace;
pub mod server;
pub mod stream;
mod tickets;

pub use rustls::ServerConfig;
pub use rustls::pki_types::CertificateDer;
