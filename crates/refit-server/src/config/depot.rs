//! The settings of the object store that artifacts are kept in, all under `depot-`.

use refit_depot::backend::settings::Settings;

use super::given::Given;
use super::{Error, Key};

/// What only counts beside a URL.
const BESIDE: [Key; 7] = [
    Key::DepotEndpoint,
    Key::DepotPublicEndpoint,
    Key::DepotRegion,
    Key::DepotPathStyle,
    Key::DepotCredentials,
    Key::DepotRole,
    Key::DepotStsEndpoint,
];

/// Puts them together; none without a URL.
pub(super) fn settings(find: &impl Fn(Key) -> Option<Given>) -> Result<Option<Settings>, Error> {
    let Some(url) = find(Key::DepotUrl) else {
        return match BESIDE.into_iter().find_map(find) {
            None => Ok(None),
            Some(given) => Err(given.wrong(
                "is for an object store, and none is named",
                "name one: depot-url = \"s3://bucket/prefix\"",
            )),
        };
    };
    let text = |key| find(key).map(|given| given.text);
    let endpoint = |key| find(key).map(|given| given.url()).transpose();
    let settings = Settings {
        url: url.text.clone(),
        endpoint: endpoint(Key::DepotEndpoint)?,
        public_endpoint: endpoint(Key::DepotPublicEndpoint)?,
        region: text(Key::DepotRegion),
        path_style: find(Key::DepotPathStyle)
            .map(|g| g.yes_or_no())
            .transpose()?,
        credentials: text(Key::DepotCredentials).map(Into::into),
        role: text(Key::DepotRole),
        sts_endpoint: endpoint(Key::DepotStsEndpoint)?,
        ..Settings::default()
    };
    match settings.check() {
        Ok(()) => Ok(Some(settings)),
        Err(_) => Err(url.wrong(
            "is not the URL of an object store",
            "write it as s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
        )),
    }
}
