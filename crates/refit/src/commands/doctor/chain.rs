//! Does a device get through? What the server shows must lead to what devices trust, cover its name, and last.

use refit_identity::validity::DAY_MS;
use refit_protocol::time::Timestamp;

use super::finding::{Finding, State};

/// Before its end a certificate is spoken of, in days: a hint, a warning, and an error.
const NOTICE_DAYS: u64 = 90;
const WARNING_DAYS: u64 = 30;
const ERROR_DAYS: u64 = 7;

/// What came of a handshake in which only what devices trust was trusted.
#[derive(Clone, Debug)]
pub(crate) enum Shaken {
    /// It was verified.
    Trusted,
    /// It was not, and why.
    Refused(String),
    /// There was none, and why.
    Unreachable(String),
}

/// One door of the server.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// `https` or `mqtts`: the check.
    pub(crate) check: &'static str,
    /// Host and port.
    pub(crate) at: String,
    pub(crate) shaken: Shaken,
}

/// A certificate, and when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) what: What,
    pub(crate) not_after: Timestamp,
}

/// Whose certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Server,
    Issuer,
    Root,
}

/// Judges whether a device is let through one door.
pub(crate) fn reached(facts: &Facts) -> Finding {
    let (check, at) = (facts.check, &facts.at);
    match &facts.shaken {
        Shaken::Trusted => Finding::well(
            check,
            format!("{at} shows a certificate that devices trust"),
        ),
        Shaken::Refused(why) => {
            let says = format!("devices refuse what {at} shows: {why}");
            Finding::error(check, says).next(
                "the certificate must name this host (--name), be in force, and lead to a root of `refit ca status`; \
                 one's own is [tls] of the configuration",
            )
        }
        Shaken::Unreachable(why) => Finding::error(
            check,
            format!("{at} cannot be reached as devices do: {why}"),
        )
        .next("let the port through the firewall, and set public-url to a name that leads here"),
    }
}

/// Judges how long a certificate lasts.
pub(crate) fn lasts(ends: Ends, now: Timestamp) -> Finding {
    let (check, name, next) = match ends.what {
        What::Server => (
            "certificate",
            "the server's certificate",
            "Refit renews its own a month before its end: look into its log; one's own is put into the files of [tls]",
        ),
        What::Issuer => (
            "issuer",
            "the issuer's certificate",
            "begin the change to another CA: `refit ca rotate`, then `switch` and `finish` once devices have moved (docs/guide/identity.md)",
        ),
        What::Root => (
            "root",
            "the root that devices trust",
            "begin the change to another CA now with `refit ca rotate`: each device has to be heard before the switch",
        ),
    };
    let (now, end) = (now.as_millis(), ends.not_after.as_millis());
    let Some(left) = end.checked_sub(now).map(|left| left / DAY_MS) else {
        let ago = (now - end) / DAY_MS;
        return Finding::error(check, format!("{name} expired {ago} days ago")).next(next);
    };
    let says = format!("{name} is good for {left} days");
    match state(ends.what, left) {
        State::Error => Finding::error(check, says).next(next),
        State::Warning => Finding::warning(check, says).next(next),
        State::Well | State::Skipped => Finding::well(check, says),
    }
}

/// A server's own certificate lives for 90 days and is renewed after 60: 30 days are its everyday, and only less says
/// that something does not work.
const fn state(what: What, left: u64) -> State {
    let notice = match what {
        What::Server => WARNING_DAYS,
        What::Issuer | What::Root => NOTICE_DAYS,
    };
    if left < ERROR_DAYS {
        State::Error
    } else if left < notice {
        State::Warning
    } else {
        State::Well
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Error, Warning, Well};

    #[test]
    fn an_end_that_is_near_is_told_before_it_comes() {
        const NOW: u64 = 1_795_534_220_000;
        for (what, days, state) in [
            (What::Server, 60, Well),
            (What::Server, 30, Well),
            (What::Server, 29, Warning),
            (What::Server, 7, Warning),
            (What::Server, 6, Error),
            (What::Server, -1, Error),
            (What::Issuer, 90, Well),
            (What::Issuer, 89, Warning),
            (What::Root, 30, Warning),
            (What::Root, 6, Error),
            (What::Root, -400, Error),
        ] {
            let end = NOW.saturating_add_signed(days * DAY_MS as i64);
            let ends = Ends {
                what,
                not_after: Timestamp(end),
            };
            let found = lasts(ends, Timestamp(NOW));
            assert_eq!(found.state, state, "{what:?} {days}: {found:?}");
            assert_eq!(found.next.is_none(), state == Well);
            if let (What::Issuer | What::Root, Some(next)) = (what, found.next) {
                assert!(next.contains("`refit ca rotate`"), "{next}");
            }
        }
    }

    #[test]
    fn a_device_that_is_not_let_through_is_an_error() {
        let of = |shaken| {
            let at = "fleet.example:8443".into();
            reached(&Facts {
                check: "https",
                at,
                shaken,
            })
        };
        assert_eq!(of(Shaken::Trusted).state, Well);
        let refused = of(Shaken::Refused("unknown issuer".into()));
        assert_eq!(refused.state, Error);
        assert!(refused.says.contains("unknown issuer"));
        assert_eq!(of(Shaken::Unreachable("refused".into())).state, Error);
    }
}
