//! How is the server itself: ready, its depot, its version, and whether plain text leaves this machine?

use super::finding::Finding;

/// One thing that the server says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) is_well: bool,
    pub(crate) says: String,
}

/// Judges what `/readyz` says.
pub(crate) fn ready(checks: &[Check]) -> Vec<Finding> {
    const CHECK: &str = "ready";
    let ill = checks.iter().filter(|check| !check.is_well).map(|check| {
        Finding::error(CHECK, format!("{}: {}", check.name, check.says))
            .next("the server's log says more; what waits is done when this is well again")
    });
    let mut found: Vec<Finding> = ill.collect();
    // An older certificate is no reason to send nobody here, but somebody has to see to it.
    let stale = checks
        .iter()
        .find(|check| check.name == "certificate" && check.is_well && check.says.contains("older"));
    found.extend(stale.map(|check| {
        Finding::warning(CHECK, format!("certificate: {}", check.says)).next(
            "mend the files of the certificate and the key: they are read again by themselves",
        )
    }));
    if found.is_empty() {
        found.push(Finding::well(CHECK, "requests and devices are taken"));
    }
    found
}

/// Judges the depot; `None`: there is no artifact to ask it for.
pub(crate) fn depot(check: Option<&Check>) -> Finding {
    const CHECK: &str = "depot";
    match check {
        None => Finding::skipped(CHECK, "there is no release to ask it for"),
        Some(check) if check.is_well => Finding::well(CHECK, check.says.clone()),
        Some(check) => Finding::error(CHECK, check.says.clone())
            .next("bring back the object store, or the depot of the data directory from a copy"),
    }
}

/// Judges the two versions.
pub(crate) fn version(server: &str, here: &str) -> Finding {
    const CHECK: &str = "version";
    if server == here {
        return Finding::well(CHECK, format!("the server and this program are {server}"));
    }
    Finding::warning(
        CHECK,
        format!("the server is {server}, this program {here}"),
    )
    .next("bring both to the same version: the server first")
}

/// Judges whether plain text can be read by others: `--dev` is for loopback, but a proxy may carry it further.
pub(crate) fn dev(is_dev: bool, url: &str, public_url: &str) -> Finding {
    const CHECK: &str = "private";
    if !is_dev {
        return Finding::well(
            CHECK,
            "connections are private, and devices have certificates",
        );
    }
    let outside: Vec<&str> = [url, public_url]
        .into_iter()
        .filter(|url| !is_loopback(url))
        .collect();
    match outside.first() {
        Some(url) => {
            Finding::error(CHECK, format!("with --dev it is reached from elsewhere, at {url}: anybody can be any device"))
                .next("start it without --dev: certificates are made by themselves, and devices enrol with a claim token")
        }
        None => Finding::warning(CHECK, "with --dev there are no identities and no privacy, on this machine alone")
            .next("start it without --dev before other machines are to be served"),
    }
}

/// Tells whether a URL leads to the machine that asks for it.
pub(crate) fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::finding::State::{Error, Skipped, Warning, Well};
    use super::*;

    fn check(name: &str, is_well: bool, says: &str) -> Check {
        Check {
            name: name.into(),
            is_well,
            says: says.into(),
        }
    }

    #[test]
    fn what_is_not_ready_is_an_error() {
        let store = check("store", true, "writes work");
        let stale = check("certificate", true, "an older one is shown: it is missing");
        let full = check("store", false, "the disk is full");
        let states = |checks: &[Check]| {
            let found = ready(checks);
            found.iter().map(|one| one.state).collect::<Vec<_>>()
        };
        assert_eq!(states(std::slice::from_ref(&store)), [Well]);
        assert_eq!(states(&[store.clone(), stale]), [Warning]);
        assert_eq!(states(&[full, store]), [Error]);
    }

    #[test]
    fn a_depot_that_gives_nothing_is_an_error() {
        assert_eq!(depot(None).state, Skipped);
        assert_eq!(depot(Some(&check("depot", true, ""))).state, Well);
        assert_eq!(depot(Some(&check("depot", false, "away"))).state, Error);
    }

    #[test]
    fn versions_that_differ_are_told() {
        assert_eq!(version("1.2.3", "1.2.3").state, Well);
        assert_eq!(version("1.2.3", "1.2.4").state, Warning);
    }

    #[test]
    fn plain_text_that_leaves_this_machine_is_an_error() {
        const HERE: &str = "http://127.0.0.1:8080";
        for (is_dev, url, public_url, state) in [
            (
                false,
                "https://fleet.example",
                "https://fleet.example",
                Well,
            ),
            (true, HERE, HERE, Warning),
            (true, "http://[::1]:8080/x", "http://localhost", Warning),
            (true, HERE, "http://fleet.example/depot", Error),
            (true, "http://192.0.2.1:8080", HERE, Error),
            (true, "http://localhost.example", HERE, Error),
        ] {
            assert_eq!(
                dev(is_dev, url, public_url).state,
                state,
                "{url} {public_url}"
            );
        }
    }
}
