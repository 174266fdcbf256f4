//! `[software]`: which URLs of other hosts may be desired.

use refit_protocol::software_source::{HostPattern, Sources};

use super::given::Given;
use super::{Error, Key};

/// With `--dev` plain `http` and this machine are taken too, since its devices run here.
pub(super) fn sources(find: &impl Fn(Key) -> Option<Given>, dev: bool) -> Result<Sources, Error> {
    let hosts = find(Key::SoftwareHosts).map_or(Ok(Vec::new()), |given| hosts(&given))?;
    let http = find(Key::SoftwareHttp).map_or(Ok(dev), |given| given.yes_or_no())?;
    Ok(Sources {
        http,
        near: dev,
        hosts,
    })
}

fn hosts(given: &Given) -> Result<Vec<HostPattern>, Error> {
    let hosts = given.list();
    let read: Option<Vec<_>> = hosts.iter().map(|host| HostPattern::parse(host)).collect();
    read.filter(|hosts| !hosts.is_empty()).ok_or_else(|| {
        given.wrong(
            "holds something that is no host",
            "write names and addresses without scheme, port and path, with commas between: downloads.example, *.s3.example; without the setting any host is taken",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn resolve(file: &str) -> Result<Sources, Error> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("refit.toml");
        std::fs::write(&path, file).unwrap();
        let config = Config::resolve(&[], |_| None, Some(&path));
        config.map(|config| config.policy.sources)
    }

    #[test]
    fn https_alone_unless_a_switch_or_dev_says_otherwise() {
        assert_eq!(resolve("").unwrap(), Sources::default());
        assert_eq!(resolve("dev = true").unwrap(), Sources::open());
        let sources = resolve("[software]\nhttp = true\nhosts = [\"a.example\", \"*.b.example\"]");
        let sources = sources.unwrap();
        assert!(sources.http && !sources.near && sources.hosts.len() == 2);
        for hosts in ["[]", "\"https://a.example\"", "\"a.example:443\""] {
            let error = resolve(&format!("[software]\nhosts = {hosts}")).unwrap_err();
            assert!(error.hint.contains("downloads.example"), "{error:?}");
        }
    }
}
