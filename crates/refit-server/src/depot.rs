//! Opens the depot where the settings say, and judges what an object store answers at the start.
//!
//! A store that was never reached is a mistake in the settings until it is, and the server does not start. One that was
//! reached before and is away now is an outage: devices are served all the same, and what needs the store fails by name.

use std::fs;
use std::path::Path;

use refit_depot::backend::settings::Settings;
use refit_depot::backend::trouble::Trouble;
use refit_depot::backend::{Error, Probed};
use refit_depot::depot::Depot;
use refit_engine::output::with_sources;

use crate::compose::StartError;
use crate::secret_file::write_private;

/// The file below the depot's directory that names the store that was last reached.
const REACHED_FILE: &str = "reached";

/// Opens the depot of the data directory, or that of an object store.
pub(crate) async fn open(data: &Path, store: Option<Settings>) -> Result<Depot, StartError> {
    let root = data.join("depot");
    let Some(settings) = store else {
        let opened = tokio::task::spawn_blocking(move || Depot::open(&root)).await;
        return Ok(opened.map_err(|error| StartError::data(data)(std::io::Error::other(error)))??);
    };
    let name = name_of(&settings);
    let role = settings.role.is_some();
    let (depot, probed) = Depot::open_store(&root, settings).await?;
    let reached = root.join(REACHED_FILE);
    judge(probed, &name, &reached)?;
    if role && !depot.gives_sessions() {
        tracing::warn!(
            "depot-role has no effect: only a store that speaks S3 gives temporary credentials"
        );
    }
    Ok(depot)
}

/// Tells two stores apart.
fn name_of(settings: &Settings) -> String {
    let endpoint = settings.endpoint.as_deref().unwrap_or_default();
    format!("{} {endpoint}", settings.url).trim_end().to_owned()
}

fn judge(probed: Result<Probed, Error>, name: &str, reached: &Path) -> Result<(), StartError> {
    match probed {
        Ok(Probed { removes, took }) => {
            let ms = took.as_millis() as u64;
            tracing::info!(
                ms,
                "artifacts are kept in {name}: it lists, writes and reads"
            );
            if !removes {
                tracing::warn!(
                    "{name} does not let Refit remove: what releases leave behind stays there"
                );
            }
            // Without the file the next start is only stricter.
            drop(write_private(reached, name.as_bytes()));
            Ok(())
        }
        Err(error) => {
            let before = fs::read_to_string(reached).is_ok_and(|text| text.trim_end() == name);
            if before && error.trouble().is_some_and(Trouble::may_pass) {
                tracing::error!(
                    "the depot is away, the rest is served: {}",
                    with_sources(&error)
                );
                return Ok(());
            }
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_told_apart_by_url_and_endpoint() {
        let of = |url: &str, endpoint: Option<&str>| {
            name_of(&Settings {
                url: url.into(),
                endpoint: endpoint.map(Into::into),
                ..Settings::default()
            })
        };
        assert_eq!(of("s3://b", None), "s3://b");
        assert_ne!(
            of("s3://b", Some("https://a")),
            of("s3://b", Some("https://b"))
        );
    }
}
