//! Do the names lead to the server? Devices know it by the host of the public URL, and by each `--name`.

use std::net::IpAddr;

use super::finding::Finding;

const CHECK: &str = "names";

/// A name, and what it resolves to from here.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) name: String,
    pub(crate) addresses: Result<Vec<IpAddr>, String>,
}

/// What is known of the names.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    /// The host of the public URL; `None` if it has none.
    pub(crate) public_host: Option<Resolved>,
    /// What the server's machine is called.
    pub(crate) host_name: &'a str,
    /// The names of the certificate.
    pub(crate) names: Vec<Resolved>,
    /// Whether devices of other machines are to be served.
    pub(crate) is_dev: bool,
}

/// Judges them. What a certificate covers is seen when a connection is made.
pub(crate) fn judge(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = vec![public(facts)];
    for one in &facts.names {
        let is_public = facts
            .public_host
            .as_ref()
            .is_some_and(|p| p.name == one.name);
        if is_public || is_local(&one.name) {
            continue;
        }
        found.extend(unresolved(one).map(|finding| {
            finding.next("add it to the DNS that devices ask, or take it out of --name")
        }));
    }
    found
}

fn public(facts: &Facts<'_>) -> Finding {
    let Some(host) = &facts.public_host else {
        return Finding::error(CHECK, "the public URL has no host")
            .next("set public-url to the URL by which devices reach this server");
    };
    if facts.is_dev {
        return Finding::skipped(CHECK, "with --dev only this machine is served");
    }
    let name = &host.name;
    let set = "set public-url to a URL that devices can reach, and --name to its host: the certificate follows";
    if let Some(finding) = unresolved(host) {
        return finding.next(set);
    }
    let addresses = host.addresses.as_deref().unwrap_or_default();
    if is_local(name) || addresses.iter().all(IpAddr::is_loopback) {
        return Finding::warning(
            CHECK,
            format!("{name}, the host of the public URL, leads to the machine that asks for it"),
        )
        .next(set);
    }
    if addresses.iter().any(IpAddr::is_unspecified) {
        return Finding::error(CHECK, format!("{name} is the address of no machine")).next(set);
    }
    if name == facts.host_name && !name.contains('.') {
        let says = format!(
            "{name}, the host of the public URL, is what this machine calls itself; devices may not resolve it"
        );
        return Finding::warning(CHECK, says).next(set);
    }
    let told: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    Finding::well(CHECK, format!("{name} resolves to {}", told.join(", ")))
}

fn unresolved(one: &Resolved) -> Option<Finding> {
    let name = &one.name;
    match &one.addresses {
        Ok(addresses) if addresses.is_empty() => {
            Some(Finding::error(CHECK, format!("{name} has no address")))
        }
        Ok(_) => None,
        Err(why) => Some(Finding::error(
            CHECK,
            format!("{name} does not resolve: {why}"),
        )),
    }
}

/// Names that are every machine's own.
fn is_local(name: &str) -> bool {
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::finding::State::{self, Error, Skipped, Warning, Well};
    use super::*;

    fn resolved(name: &str, addresses: &[&str]) -> Resolved {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        Resolved {
            name: name.into(),
            addresses: Ok(addresses),
        }
    }

    fn states(facts: &Facts<'_>) -> Vec<State> {
        judge(facts).iter().map(|found| found.state).collect()
    }

    #[test]
    fn the_host_of_the_public_url_must_lead_to_the_server() {
        let unknown = Resolved {
            name: "fleet.example".into(),
            addresses: Err("no such name".into()),
        };
        for (host, state) in [
            (Some(resolved("fleet.example", &["192.0.2.1"])), Well),
            (Some(resolved("hub.lan", &["192.0.2.1"])), Well),
            (Some(resolved("192.0.2.1", &["192.0.2.1"])), Well),
            (Some(resolved("hub", &["192.0.2.1"])), Warning),
            (Some(resolved("fleet.example", &["127.0.1.1"])), Warning),
            (Some(resolved("localhost", &["::1"])), Warning),
            (Some(resolved("0.0.0.0", &["0.0.0.0"])), Error),
            (Some(resolved("fleet.example", &[])), Error),
            (Some(unknown), Error),
            (None, Error),
        ] {
            let facts = Facts {
                public_host: host,
                host_name: "hub",
                names: Vec::new(),
                is_dev: false,
            };
            assert_eq!(states(&facts), [state], "{facts:?}");
        }
    }

    #[test]
    fn other_names_are_told_if_they_lead_nowhere() {
        let mut facts = Facts {
            public_host: Some(resolved("a.example", &["192.0.2.1"])),
            host_name: "hub",
            names: vec![
                resolved("a.example", &[]),
                resolved("b.example", &[]),
                resolved("localhost", &[]),
                resolved("::1", &[]),
            ],
            is_dev: false,
        };
        assert_eq!(states(&facts), [Well, Error]);
        facts.is_dev = true;
        assert_eq!(states(&facts)[0], Skipped);
    }
}
