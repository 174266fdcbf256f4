//! Settings, and where each comes from: flag, then `REFIT_*` variable, then configuration file, then default.
//!
//! All sources have the same names: `--public-url`, `REFIT_PUBLIC_URL`, `public-url = "…"`. Every value is text until
//! here, so that one place reads it, and can say where a bad one stands.

mod depot;
mod file;
mod given;
mod grant;
mod identity;
mod key;
mod pace;
mod software;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use refit_depot::backend::settings::Settings as StoreSettings;
use refit_depot::intake::ARTIFACT_BYTES_MAX;
use refit_protocol::network::Cidr;
use refit_replica::input::Policy;
use refit_tls::server::Oldest;

use crate::identity::authority::Own;
use crate::privacy::{Wanted, default_names, with_loopback};

use file::read_file;
use given::{Given, Origin};
pub use grant::Grant;
pub use key::Key;
pub use pace::Paces;

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory that holds everything.
    pub data: PathBuf,
    /// Where HTTP is served; port 0 takes a free one.
    pub http: SocketAddr,
    /// Where MQTT is served; port 0 takes a free one.
    pub mqtt: SocketAddr,
    /// The URL by which devices reach the depot; `None`: that of the HTTP address.
    pub public_url: Option<String>,
    /// Whether devices without an identity are taken, in plain text, on loopback.
    pub dev: bool,
    /// Which grants devices get unless a wish chooses another, and how long they are good.
    pub grant: Grant,
    /// Proxies whose word about an address is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// How often a device that polls over HTTP is to come while nothing is due to it.
    pub poll_interval: Duration,
    /// A file to which the head of the audit log is written each minute, if it has changed.
    pub audit_heads: Option<PathBuf>,
    /// How connections become private without `--dev`.
    pub privacy: Wanted,
    /// How the log is written.
    pub log_format: LogFormat,
    /// How many bytes an artifact may have.
    pub upload_bytes_max: u64,
    /// How often devices and applications may speak.
    pub paces: Paces,
    /// The object store that artifacts are kept in; `None`: the data directory.
    pub depot: Option<StoreSettings>,
    /// Timers and bounds of jobs, which are no settings yet: a plan will have them. And which hosts' software is taken.
    pub policy: Policy,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Why there is no configuration: what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    /// What is wrong, and where.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl Config {
    /// Puts the settings together from flags, variables and, if there is one, a file.
    pub fn resolve(
        flags: &[(Key, String)],
        variable: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, Error> {
        let file = file.map(read_file).transpose()?.unwrap_or_default();
        let find = |key: Key| {
            let given = |text: String, origin| Given { key, text, origin };
            let flag = flags.iter().find(|(k, _)| *k == key);
            flag.map(|(_, text)| given(text.clone(), Origin::Flag))
                .or_else(|| Some(given(variable(&key.variable())?, Origin::Variable)))
                .or_else(|| file.find(key))
        };
        let dev = find(Key::Dev).map_or(Ok(false), |given| given.yes_or_no())?;
        let privacy = Wanted {
            names: find(Key::Name).map_or_else(default_names, |given| with_loopback(given.list())),
            certificate: pair(find(Key::TlsCertificate), find(Key::TlsKey))?,
            ca: pair(find(Key::CaCertificate), find(Key::CaKey))?,
            factories: identity::factories(find(Key::CaFactory))?,
            terms: identity::terms(&find)?,
            oldest: find(Key::TlsOldest).map_or(Ok(Oldest::Tls13), |given| given.oldest())?,
        };
        let config = Self {
            data: find(Key::Data).map_or_else(|| "refit-data".into(), |given| given.text.into()),
            http: find(Key::Http)
                .map_or_else(|| Ok(default_address(dev, 8080, 8443)), |g| g.address())?,
            mqtt: find(Key::Mqtt)
                .map_or_else(|| Ok(default_address(dev, 1883, 8883)), |g| g.address())?,
            public_url: find(Key::PublicUrl).map(|given| given.url()).transpose()?,
            dev,
            privacy,
            grant: Grant::resolve(&find)?,
            trusted_proxies: find(Key::TrustedProxies)
                .map_or_else(|| Ok(Vec::new()), |given| given.networks())?,
            audit_heads: find(Key::AuditHeads).map(|given| given.text.into()),
            poll_interval: find(Key::PollInterval)
                .map_or(Ok(POLL_INTERVAL), |given| given.duration())?,
            log_format: find(Key::LogFormat).map_or(Ok(LogFormat::Human), |g| g.log_format())?,
            upload_bytes_max: find(Key::UploadMax)
                .map_or(Ok(ARTIFACT_BYTES_MAX), |given| given.bytes())?,
            paces: Paces::resolve(&find)?,
            depot: depot::settings(&find)?,
            policy: Policy {
                sources: software::sources(&find, dev)?,
                ..Policy::default()
            },
        };
        config.checked()
    }

    /// Refuses what would let strangers in.
    fn checked(self) -> Result<Self, Error> {
        if !self.dev {
            return Ok(self);
        }
        if self.grant.policy.needs_certificate() {
            return Err(Error {
                what: "grants that are bound to a device need its certificate, and with --dev devices have none".into(),
                hint: "serve without --dev, or choose grant-kind presigned with grant-strength time or address".into(),
            });
        }
        for (key, address) in [(Key::Http, self.http), (Key::Mqtt, self.mqtt)] {
            if !address.ip().is_loopback() {
                return Err(Error {
                    what: format!(
                        "--dev is refused on {address} ({}): it takes any device without asking who it is",
                        key.name()
                    ),
                    hint: format!(
                        "use a loopback address: --{} 127.0.0.1:{}",
                        key.name(),
                        address.port()
                    ),
                });
            }
        }
        Ok(self)
    }
}

