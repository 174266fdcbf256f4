//! Is the server well? What `/readyz` says: one line for each thing that must be so.

use refit_store::store::Health;

/// One thing that must be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) is_well: bool,
    pub(crate) says: String,
}

/// Looks at everything. `certificate` is what is wrong with the files of the server's certificate: an older one is shown
/// then, which is no reason to send nobody here any more. `None`: there is none.
pub(crate) fn checks(
    store: &Health,
    is_stopping: bool,
    certificate: Option<Result<(), String>>,
) -> Vec<Check> {
    let (is_well, says) = match store {
        Health::Healthy => (true, "writes work".to_owned()),
        Health::Full => (
            false,
            "the disk is full: nothing is acknowledged until there is room in the data directory"
                .to_owned(),
        ),
        Health::Broken(why) => (false, format!("it has stopped: {why}")),
    };
    let serving = if is_stopping {
        "it is stopping"
    } else {
        "requests and devices are taken"
    };
    let mut checks = vec![
        Check {
            name: "store",
            is_well,
            says,
        },
        Check {
            name: "serving",
            is_well: !is_stopping,
            says: serving.into(),
        },
    ];
    checks.extend(certificate.map(|certificate| Check {
        name: "certificate",
        is_well: true,
        says: match certificate {
            Ok(()) => "it is the one in its files".into(),
            Err(fault) => format!("an older one is shown: {fault}"),
        },
    }));
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_or_broken_store_and_a_stopping_server_are_not_ready() {
        let well = |health: Health, stopping| {
            checks(&health, stopping, Some(Err("it is missing".into())))
                .iter()
                .all(|c| c.is_well)
        };
        assert!(well(Health::Healthy, false));
        assert!(!well(Health::Healthy, true));
        assert!(!well(Health::Full, false));
        assert!(!well(Health::Broken("an I/O error".into()), false));
    }
}
