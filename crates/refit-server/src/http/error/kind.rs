//! The one table of problems: status, stable code, title, and what to do.

use axum::http::StatusCode;
use refit_protocol::rejection::Code;

/// Where the documentation of a code is: `type` of a problem is this and the code. It stays, wherever the pages move.
pub(super) const PAGES: &str = "https://refit.dev/problems/";

macro_rules! table {
    ($($kind:ident $status:literal $code:literal $title:literal $about:literal;)*) => {
        /// What kind of problem it is. The code is for programs and stays; the title is for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind,)* }

        impl Kind {
            pub(super) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns status, code and title.
            pub(super) const fn row(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$kind => ($status, $code, $title),)* }
            }

            /// Says when it comes, and what to do.
            const fn about(self) -> &'static str {
                match self { $(Self::$kind => $about,)* }
            }
        }
    };
}

#[rustfmt::skip] // It is a table, in the order of the status.
table! {
    BadRequest 400 "bad_request" "The request is not understood"
        "A header, the path or the request line cannot be read. `detail` names it; the same request will be refused again.";
    BadQuery 400 "bad_query" "The query is not understood"
        "A parameter is unknown here, or has a value that is not taken; `errors` names each by `parameter`. Nothing is ignored, so that a misspelt `dryRun` changes nothing.";
    BadCursor 400 "bad_cursor" "The cursor is not one of this list"
        "`reason` says why: `altered`, `other_filter` (cursors are good for their list and filter alone) or `removed`. Use `nextCursor` of the page before as it is, or begin anew without one.";
    BadSelector 400 "bad_selector" "The selector is not understood"
        "`position` says where it is wrong, as `offset` and `length` in bytes, and `suggestion` what to write there instead, if there is a guess. A list that it names and that is not there is told in `list`.";
    BadBody 400 "bad_body" "The body is not understood"
        "It is no JSON object, has a key twice, nests too deep, holds an integer beyond 2^53, or was cut short.";
    BadDeviceId 400 "bad_device_id" "This is not a device ID"
        "A device ID has 1 to 128 of `A-Z a-z 0-9 : _ . -`.";
    BadCsr 400 "bad_csr" "The signing request is not taken"
        "It cannot be read, is not signed by its own key, or its key is of a kind that is not taken.";
    Unauthenticated 401 "unauthenticated" "A valid token is needed"
        "Send `Authorization: Bearer` with a token that is neither revoked nor expired, or sign in.";
    CertificateNeeded 401 "certificate_needed" "The device's certificate is needed"
        "This is for devices, which show their certificate in the TLS handshake.";
    Forbidden 403 "forbidden" "This is not allowed"
        "It is known who asks, and their role or scope does not have the `operation`. Ask an admin for a token that does.";
    GrantRefused 403 "grant_refused" "The download is not granted"
        "The URL has expired, was altered, or is bound to another address or device. A device asks for its delta again, and gets a fresh one.";
    EnrolmentRefused 403 "enrolment_refused" "The device is not enrolled"
        "The claim token is unknown, used up, revoked, expired, or not for this ID.";
    DeviceBarred 403 "device_barred" "The device is not let in"
        "It was revoked, retired, or is held as cloned. `refit device re-enrol` lets it enrol with a new key.";
    NotFound 404 "not_found" "There is nothing here"
        "No resource has this path. The API is at `/api/v1`, described by `/api/v1/openapi.json`.";
    NoDevice 404 "device_not_found" "There is no such device"
        "It never connected and nothing was ever desired of it, it was removed, or it is outside of the token's scope.";
    NoJob 404 "job_not_found" "There is no such job"
        "No job has this ID, or its device is outside of the token's scope.";
    NoRelease 404 "release_not_found" "There is no such release"
        "No release has this name and version: it was never added, or was removed.";
    NoList 404 "list_not_found" "There is no such list"
        "No list of IDs of this name was uploaded, or it was removed.";
    NoArtifact 404 "artifact_not_found" "There is no such artifact"
        "The depot has no bytes of this digest: their last release was removed.";
    NoRollout 404 "rollout_not_found" "There is no such rollout"
        "No rollout has this name.";
    NoToken 404 "token_not_found" "There is no such token"
        "No token that is good has this ID.";
    NoUser 404 "user_not_found" "There is no such user"
        "No user has this name.";
    MethodNotAllowed 405 "method_not_allowed" "The method is not for this"
        "The resource is there and does not take the method; the header `Allow` lists those that it takes.";
    TooSlow 408 "too_slow" "The request did not arrive in time"
        "The body stood still, or came too slowly. Nothing was changed; send it again.";
    Conflict 409 "conflict" "It is not in the state for this"
        "The request is right, and does not fit what is there now, as to cancel where no job is open. Read the record, then decide.";
    DevicesLeft 409 "devices_left" "Devices are not ready for it"
        "A step to another CA would lock devices out; how many is told beside. Wait until they have moved, or leave them behind with `force`.";
    DeviceHasKey 409 "device_has_key" "The device has a key"
        "Its ID is enrolled with another key. An operator allows a new one: `refit device re-enrol`.";
    Taken 409 "name_taken" "The name is taken"
        "Choose another name, or remove what has it.";
    ReleaseExists 409 "release_exists" "The release has other bytes"
        "A release never changes. Add the new bytes under another version.";
    ReleaseDesired 409 "release_desired" "A device desires the release"
        "`devices` says how many, `deviceID` names one. Desire another release of them first.";
    KeyInUse 409 "idempotency_key_in_use" "A request with this key is under way"
        "The first request with this `Idempotency-Key` has not been answered yet. Ask again after `Retry-After`.";
    EventsGone 410 "events_gone" "These events are no longer kept"
        "Read the state anew, then follow from `newest`, or without an ID.";
    VersionConflict 412 "version_conflict" "The record has another version"
        "Somebody was faster. Read the record, then send its ETag in `If-Match`.";
    TooLarge 413 "too_large" "It is too large"
        "The body, or the state that it would make, is larger than is taken; `detail` says how much is.";
    MediaType 415 "media_type" "The body has another type than is taken"
        "Send `application/json`, or what `detail` names.";
    OutOfRange 416 "out_of_range" "The range lies past the end"
        "The header `Content-Range` says how long the artifact is.";
    DigestDiffers 422 "digest_differs" "Other bytes came than were announced"
        "The body does not have the SHA-256 of `Content-Digest`. Nothing was kept; send it again.";
    Unprocessable 422 "unprocessable" "This cannot be done"
        "The body is JSON, and a field of it is unknown, missing, of another type or out of its range: `errors` says which.";
    BadPlan 422 "bad_plan" "The plan cannot be run"
        "It is contradictory, or asks for what this server does not do yet: `errors` says all of it. `POST /api/v1/rollouts:plan` looks at a plan and starts nothing.";
    UnknownRelease 422 "unknown_release" "There is no such release to desire"
        "Add the release first, or correct its name or version.";
    KeyReused 422 "idempotency_key_reused" "The key was used for another request"
        "Use a new `Idempotency-Key` for each change, and the same only to ask for the same again.";
    PreconditionRequired 428 "precondition_required" "If-Match is needed"
        "Send `If-Match` with the ETag of the record as you read it, or with `*` if any version will do.";
    TooMany 429 "too_many" "There is too much at a time"
        "Wait as `Retry-After` says. `RateLimit` says how much is left where it is a pace.";
    Internal 500 "internal" "Refit failed"
        "The log of the server says more, under the request's ID. Please report it.";
    Unavailable 503 "unavailable" "It cannot be done now"
        "The server is stopping, busy, or waits for something. If there is a `Retry-After`, try again then.";
    DiskFull 507 "disk_full" "The disk is full"
        "Nothing was stored. Make room in the data directory, or where the depot is, and try again.";
}

