//! The credentials that Refit itself uses at an S3-compatible store: held in memory, so that signing never waits.
//!
//! Where they come from is asked again every half minute, away from whoever signs: temporary credentials of an
//! instance or a container are renewed in time, and a file that was replaced is read anew. If that fails, the last
//! ones stay, and the log says so.

use super::trouble::Trouble;
use futures_util::future::BoxFuture;
use object_store::CredentialProvider;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;

/// How often the source is asked.
const REFRESH: Duration = Duration::from_secs(30);

/// How long the source may take to answer.
const SOURCE_MAX: Duration = Duration::from_secs(15);

/// The largest credentials file, in bytes.
const FILE_BYTES_MAX: usize = 16 << 10;

/// Where credentials come from.
#[derive(Debug)]
pub(super) enum Source {
    /// What the library found: the environment, an instance, a container, a web identity.
    Found(AwsCredentialProvider),
    /// A file in the form of AWS's shared credentials.
    File(PathBuf),
}

impl Source {
    async fn ask(&self) -> Result<Arc<AwsCredential>, Trouble> {
        let asked = async {
            match self {
                Self::Found(provider) => provider
                    .get_credential()
                    .await
                    .map_err(|error| unusable(&Trouble::of(&error).to_string())),
                Self::File(path) => {
                    let path = path.clone();
                    let read = tokio::task::spawn_blocking(move || read(&path)).await;
                    read.map_err(|error| unusable(&error.to_string()))?
                        .map(Arc::new)
                }
            }
        };
        let asked = tokio::time::timeout(SOURCE_MAX, asked).await;
        asked.map_err(|_| unusable("their source does not answer"))?
    }
}

fn unusable(why: &str) -> Trouble {
    Trouble::Setting(format!(
        "credentials for the object store could not be had ({why}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a file with depot-credentials, or run where the machine has a role"
    ))
}

/// The last credentials that were had.
#[derive(Debug)]
pub(crate) struct Held {
    last: RwLock<Arc<AwsCredential>>,
}

impl Held {
    /// Asks the source once, and then again and again for as long as somebody holds the result.
    pub(super) async fn of(source: Source) -> Result<Arc<Self>, Trouble> {
        let last = RwLock::new(source.ask().await?);
        let held = Arc::new(Self { last });
        tokio::spawn(refresh(Arc::downgrade(&held), source));
        Ok(held)
    }

    /// Returns the credentials, at once.
    pub(crate) fn last(&self) -> Arc<AwsCredential> {
        // A holder of the lock does nothing that could panic; if one did, what it left is whole.
        let last = self.last.read();
        Arc::clone(&last.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn keep(&self, credential: Arc<AwsCredential>) {
        let last = self.last.write();
        *last.unwrap_or_else(std::sync::PoisonError::into_inner) = credential;
    }
}

async fn refresh(held: Weak<Held>, source: Source) {
    loop {
        tokio::time::sleep(REFRESH).await;
        let asked = source.ask().await;
        let Some(held) = held.upgrade() else { return };
        match asked {
            Ok(credential) => held.keep(credential),
            Err(trouble) => tracing::warn!("the last credentials are used on: {trouble}"),
        }
    }
}

impl CredentialProvider for Held {
    type Credential = AwsCredential;

    fn get_credential<'a, 'b>(
        &'a self,
    ) -> BoxFuture<'b, object_store::Result<Arc<Self::Credential>>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(Ok(self.last())))
    }
}

/// Reads a credentials file; it must be its owner's alone.
fn read(path: &Path) -> Result<AwsCredential, Trouble> {
    let wrong = |what: &str| Trouble::Setting(format!("{} {what}", path.display()));
    let metadata =
        std::fs::metadata(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(wrong("can be read by others: chmod 600 it"));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    parse(&text).ok_or_else(|| {
        wrong("holds no credentials: write aws_access_key_id = … and aws_secret_access_key = … under [default]")
    })
}

/// Reads the section `[default]`, or what stands before any section.
fn parse(text: &str) -> Option<AwsCredential> {
    if text.len() > FILE_BYTES_MAX {
        return None;
    }
    let (mut key_id, mut secret_key, mut token) = (None, None, None);
    let mut within = true;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            within = section.trim_end_matches(']').trim() == "default";
        } else if within && let Some((name, value)) = line.split_once('=') {
            let value = Some(value.trim().to_owned());
            match name.trim() {
                "aws_access_key_id" => key_id = value,
                "aws_secret_access_key" => secret_key = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    Some(AwsCredential {
        key_id: key_id?,
        secret_key: secret_key?,
        token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_section_counts_and_others_do_not() {
        let text = "[other]\naws_access_key_id = no\n[default]\n# a comment\naws_access_key_id = AK\n\
                    aws_secret_access_key=a/b=c\n[more]\naws_secret_access_key = no\n";
        let credential = parse(text).unwrap();
        assert_eq!(
            (credential.key_id.as_str(), credential.secret_key.as_str()),
            ("AK", "a/b=c")
        );
        assert!(credential.token.is_none());
        assert!(parse("aws_access_key_id = AK").is_none());
        assert!(parse("").is_none());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mode = |mode| std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode));
        std::fs::write(
            file.path(),
            "aws_access_key_id = a\naws_secret_access_key = b",
        )
        .unwrap();
        mode(0o640).unwrap();
        assert!(read(file.path()).unwrap_err().to_string().contains("chmod"));
        mode(0o600).unwrap();
        assert!(read(file.path()).is_ok());
    }

    #[test]
    fn credentials_do_not_show_themselves() {
        let credential =
            parse("aws_access_key_id = AK\naws_secret_access_key = hush-hush").unwrap();
        let held = Held {
            last: RwLock::new(Arc::new(credential)),
        };
        assert!(!format!("{held:?}").contains("hush"));
    }
}
