//! Names resolved for a redirect: what a stranger's answer leads to must not be this device or its own link.

use super::route::is_local;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Resolves, and drops local addresses; the connection is made to what was looked at here and nothing else, so a name
/// that changes between two questions gains nothing.
#[derive(Debug, Default)]
pub(super) struct Elsewhere(DefaultResolver);

impl Resolver for Elsewhere {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut allowed = self.empty();
        for address in &self.0.resolve(uri, config, timeout)? {
            if !is_local(address.ip()) {
                allowed.push(*address);
            }
        }
        if allowed.is_empty() {
            return Err(Error::Other(
                "it leads to an address of this device's own".into(),
            ));
        }
        Ok(allowed)
    }
}