impl Kind {
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the kind that a refusal of the engine is.
    pub(crate) const fn of_code(code: Code) -> Self {
        match code {
            Code::Malformed => Self::BadBody,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::Forbidden => Self::Forbidden,
            Code::NotFound => Self::NoDevice,
            Code::Conflict => Self::Conflict,
            Code::TooLarge => Self::TooLarge,
            Code::Unprocessable => Self::Unprocessable,
            Code::TooMany => Self::TooMany,
            Code::Internal => Self::Internal,
            Code::Unavailable => Self::Unavailable,
        }
    }

    /// Returns the kind for what a framework refused by itself.
    pub(super) const fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::TooSlow,
            409 => Self::Conflict,
            412 => Self::VersionConflict,
            413 => Self::TooLarge,
            415 => Self::MediaType,
            416 => Self::OutOfRange,
            422 => Self::Unprocessable,
            428 => Self::PreconditionRequired,
            429 => Self::TooMany,
            503 => Self::Unavailable,
            507 => Self::DiskFull,
            400..500 => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

/// Writes the page of the reference: what a problem holds, and a section for each code, which its `type` leads to.
pub(in crate::http) fn page() -> String {
    let mut page = format!(
        "# Problems of the HTTP API\n\n\
         Every answer that is not a success is a problem document (RFC 9457, `application/problem+json`):\n\n\
         - `code` is for programs, and stays.\n\
         - `type` is `{PAGES}` and the code: its section here. It stays; the server itself serves no such page.\n\
         - `detail` says what is wrong with this request and what to do next.\n\
         - `errors` is there where fields or parameters are wrong, with one entry for each. `pointer` is the place in the \
         body (JSON Pointer, RFC 6901), `parameter` the name in the query; `code` is one of those below; `detail` is for \
         people. No value of the request is repeated: it may be a secret.\n\
         - `instance` names the request as the log of the server does, and as the header `X-Request-ID` of the answer.\n\n\
         | `code` of an entry of `errors` | what it is |\n| --- | --- |\n"
    );
    for code in super::FieldCode::ALL {
        page = format!("{page}| `{}` | {} |\n", code.as_str(), code.what());
    }
    for kind in Kind::ALL {
        let ((status, code, title), about) = (kind.row(), kind.about());
        page = format!("{page}\n## {code}\n\n{status}. {title}. {about}\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_unique_and_in_the_order_of_their_status() {
        let mut codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.row().1).collect();
        assert!(
            codes
                .iter()
                .all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().is_sorted_by_key(|kind| kind.row().0));
    }

    #[test]
    fn what_the_engine_refuses_keeps_its_number() {
        use Code::{Conflict, Forbidden, Internal, Malformed, NotFound, TooLarge, TooMany};
        use Code::{Unauthenticated, Unavailable, Unprocessable};
        for code in [
            Malformed,
            Unauthenticated,
            Forbidden,
            NotFound,
            Conflict,
            TooLarge,
            Unprocessable,
            TooMany,
            Internal,
            Unavailable,
        ] {
            assert_eq!(Kind::of_code(code).status().as_u16(), code.number());
        }
    }
}
