//! `[ca]`: how long devices' certificates are good, and which factories' certificates enrol.

use std::time::Duration;

use refit_identity::IdPattern;

use super::given::Given;
use super::{Error, Key};
use crate::identity::authority::{FactoryFile, Terms};

/// A device certificate is good for at least an hour: it is renewed after two thirds, and begins an hour before.
const LIFETIME_S_MIN: u64 = 3600;

/// And at most ten years.
const LIFETIME_S_MAX: u64 = 3660 * 86_400;

/// Reads how long certificates are good, and how long after that they can be renewed.
pub(super) fn terms(find: &impl Fn(Key) -> Option<Given>) -> Result<Terms, Error> {
    let default = Terms::default();
    let millis = |duration: Duration| duration.as_secs().saturating_mul(1000);
    Ok(Terms {
        lifetime_ms: find(Key::CaDeviceLifetime).map_or(Ok(default.lifetime_ms), |given| {
            given
                .days(LIFETIME_S_MIN, LIFETIME_S_MAX, "an hour")
                .map(millis)
        })?,
        grace_ms: find(Key::CaRenewGrace).map_or(Ok(default.grace_ms), |given| {
            given.days(0, LIFETIME_S_MAX, "0s").map(millis)
        })?,
    })
}

/// Reads `certificate=pattern`, with commas between; the file's `[[ca.factory]]` becomes the same text.
pub(super) fn factories(given: Option<Given>) -> Result<Vec<FactoryFile>, Error> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let read = |part: &str| {
        let (certificate, pattern) = part.rsplit_once('=').ok_or_else(|| {
            given.wrong(
                "names no IDs",
                "write it as factory.pem=lamp-*, with commas between; =* allows any ID",
            )
        })?;
        let pattern = IdPattern::parse(pattern.trim())
            .map_err(|why| given.wrong("has no ID pattern", &why.to_string()))?;
        Ok(FactoryFile {
            certificate: certificate.trim().into(),
            pattern,
        })
    };
    given.list().iter().map(|part| read(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn resolve(file: &str) -> Result<Config, Error> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("refit.toml");
        std::fs::write(&path, file).unwrap();
        Config::resolve(&[], |_| None, Some(&path))
    }

    #[test]
    fn factories_and_times_stand_in_the_section_of_the_ca() {
        let file = "[ca]\ndevice-lifetime = \"90d\"\nrenew-grace = \"0s\"\n\
            [[ca.factory]]\ncertificate = \"a=b.pem\"\nid-pattern = \"lamp-*\"\n\
            [[ca.factory]]\ncertificate = \"c.pem\"\nid-pattern = \"?\"\n";
        let wanted = resolve(file).unwrap().privacy;
        let factory = |certificate: &str, pattern: &str| FactoryFile {
            certificate: certificate.into(),
            pattern: IdPattern::parse(pattern).unwrap(),
        };
        assert_eq!(
            wanted.factories,
            [factory("a=b.pem", "lamp-*"), factory("c.pem", "?")]
        );
        let terms = Terms {
            lifetime_ms: 90 * 86_400_000,
            grace_ms: 0,
        };
        assert_eq!(wanted.terms, terms);
        assert_eq!(resolve("").unwrap().privacy.terms, Terms::default());
    }

    #[test]
    fn what_says_too_little_or_too_much_is_refused_with_a_remedy() {
        for (file, hint) in [
            ("[ca]\nfactory = \"a.pem\"", "factory.pem=lamp-*"),
            ("[ca]\nfactory = \"a.pem=la mp\"", "characters of an ID"),
            ("[[ca.factory]]\ncertificate = \"a.pem\"", "id-pattern"),
            (
                "[[ca.factory]]\ncertificate = \"a,b\"\nid-pattern = \"*\"",
                "comma",
            ),
            (
                "[[ca.factory]]\ncertificate = \"a\"\nid-pattern = \"*\"\nkey = \"k\"",
                "certificate and id-pattern",
            ),
            ("[ca]\ndevice-lifetime = \"59m\"", "an hour"),
            ("[ca]\ndevice-lifetime = \"3661d\"", "3660d"),
            ("[ca]\nrenew-grace = \"1y\"", "90d"),
        ] {
            let error = resolve(file).unwrap_err();
            assert!(error.hint.contains(hint), "{file}: {error:?}");
        }
    }
}
