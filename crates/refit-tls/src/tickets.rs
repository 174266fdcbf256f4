//! Session tickets: a client that was here comes back with less work, for twelve hours at most.
//!
//! The ticket holds what the server would have to keep, with the client's certificate, sealed with a key that changes
//! every six hours. So a resumed session has the peer's certificate, and the server keeps nothing.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::Error;
use rustls::crypto::ring::Ticketer;
use rustls::server::ProducesTickets;

/// Makes and opens tickets, and can forget all that it made.
#[derive(Clone)]
pub(crate) struct Tickets {
    current: Arc<RwLock<Arc<dyn ProducesTickets>>>,
}

impl Tickets {
    pub(crate) fn new() -> Result<Self, Error> {
        let current = Arc::new(RwLock::new(Ticketer::new()?));
        Ok(Self { current })
    }

    /// Makes all tickets void.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        *self.current.write() = Ticketer::new()?;
        Ok(())
    }

    fn current(&self) -> Arc<dyn ProducesTickets> {
        Arc::clone(&self.current.read())
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.current().lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.current().encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.current().decrypt(cipher)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}
