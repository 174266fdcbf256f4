//! The identity in use: connections and downloads take it as it is, and renewal replaces it under them.

use super::Identity;
use crate::http::route::Origin;
use crate::tls::{self, Roots, Shown};
use rustls::ClientConfig;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// An identity, ready to be used.
pub struct Bearer {
    /// What it says.
    pub identity: Identity,
    /// TLS with its certificate, believing its trust bundle alone.
    pub tls: Arc<ClientConfig>,
    /// Where its certificate is shown: the server, and other addresses of its depot.
    homes: Vec<Origin>,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({})", self.identity.device)
    }
}

impl Bearer {
    /// Makes an identity ready. `depots` are addresses of the depot beside the server's own.
    pub fn new(identity: Identity, depots: &[String]) -> Result<Self, String> {
        let shown = Shown::from(&identity);
        let tls = tls::client(Roots::These(&identity.trust.roots), Some(shown))
            .map_err(|e| format!("the identity cannot be used: {e}"))?;
        let homes = std::iter::once(&identity.server)
            .chain(depots)
            .map(|url| {
                Origin::of(url)
                    .filter(|origin| origin.secure)
                    .ok_or_else(|| format!("{url:?} is no https address of a server or depot"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            identity,
            tls,
            homes,
        })
    }

    /// Tells whether the certificate may be shown there, and tokens sent.
    pub fn is_home(&self, origin: &Origin) -> bool {
        self.homes.contains(origin)
    }
}

/// The identity in use.
#[derive(Debug)]
pub struct Current {
    now: Mutex<Arc<Bearer>>,
    depots: Vec<String>,
}

impl Current {
    /// Begins with an identity.
    pub fn new(identity: Identity, depots: Vec<String>) -> Result<Self, String> {
        let bearer = Bearer::new(identity, &depots)?;
        Ok(Self {
            now: Mutex::new(Arc::new(bearer)),
            depots,
        })
    }

    /// Returns it as it is now.
    pub fn get(&self) -> Arc<Bearer> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes another identity ready, to replace this one.
    pub fn prepare(&self, identity: Identity) -> Result<Bearer, String> {
        Bearer::new(identity, &self.depots)
    }

    /// Replaces it; connections that stand keep the one they were made with.
    pub fn replace(&self, bearer: Bearer) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(bearer);
    }
}
