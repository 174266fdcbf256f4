//! What is answered to a message or a filter: a reason code, and why in words. One table.

use refit_packet::ReasonCode;
use refit_protocol::rejection::Code;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) reason: ReasonCode,
    pub(super) why: &'static str,
}

impl Verdict {
    pub(super) const GOOD: Self = Self::new(ReasonCode::SUCCESS, "");

    // Topics of messages.
    pub(super) const NO_SUCH_TOPIC: Self = Self::new(
        ReasonCode::TOPIC_NAME_INVALID,
        "there is no such topic; publish to state/{device ID}/update or state/{device ID}/get",
    );
    pub(super) const FOREIGN_TOPIC: Self = Self::new(
        ReasonCode::NOT_AUTHORIZED,
        "a device publishes under its own ID only",
    );
    pub(super) const NOT_ALLOWED_TO_WRITE: Self = Self::new(
        ReasonCode::NOT_AUTHORIZED,
        "this token may desire nothing of this device",
    );
    pub(super) const NOT_ALLOWED_TO_ASK: Self = Self::new(
        ReasonCode::NOT_AUTHORIZED,
        "this token may not see this device",
    );
    pub(super) const OUR_TOPIC: Self = Self::new(
        ReasonCode::NOT_AUTHORIZED,
        "only the server publishes there; publish to state/{device ID}/update",
    );

    // Filters.
    pub(super) const FOREIGN_FILTER: Self = Self::new(
        ReasonCode::NOT_AUTHORIZED,
        "a device subscribes within state/{its own ID}/ only",
    );
    pub(super) const NOT_ALLOWED_TO_WATCH: Self = Self::new(
        ReasonCode::NOT_AUTHORIZED,
        "this token may not follow what happens there",
    );
    pub(super) const BARREN_FILTER: Self = Self::new(
        ReasonCode::TOPIC_FILTER_INVALID,
        "nothing is published there; subscribe to state/+/update/accepted, rejected or delta",
    );
    pub(super) const SHARED: Self = Self::new(
        ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
        "shared subscriptions are not available",
    );
    pub(super) const TOO_MANY_FILTERS: Self =
        Self::new(ReasonCode::QUOTA_EXCEEDED, "too many subscriptions");

    const fn new(reason: ReasonCode, why: &'static str) -> Self {
        Self { reason, why }
    }

    /// What the engine decided (semantics 37). The whole answer is on `update/rejected`.
    pub(super) const fn of(refused: Option<Code>) -> Self {
        let Some(code) = refused else {
            return Self::GOOD;
        };
        let why = match code {
            Code::Malformed => "400 not an update; see rejected",
            Code::Unauthenticated => "401 not authenticated; see rejected",
            Code::Forbidden => "403 not allowed; see rejected",
            Code::NotFound => "404 no such device; see rejected",
            Code::Conflict => "409 not the current version or job; see rejected",
            Code::TooLarge => "413 too large; see rejected",
            Code::Unprocessable => "422 no such release for this device; see rejected",
            Code::TooMany => "429 too often, say it again in a second; see rejected",
            Code::Internal => "500 the server failed; see rejected",
            Code::Unavailable => "503 could not be stored, say it again later; see rejected",
        };
        Self::new(reason_of(code), why)
    }
}

/// The reason code with the byte of [`Code::mqtt_reason`].
const fn reason_of(code: Code) -> ReasonCode {
    match code.mqtt_reason() {
        0x87 => ReasonCode::NOT_AUTHORIZED,
        0x97 => ReasonCode::QUOTA_EXCEEDED,
        0x99 => ReasonCode::PAYLOAD_FORMAT_INVALID,
        _ => ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_reason_of_the_one_table() {
        for code in [
            Code::Malformed,
            Code::Unauthenticated,
            Code::Forbidden,
            Code::NotFound,
            Code::Conflict,
            Code::TooLarge,
            Code::Unprocessable,
            Code::TooMany,
            Code::Internal,
            Code::Unavailable,
        ] {
            let verdict = Verdict::of(Some(code));
            assert_eq!(verdict.reason.byte(), code.mqtt_reason());
            assert!(verdict.why.starts_with(&code.number().to_string()));
        }
    }
}
