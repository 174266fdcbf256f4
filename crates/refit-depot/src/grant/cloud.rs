//! Grants that an object store makes itself: pre-signed URLs, and temporary credentials by STS.
//!
//! Both are of strength *time*: whoever holds them may read that one artifact until they expire (semantics 1). A URL is
//! signed here, from credentials in memory, without asking anybody. A temporary credential is asked for: AssumeRole
//! with a session policy that allows to read one key. The library has no such call, but it has the signature.

use crate::backend::Error;
use crate::backend::settings::S3;
use crate::backend::store::Store;
use crate::backend::trouble::{Trouble, between};
use crate::depot::Depot;
use futures_util::FutureExt;
use object_store::HeaderValue;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use std::fmt::{self, Write as _};
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest life of a pre-signed URL: seven days, in S3 and GCS alike.
pub const PRESIGNED_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The shortest session that STS gives, AWS and Ceph alike.
pub const SESSION_MIN: Duration = Duration::from_secs(900);

/// The longest session that STS gives; a role may allow less (an hour, unless it was set).
pub const SESSION_MAX: Duration = Duration::from_secs(43_200);

/// How long the name of a session may be, in bytes; it stands in the store's own log.
const NAME_BYTES_MAX: usize = 64;

/// The longest answer of STS that is looked at, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A credential that reads one artifact from an S3-compatible store, for a while.
#[derive(Clone)]
pub struct SessionCredential {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`; wiped when it is dropped.
    pub secret_access_key: Zeroizing<String>,
    /// `AWS_SESSION_TOKEN`; wiped when it is dropped.
    pub session_token: Zeroizing<String>,
    /// The first moment at which it is no longer good, by the clock that asked.
    pub expires: Timestamp,
    /// Where the store is, for devices.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The one key that can be read.
    pub key: String,
}

impl fmt::Debug for SessionCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SessionCredential");
        shown.field("access_key_id", &self.access_key_id);
        shown
            .field("expires", &self.expires)
            .field("key", &self.key);
        shown.finish_non_exhaustive()
    }
}

impl Depot {
    /// Tells whether artifacts lie in an object store, which can sign URLs itself.
    pub fn is_store(&self) -> bool {
        self.store().is_some()
    }

    /// Tells whether the store can give temporary credentials: it speaks S3, and there is a role.
    pub fn gives_sessions(&self) -> bool {
        self.store()
            .is_some_and(|store| store.s3.is_some() && store.settings.role.is_some())
    }

    /// Makes a URL of the object store by which whoever holds it can read the artifact for `lifetime`, at most
    /// [`PRESIGNED_MAX`]. `None` for a depot in a directory, whose grants are [`super::Grants`].
    ///
    /// Computes, and waits for nobody. A store whose signatures are made by asking it (GCS and Azure without a key) is
    /// an error.
    pub fn presign(&self, digest: &Digest, lifetime: Duration) -> Result<Option<String>, Error> {
        let Some(store) = self.store() else {
            return Ok(None);
        };
        let key = store.key(digest);
        let lifetime = lifetime.min(PRESIGNED_MAX);
        let signed = store.signer.signed_url(Method::GET, &key, lifetime);
        let signed = signed.now_or_never().ok_or_else(|| {
            Trouble::Setting(
                "a URL cannot be signed without asking the store: give Refit a key of its own (a service account's, or the account's)".into(),
            )
        });
        let signed = signed.and_then(|signed| signed.map_err(|error| Trouble::of(&error)));
        let url = signed.map_err(Error::store("sign a URL for", &key))?;
        Ok(Some(url.into()))
    }

    /// Asks STS for a credential that reads the artifact and nothing else, for `lifetime`, at least [`SESSION_MIN`] and
    /// at most [`SESSION_MAX`]. `device` names the session in the store's log. `None` for a depot that gives none.
    pub async fn session(
        &self,
        digest: &Digest,
        lifetime: Duration,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<Option<SessionCredential>, Error> {
        let Some(store) = self.store() else {
            return Ok(None);
        };
        let (Some(s3), Some(role)) = (&store.s3, &store.settings.role) else {
            return Ok(None);
        };
        let lifetime = lifetime.clamp(SESSION_MIN, SESSION_MAX);
        let key = store.key(digest).to_string();
        let form = form(role, &s3.bucket, &key, lifetime, device);
        let asked = ask(store, s3, &form).await;
        let got = asked.map_err(Error::store("get a temporary credential for", &key))?;
        Ok(Some(SessionCredential {
            access_key_id: got.access_key_id,
            secret_access_key: got.secret_access_key.into(),
            session_token: got.session_token.into(),
            expires: Timestamp(now.as_millis().saturating_add(lifetime.as_secs() * 1000)),
            endpoint: s3.endpoint.clone(),
            region: s3.region.clone(),
            bucket: s3.bucket.clone(),
            key,
        }))
    }
}

/// Asks, and again if it failed in passing.
async fn ask(store: &Store, s3: &S3, form: &str) -> Result<Credentials, Trouble> {
    let patience = store.settings.patience;
    let again = async {
        let mut pause = Duration::from_millis(100);
        let mut left = patience.retries;
        loop {
            match ask_once(s3, form).await {
                Err(trouble) if left > 0 && trouble.may_pass() => {
                    left -= 1;
                    tokio::time::sleep(pause).await;
                    pause *= 3;
                }
                answered => return answered,
            }
        }
    };
    let answered = tokio::time::timeout(patience.answer, again).await;
    answered.map_err(|_| Trouble::Slow(patience.answer))?
}

async fn ask_once(s3: &S3, form: &str) -> Result<Credentials, Trouble> {
    let url = s3
        .sts
        .parse()
        .map_err(|_| Trouble::Setting(format!("{:?} is not the URL of an STS endpoint", s3.sts)))?;
    let mut request = HttpRequest::new(HttpRequestBody::from(form.to_owned()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url;
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert("content-type", form_type);
    let credential = s3.credentials.last();
    let signed =
        AwsAuthorizer::new(&credential, "sts", &s3.region).try_authorize(&mut request, None);
    signed.map_err(|error| Trouble::of(&error))?;
    let unreachable = |error: object_store::client::HttpError| {
        let generic = object_store::Error::Generic {
            store: "STS",
            source: error.into(),
        };
        Trouble::of(&generic)
    };
    let answer = s3.http.execute(request).await.map_err(unreachable)?;
    let status = answer.status().as_u16();
    let body = answer.into_body().bytes().await.map_err(unreachable)?;
    let body = Zeroizing::new(
        String::from_utf8_lossy(&body[..body.len().min(ANSWER_BYTES_MAX)]).into_owned(),
    );
    understood(status, &body)
}

/// Reads the answer of STS.
fn understood(status: u16, body: &str) -> Result<Credentials, Trouble> {
    if status == 200 {
        let answer: Answer = quick_xml::de::from_str(body)
            .map_err(|_| Trouble::Sts("its answer cannot be read".into()))?;
        return Ok(answer.result.credentials);
    }
    let code = between(body, "<Code>", "</Code>").unwrap_or("no code");
    if status >= 500 {
        return Err(Trouble::Failing(format!("{status}, {code}")));
    }
    Err(Trouble::Sts(format!("{status}, {code}")))
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "AssumeRoleResult")]
    result: AssumeRole,
}

#[derive(Deserialize)]
struct AssumeRole {
    #[serde(rename = "Credentials")]
    credentials: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
}

/// Writes what is asked of STS (AssumeRole, version 2011-06-15).
fn form(role: &str, bucket: &str, key: &str, lifetime: Duration, device: &DeviceId) -> String {
    let fields = [
        ("Action", "AssumeRole".to_owned()),
        ("Version", "2011-06-15".to_owned()),
        ("RoleArn", role.to_owned()),
        ("RoleSessionName", session_name(device)),
        ("DurationSeconds", lifetime.as_secs().to_string()),
        ("Policy", policy(role, bucket, key)),
    ];
    let fields = fields.map(|(name, value)| [name, "=", &percent_encoded(&value)].concat());
    fields.join("&")
}

/// Allows to read one key. Written without a blank: Ceph does not read the `+` that a form has for it.
fn policy(role: &str, bucket: &str, key: &str) -> String {
    // Other partitions of AWS (China, GovCloud) have their own word in every ARN; the role's tells it.
    let partition = role.split(':').nth(1).filter(|word| !word.is_empty());
    let partition = partition.unwrap_or("aws");
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:{partition}:s3:::{bucket}/{key}"}}]}}"#
    )
}

/// Names a session after its device, within what STS takes: 2 to 64 of letters, digits and `_+=,.@-`.
fn session_name(device: &DeviceId) -> String {
    let name = device.as_str().bytes().map(|byte| match byte {
        b':' => ',',
        byte => char::from(byte),
    });
    // The prefix also makes a name of one letter long enough.
    let name: String = "refit-".chars().chain(name).collect();
    name[..name.len().min(NAME_BYTES_MAX)].to_owned()
}

/// Leaves what RFC 3986 §2.3 leaves, as a signature needs it too.
fn percent_encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            // Writing to a text cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/refit";

    #[test]
    fn the_policy_is_compact_and_of_the_roles_partition() {
        assert_eq!(
            policy(ROLE, "b", "p/depot/sha256/ab"),
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/p/depot/sha256/ab"}]}"#
        );
        for (role, partition) in [
            ("arn:aws-cn:iam::1:role/r", "arn:aws-cn:s3:::"),
            ("arn:aws:iam:::role/r", "arn:aws:s3:::"),
            ("r", "arn:aws:s3:::"),
        ] {
            assert!(policy(role, "b", "k").contains(partition), "{role}");
        }
    }

    #[test]
    fn the_form_is_encoded_without_a_plus() {
        let device = DeviceId::parse("lamp:7").unwrap();
        let form = form(ROLE, "b", "k", SESSION_MIN, &device);
        assert!(form.starts_with(
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Frefit&RoleSessionName=refit-lamp%2C7&DurationSeconds=900&Policy=%7B%22Version"
        ), "{form}");
        assert!(!form.contains(['+', ' ', '"']), "{form}");
    }

    #[test]
    fn the_answer_of_sts_is_read() {
        let body = r#"<?xml version="1.0" encoding="UTF-8"?><AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser><Credentials><AccessKeyId>AK</AccessKeyId><SecretAccessKey>S/+=</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2026-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"#;
        let got = understood(200, body).unwrap();
        assert_eq!(
            (
                got.access_key_id.as_str(),
                got.secret_access_key.as_str(),
                got.session_token.as_str()
            ),
            ("AK", "S/+=", "T")
        );
        assert!(matches!(understood(200, "<html>"), Err(Trouble::Sts(_))));
    }

    #[test]
    fn a_refusal_of_sts_says_what_to_look_at_and_a_failure_may_pass() {
        let refused = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>";
        let refused = understood(403, refused).err().unwrap();
        assert!(refused.to_string().contains("AccessDenied") && !refused.may_pass());
        assert!(refused.to_string().contains("trust"), "{refused}");
        assert!(understood(503, "").err().unwrap().may_pass());
    }

    #[test]
    fn a_credential_does_not_show_itself() {
        let credential = SessionCredential {
            access_key_id: "AK".into(),
            secret_access_key: String::from("hush").into(),
            session_token: String::from("hush").into(),
            expires: Timestamp(1),
            endpoint: "https://s3.example".into(),
            region: "r".into(),
            bucket: "b".into(),
            key: "k".into(),
        };
        assert!(!format!("{credential:?}").contains("hush"));
    }

    proptest! {
        #[test]
        fn every_device_has_a_session_name_that_sts_takes(id in "[A-Za-z0-9:_.-]{1,128}") {
            if let Ok(device) = DeviceId::parse(&id) {
                let name = session_name(&device);
                prop_assert!((2..=64).contains(&name.len()));
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)));
            }
        }
    }
}
