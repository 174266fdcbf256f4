//! What can be wrong with an object store, in words for the one who must act.
//!
//! A store says what is wrong by a status and a code in XML; the library gives both as text. Here they become one of
//! few kinds. No answer of a store is passed on whole: it may hold what was signed.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

/// How much of a store's own words is passed on, in bytes.
const SAID_BYTES_MAX: usize = 200;

/// What is wrong with an object store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection, or one that was cut.
    #[error(
        "the object store cannot be reached ({0}): look at the endpoint, the network and the store itself"
    )]
    Unreachable(String),
    /// An answer did not come in time.
    #[error(
        "the object store did not answer within {} s: look at the store and the network to it", .0.as_secs()
    )]
    Slow(Duration),
    /// The store answered that it cannot do it now (5xx), also when asked again.
    #[error("the object store failed ({0}): look at the store; nothing is lost, try again")]
    Failing(String),
    /// It does not know the key, or the signature is wrong, or the clock.
    #[error(
        "the object store does not accept the credentials ({0}): look at access key, secret, region and clock"
    )]
    Unauthenticated(String),
    /// It knows who asks, and does not allow it.
    #[error(
        "the object store does not allow it ({0}): the credentials need to list, read, write and delete under the prefix; some stores also say this of a wrong access key or secret"
    )]
    Denied(String),
    /// There is no such bucket.
    #[error(
        "there is no such bucket in the object store: make it, or look at the name and the region"
    )]
    NoBucket,
    /// A quota is used up.
    #[error("there is no room in the object store ({0}): raise the quota, or remove releases")]
    Full(String),
    /// It has another number of bytes than it was given, or than it said.
    #[error(
        "the object store has {got} bytes where there should be {expected}: something between Refit and the store, or in it, alters artifacts"
    )]
    WrongLength {
        /// How many there should be.
        expected: u64,
        /// How many there are.
        got: u64,
    },
    /// It gave other bytes than it was given.
    #[error(
        "the object store gives other bytes than it was given: something between Refit and the store, or in it, alters artifacts"
    )]
    WrongBytes,
    /// What was there is gone, or was replaced from outside.
    #[error("the artifact was removed or replaced in the object store meanwhile")]
    Gone,
    /// STS gave no temporary credential.
    #[error(
        "the object store's STS gave no temporary credential ({0}): look at the role's ARN, whether its trust policy names Refit's user, and its longest session"
    )]
    Sts(String),
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
}

impl Trouble {
    /// Tells whether it may pass by itself: the same again later may end well.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Slow(_) | Self::Failing(_)
        )
    }

    /// Reads what the library says.
    pub(crate) fn of(error: &object_store::Error) -> Self {
        let all = chain(error);
        let code = between(&all, "<Code>", "</Code>");
        let said = code.map_or_else(|| shortened(&all), str::to_owned);
        match code {
            Some("NoSuchBucket") => return Self::NoBucket,
            Some("NoSuchKey") => return Self::Gone,
            Some("QuotaExceeded" | "EntityTooLarge") => return Self::Full(said),
            Some("AccessDenied" | "AllAccessDisabled" | "AccountProblem") => {
                return Self::Denied(said);
            }
            Some(
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "RequestTimeTooSkewed"
                | "InvalidToken"
                | "ExpiredToken"
                | "AuthorizationHeaderMalformed",
            ) => return Self::Unauthenticated(said),
            _ => {}
        }
        match error {
            object_store::Error::NotFound { .. } | object_store::Error::Precondition { .. } => {
                Self::Gone
            }
            object_store::Error::PermissionDenied { .. } => Self::Denied(said),
            object_store::Error::Unauthenticated { .. } => Self::Unauthenticated(said),
            _ if ["status code: ", "server error", "Got invalid"]
                .iter()
                .any(|mark| all.contains(mark)) =>
            {
                Self::Failing(said)
            }
            _ => Self::Unreachable(said),
        }
    }
}

/// Writes an error and what lies beneath it, each once.
fn chain(error: &object_store::Error) -> String {
    let mut all = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !all.contains(&text) {
            let _ = write!(all, ": {text}");
        }
        next = source.source();
    }
    all
}

/// The innermost words, cut before any query, which might hold a signature.
fn shortened(all: &str) -> String {
    let last = all.rsplit(" - ").next().unwrap_or(all);
    let cut = last.split(['?', '<', '\n']).next().unwrap_or_default();
    let mut end = cut.len().min(SAID_BYTES_MAX);
    while !cut.is_char_boundary(end) {
        end -= 1;
    }
    cut[..end].trim_end_matches([' ', ':', '(']).to_owned()
}

/// Returns what stands between two marks.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    #[test]
    fn a_code_in_the_answer_says_what_is_wrong() {
        for (code, wanted) in [
            ("NoSuchBucket", Trouble::NoBucket),
            ("NoSuchKey", Trouble::Gone),
            ("AccessDenied", Trouble::Denied("AccessDenied".into())),
            (
                "SignatureDoesNotMatch",
                Trouble::Unauthenticated("SignatureDoesNotMatch".into()),
            ),
            ("QuotaExceeded", Trouble::Full("QuotaExceeded".into())),
            ("SlowDown", Trouble::Failing("SlowDown".into())),
        ] {
            let error = generic(&format!(
                "Server returned non-2xx status code: 403: <Error><Code>{code}</Code><StringToSign>x</StringToSign></Error>"
            ));
            assert_eq!(Trouble::of(&error), wanted);
        }
    }

    #[test]
    fn without_a_code_it_is_the_network() {
        let error = generic("error sending request for url (http://h/b?X-Amz-Signature=abc)");
        let trouble = Trouble::of(&error);
        assert!(matches!(&trouble, Trouble::Unreachable(_)) && trouble.may_pass());
        assert!(!trouble.to_string().contains("abc"), "{trouble}");
    }

    #[test]
    fn what_a_store_says_is_cut_short() {
        let trouble = Trouble::of(&generic(&"ü".repeat(10_000)));
        assert!(trouble.to_string().len() < 400);
    }
}
