//! Design §9.7: whatever is cut at whatever moment, the device boots software that was verified: the new, or the old.

use refit_agent::files::Files;
use refit_agent::files::fragile::Fragile;
use refit_protocol::digest::Digest;

use crate::device::agent::Agent;
use crate::device::hands;

/// What runs is a whole release, and one of those that may run now.
pub(crate) fn boots(agent: &Agent, may: &[Option<Digest>]) -> Result<(), String> {
    let runs = hands::running(&agent.disk).map_err(|error| error.to_string())?;
    if !may.contains(&runs) {
        return Err(format!("it boots {runs:?}, and may boot {may:?}"));
    }
    runs.map_or(Ok(()), |digest| whole(&agent.disk, &digest))
}

fn whole(disk: &Fragile, digest: &Digest) -> Result<(), String> {
    let path = hands::version(digest).join(hands::ARTIFACT);
    let expected = hands::artifact(digest);
    let read = disk.read(&path, expected.len() + 1);
    match read {
        Ok(Some(bytes)) if bytes == expected => Ok(()),
        Ok(bytes) => Err(format!(
            "it boots {digest}, which has {:?} bytes of {}",
            bytes.map(|b| b.len()),
            expected.len()
        )),
        Err(error) => Err(format!("it boots {digest}: {error}")),
    }
}
