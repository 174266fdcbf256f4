//! Does the public URL give artifacts to whom it should, and to nobody else (semantics 2)?

use super::finding::Finding;

const CHECK: &str = "public-url";

/// What an attempt at the artifact came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// Bytes of it.
    Bytes,
    /// This status instead.
    Status(u16),
    /// Nothing, and why.
    Nothing(String),
}

/// The three attempts.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// Without a signature.
    pub(crate) bare: Got,
    /// With one that was altered.
    pub(crate) altered: Got,
    /// With a good one.
    pub(crate) signed: Got,
}

/// Judges them; a cache that answers everybody is the worst of it, so it is told first.
pub(crate) fn judge(url: &str, tried: &Tried) -> Vec<Finding> {
    let mut found = Vec::new();
    for (got, how) in [
        (&tried.bare, "without a signature"),
        (&tried.altered, "with a signature that is wrong"),
    ] {
        if *got == Got::Bytes {
            found.push(
                Finding::error(CHECK, format!("{url} gives an artifact {how}: anybody can download"))
                    .next("a cache or proxy answers from what it kept: let it pass the query, and keep nothing of /depot/"),
            );
        }
    }
    let finding = match &tried.signed {
        Got::Bytes if !found.is_empty() => None,
        Got::Bytes => Some(Finding::well(
            CHECK,
            format!("{url} gives an artifact to whoever has a grant, and to nobody else"),
        )),
        Got::Status(403) => Some(
            Finding::error(CHECK, format!("{url} refuses a good grant (403)"))
                .next("it leads to another server, or a proxy changes the query: let it pass as it is"),
        ),
        Got::Status(status) => Some(
            Finding::error(CHECK, format!("{url} answers a good grant with {status}"))
                .next("it leads to something else, or its path is not passed on: /depot/ must reach this server"),
        ),
        Got::Nothing(why) => Some(
            Finding::error(CHECK, format!("{url} cannot be reached: {why}"))
                .next("set public-url to the URL by which devices reach this server"),
        ),
    };
    found.extend(finding);
    found
}

/// Says why it was not tried.
pub(crate) fn untried(has_releases: bool) -> Finding {
    let why = if has_releases {
        "the token may not download; an operator's may"
    } else {
        "there is no release to try it with; add one, and ask again"
    };
    Finding::skipped(CHECK, why)
}

/// Takes a URL with a grant apart: without its query, and with the last letter of its signature changed.
pub(crate) fn spoilt(signed: &str) -> Option<(String, String)> {
    let (bare, query) = signed.split_once('?')?;
    let mut query: Vec<String> = query.split('&').map(str::to_owned).collect();
    // The longest value is the signature.
    let longest = query.iter_mut().max_by_key(|pair| pair.len())?;
    let middle = longest.len() / 2;
    let other = if longest.as_bytes().get(middle) == Some(&b'A') {
        "B"
    } else {
        "A"
    };
    longest.replace_range(middle..=middle, other);
    Some((bare.to_owned(), format!("{bare}?{}", query.join("&"))))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State::{self, Error, Well};
    use super::*;

    #[test]
    fn bytes_for_whoever_has_no_grant_are_an_error_and_none_for_one_who_has() {
        let (no, nothing) = (Got::Status(403), Got::Nothing("refused".into()));
        for (bare, altered, signed, states) in [
            (&no, &no, &Got::Bytes, vec![Well]),
            (&Got::Bytes, &no, &Got::Bytes, vec![Error]),
            (&no, &Got::Bytes, &Got::Bytes, vec![Error]),
            (&Got::Bytes, &Got::Bytes, &no, vec![Error; 3]),
            (&no, &no, &no, vec![Error]),
            (&no, &no, &Got::Status(404), vec![Error]),
            (&nothing, &nothing, &nothing, vec![Error]),
        ] {
            let tried = Tried {
                bare: bare.clone(),
                altered: altered.clone(),
                signed: signed.clone(),
            };
            let found: Vec<State> = judge("https://h", &tried).iter().map(|f| f.state).collect();
            assert_eq!(found, states, "{tried:?}");
        }
    }

    #[test]
    fn a_spoilt_url_differs_in_one_letter_of_its_signature() {
        let (bare, altered) = spoilt("https://h/d?e=1&s=AAAABBBB").unwrap();
        assert_eq!(bare, "https://h/d");
        assert_eq!(altered, "https://h/d?e=1&s=AAABBBBB");
        assert_eq!(spoilt("https://h/d"), None);
    }
}
