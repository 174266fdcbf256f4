//! Design §9.7: whatever is cut at whatever moment, the device boots software that was verified: the new, or the old.

use refit_agent::files::Files;
use refit_agent::files::fragile::Fragile;
use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};

use crate::device::hands;

/// What a disk boots is a whole release, and one of those that may run now.
pub(crate) fn boots(disk: &Fragile, may: &[Option<Digest>]) -> Result<(), String> {
    let runs = hands::boots(disk);
    if !may.contains(&runs) {
        return Err(format!("it boots {runs:?}, and may boot {may:?}"));
    }
    let Some(digest) = runs else { return Ok(()) };
    let bytes = disk.read(&hands::artifact(&digest), 1 << 20);
    let bytes = bytes.map_err(|error| format!("it boots {digest:?}: {error}"))?;
    let bytes = bytes.ok_or_else(|| format!("it boots {digest:?}, which has no artifact"))?;
    if <[u8; 32]>::from(Sha256::digest(&bytes)) != *digest.as_bytes() {
        let length = bytes.len();
        return Err(format!(
            "it boots {digest:?}, and has other bytes, {length} of them"
        ));
    }
    Ok(())
}