/// How often a device that polls is to come while nothing is due to it, unless the operator says otherwise.
const POLL_INTERVAL: Duration = Duration::from_secs(300);

/// With `--dev` loopback, else every address of this machine.
const fn default_address(dev: bool, open: u16, private: u16) -> SocketAddr {
    if dev {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), open)
    } else {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), private)
    }
}

/// A certificate and its key: both, or neither.
fn pair(certificate: Option<Given>, key: Option<Given>) -> Result<Option<Own>, Error> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(Own {
            certificate: certificate.text.into(),
            key: key.text.into(),
        })),
        (Some(alone), None) | (None, Some(alone)) => Err(alone.wrong(
            "stands without its other half",
            "give both: the certificate and its key",
        )),
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: (Key, &str) = (Key::Dev, "true");

    fn resolve(
        flags: &[(Key, &str)],
        variables: &[(&str, &str)],
        file: Option<&str>,
    ) -> Result<Config, Error> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("refit.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let flags: Vec<_> = flags
            .iter()
            .map(|(key, text)| (*key, (*text).to_owned()))
            .collect();
        let variable = |name: &str| {
            let found = variables.iter().find(|(n, _)| *n == name)?;
            Some(found.1.to_owned())
        };
        Config::resolve(&flags, variable, file.map(|_| path.as_path()))
    }

    #[test]
    fn a_flag_beats_a_variable_beats_a_file_beats_the_default() {
        let file = Some("http = \"127.0.0.1:3\"\ndev = true\n");
        let variables = [("REFIT_HTTP", "127.0.0.1:2")];
        let http = |config: Result<Config, Error>| config.unwrap().http.port();
        assert_eq!(
            http(resolve(&[(Key::Http, "127.0.0.1:1")], &variables, file)),
            1
        );
        assert_eq!(http(resolve(&[], &variables, file)), 2);
        assert_eq!(http(resolve(&[], &[], file)), 3);
        assert_eq!(http(resolve(&[DEV], &[], None)), 8080);
    }

    #[test]
    fn defaults_are_on_loopback_and_in_the_working_directory() {
        let config = resolve(&[DEV], &[], None).unwrap();
        assert_eq!(config.data, Path::new("refit-data"));
        assert_eq!(config.mqtt.to_string(), "127.0.0.1:1883");
        assert_eq!(config.grant, Grant::default());
        assert!(config.public_url.is_none());
    }

    #[test]
    fn bad_values_are_named_with_their_place_and_a_remedy() {
        for (key, text, hint) in [
            (Key::Http, "8080", "127.0.0.1:8080"),
            (Key::PublicUrl, "u.example", "https://host"),
            (Key::PublicUrl, "https://u.example/?x", "without ?"),
            (Key::PublicUrl, "https://me:pw@u.example", "https://host"),
            (Key::Dev, "maybe", "true or false"),
            (Key::GrantLifetime, "0s", "90s"),
            (Key::GrantLifetime, "1d", "90s"),
            (Key::GrantLifetime, "99999999999999999999h", "90s"),
            (Key::GrantKind, "key", "presigned or credential"),
            (Key::GrantStrength, "strong", "time, address or device"),
            (Key::GrantNetwork, "203.0.113.7/24", "203.0.113.0/24"),
            (Key::GrantFallback, "weak", "stop, time or credential"),
            (Key::GrantMinStrength, "0", "time, address or device"),
            (Key::GrantSlowestLink, "64", "128kbit"),
            (Key::GrantSlowestLink, "0kbit", "128kbit"),
            (Key::TrustedProxies, "10.0.0.1, proxy", "203.0.113.0/24"),
            (Key::PollInterval, "0s", "90s"),
            (Key::LogFormat, "xml", "json"),
            (Key::UploadMax, "0MiB", "16GiB"),
            (Key::UploadMax, "2000000TiB", "16GiB"),
            (Key::UploadMax, "100", "16GiB"),
        ] {
            let variable = key.variable();
            let error = resolve(&[], &[(&variable, text)], None).unwrap_err();
            assert!(error.what.starts_with(&variable), "{error:?}");
            assert!(error.hint.contains(hint), "{error:?}");
        }
    }

    #[test]
    fn the_public_url_has_no_slash_at_its_end() {
        let config = resolve(
            &[DEV, (Key::PublicUrl, "https://u.example/refit/")],
            &[],
            None,
        );
        assert_eq!(
            config.unwrap().public_url.as_deref(),
            Some("https://u.example/refit")
        );
    }

    #[test]
    fn unknown_settings_are_refused_with_a_suggestion() {
        for (text, hint) in [
            ("public_url = \"x\"", "did you mean public-url?"),
            ("htp = \"x\"", "did you mean http?"),
            ("colour = \"red\"", "there are: data, http"),
        ] {
            let error = resolve(&[DEV], &[], Some(text)).unwrap_err();
            assert!(error.hint.contains(hint), "{error:?}");
        }
    }

    #[test]
    fn an_object_store_is_a_section_of_the_file_or_variables() {
        let file = "dev = true\n[depot]\nurl = \"s3://b/p\"\nendpoint = \"https://s3.example/\"\npath-style = false\n";
        let variables = [("REFIT_DEPOT_REGION", "r")];
        let depot = resolve(&[], &variables, Some(file)).unwrap().depot.unwrap();
        assert_eq!(
            (depot.url.as_str(), depot.path_style),
            ("s3://b/p", Some(false))
        );
        assert_eq!(depot.endpoint.as_deref(), Some("https://s3.example"));
        assert_eq!(depot.region.as_deref(), Some("r"));
        assert!(resolve(&[DEV], &[], None).unwrap().depot.is_none());
        for (file, what, hint) in [
            (
                "[depot]\nurl = \"/var/depot\"",
                "\"/var/depot\"",
                "s3://bucket",
            ),
            ("[depot]\nregion = \"r\"", "none is named", "depot-url"),
            ("[depot]\nregoin = \"r\"", "depot-regoin", "depot-region"),
        ] {
            let error = resolve(&[DEV], &[], Some(file)).unwrap_err();
            assert!(
                error.what.contains(what) && error.hint.contains(hint),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_with_the_line() {
        let error = resolve(&[DEV], &[], Some("dev = true\nhttp = \n")).unwrap_err();
        assert!(
            error.what.contains("is not TOML") && error.hint.contains("line 2"),
            "{error:?}"
        );
        let error = resolve(&[DEV], &[], Some("http = 80.8")).unwrap_err();
        assert!(error.what.contains("neither text"), "{error:?}");
    }

    #[test]
    fn a_section_saves_its_settings_their_first_word() {
        let file = "dev = true\ntrusted-proxies = [\"10.0.0.1\", \"203.0.113.0/24\"]\n[grant]\nstrength = \"address\"\nfallback = \"time\"\n";
        let config = resolve(&[], &[], Some(file)).unwrap();
        assert_eq!(config.grant.policy.strength.as_str(), "address");
        assert_eq!(config.grant.policy.fallback.as_str(), "time");
        assert_eq!(config.trusted_proxies.len(), 2);
        let error = resolve(&[DEV], &[], Some("[grant]\nstrenght = \"time\"")).unwrap_err();
        assert!(error.hint.contains("grant-strength"), "{error:?}");
    }

    #[test]
    fn dev_is_refused_with_grants_that_need_a_certificate() {
        for file in [
            "kind = \"credential\"",
            "strength = \"device\"",
            "fallback = \"credential\"",
        ] {
            let error = resolve(&[DEV], &[], Some(&format!("[grant]\n{file}"))).unwrap_err();
            assert!(error.hint.contains("without --dev"), "{file}: {error:?}");
        }
    }

    #[test]
    fn dev_is_refused_beyond_loopback_and_without_it_everything_is_private() {
        for key in [Key::Http, Key::Mqtt] {
            let error = resolve(&[DEV, (key, "0.0.0.0:80")], &[], None).unwrap_err();
            assert!(
                error.what.contains("--dev is refused on 0.0.0.0:80"),
                "{error:?}"
            );
        }
        let private = resolve(&[], &[("REFIT_NAME", "a.example, 192.0.2.1")], None).unwrap();
        assert_eq!(private.http, "0.0.0.0:8443".parse().unwrap());
        assert_eq!(private.mqtt, "0.0.0.0:8883".parse().unwrap());
        let names = ["a.example", "192.0.2.1", "localhost", "127.0.0.1", "::1"];
        assert_eq!(private.privacy.names, names);
        let file = "[tls]\ncertificate = \"c\"\nkey = \"k\"\noldest = \"1.2\"\n";
        let own = resolve(&[], &[], Some(file)).unwrap().privacy;
        assert_eq!(
            (own.certificate.is_some(), own.oldest),
            (true, Oldest::Tls12)
        );
        let half = resolve(&[], &[("REFIT_CA_KEY", "k")], None).unwrap_err();
        assert!(half.what.contains("REFIT_CA_KEY"), "{half:?}");
        assert!(
            resolve(
                &[DEV, (Key::Http, "[::1]:0"), (Key::Mqtt, "localhost:0")],
                &[],
                None
            )
            .is_ok()
        );
    }
}
