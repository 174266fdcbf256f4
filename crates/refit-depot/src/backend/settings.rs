//! What an operator says of an object store, and the library's clients that come of it.
//!
//! Three clients over the same credentials: one that reads, with short deadlines; one that writes, which may take as
//! long as a part takes over a slow line; and one that only signs, for the name by which devices reach the store.

use super::credentials::{Held, Source};
use super::trouble::Trouble;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What an operator says of an object store.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`; the prefix may be missing.
    pub url: String,
    /// S3: where the store is, if it is not AWS: `https://host:port`.
    pub endpoint: Option<String>,
    /// S3: the endpoint as devices reach it, if that is another name; their URLs are signed for it.
    pub public_endpoint: Option<String>,
    /// S3: the region; `None`: that of the environment, or `us-east-1`.
    pub region: Option<String>,
    /// S3: whether the bucket stands in the path and not in the host; `None`: with an endpoint of one's own it does.
    pub path_style: Option<bool>,
    /// A file with credentials (S3: AWS's shared credentials; GCS: a service account's key); `None`: what the
    /// environment, the instance or the container offers.
    pub credentials: Option<PathBuf>,
    /// S3: the ARN of the role that temporary credentials for devices are those of; `None`: there are none.
    pub role: Option<String>,
    /// S3: where STS is; `None`: at the endpoint, or at AWS's of the region.
    pub sts_endpoint: Option<String>,
    /// How long things may take.
    pub patience: Patience,
}

/// How long an object store may take, and how often it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// One request that reads, and one that only says something.
    pub request: Duration,
    /// The same with all its repetitions.
    pub answer: Duration,
    /// The writing of one part with all its repetitions.
    pub part: Duration,
    /// How often a request that failed in passing is made again.
    pub retries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(10),
            answer: Duration::from_secs(25),
            part: Duration::from_secs(180),
            retries: 3,
        }
    }
}

/// How soon a connection must stand.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The clients of one store.
pub(super) struct Clients {
    pub(super) reader: Arc<dyn ObjectStore>,
    pub(super) writer: Arc<dyn ObjectStore>,
    pub(super) signer: Arc<dyn Signer>,
    /// What only an S3-compatible store has.
    pub(super) s3: Option<S3>,
}

/// What a temporary credential needs to know of the store.
pub(crate) struct S3 {
    pub(crate) credentials: Arc<Held>,
    pub(crate) bucket: String,
    pub(crate) region: String,
    /// As devices reach it.
    pub(crate) endpoint: String,
    pub(crate) sts: String,
    pub(crate) http: HttpClient,
}

/// A store's URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    scheme: &'a str,
    bucket: &'a str,
    prefix: &'a str,
}

impl Settings {
    fn place(&self) -> Result<Place<'_>, Trouble> {
        let wrong = || {
            Trouble::Setting(format!(
                "{:?} is not the URL of an object store: write s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
                self.url
            ))
        };
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let usable = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'/');
        let known = matches!(scheme, "s3" | "gs" | "az");
        if !known || bucket.is_empty() || !rest.bytes().all(usable) || prefix.contains("//") {
            return Err(wrong());
        }
        let prefix = prefix.trim_end_matches('/');
        Ok(Place {
            scheme,
            bucket,
            prefix,
        })
    }

    /// Tells whether the URL can be read at all, before anything is opened.
    pub fn check(&self) -> Result<(), Trouble> {
        self.place().map(drop)
    }

    /// Returns where artifacts lie: `prefix/depot/sha256`. So the URL of an object ends as every URL of a depot does,
    /// and is known by its digest (semantics 31).
    pub(super) fn shelf(&self) -> Result<Path, Trouble> {
        let prefix = self.place()?.prefix;
        Path::parse(prefix)
            .map(|prefix| prefix.join("depot").join("sha256"))
            .map_err(|error| Trouble::Setting(error.to_string()))
    }

    pub(super) async fn clients(&self) -> Result<Clients, Trouble> {
        // The HTTP client takes the process's cryptography; whoever chose one before is not overruled.
        drop(rustls::crypto::ring::default_provider().install_default());
        let place = self.place()?;
        match place.scheme {
            "s3" => self.s3(place.bucket).await,
            "gs" => self.gcs(),
            _ => self.azure(),
        }
    }

    async fn s3(&self, bucket: &str) -> Result<Clients, Trouble> {
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        let region = builder
            .get_config_value(&AmazonS3ConfigKey::Region)
            .unwrap_or_else(|| "us-east-1".into());
        let from_environment = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key));
        let endpoint = self.endpoint.clone().or(from_environment);
        let path_style = self
            .path_style
            .unwrap_or_else(|| endpoint.is_some() || bucket.contains('.'));
        let at = |builder: AmazonS3Builder, endpoint: Option<&str>| {
            let builder = builder.with_virtual_hosted_style_request(!path_style);
            match endpoint {
                None => builder,
                Some(endpoint) => builder.with_config(
                    // The one that no variable of the environment overrules.
                    AmazonS3ConfigKey::S3Endpoint,
                    hosted(endpoint, bucket, path_style),
                ),
            }
        };
        let source = match &self.credentials {
            Some(file) => Source::File(file.clone()),
            None => Source::Found(Arc::clone(
                built(at(builder.clone(), endpoint.as_deref()), &self.reading())?.credentials(),
            )),
        };
        let credentials = Held::of(source).await?;
        builder = builder.with_credentials(Arc::clone(&credentials) as _);
        let here = at(builder.clone(), endpoint.as_deref());
        let public = self.public_endpoint.as_ref().or(endpoint.as_ref());
        let there = at(builder, public.map(String::as_str));
        let sts = self.sts_endpoint.as_ref().or(endpoint.as_ref());
        let plain = sts.is_some_and(|sts| sts.starts_with("http://"));
        let options = self.reading().0.with_allow_http(plain);
        let http = ReqwestConnector::default().connect(&options);
        let http = http.map_err(|error| setting(&error))?;
        let aws = |service: &str| format!("https://{service}.{region}.amazonaws.com");
        Ok(Clients {
            reader: Arc::new(built(here.clone(), &self.reading())?),
            writer: Arc::new(built(here, &self.writing())?),
            signer: Arc::new(built(there, &self.reading())?),
            s3: Some(S3 {
                credentials,
                bucket: bucket.into(),
                endpoint: public.cloned().unwrap_or_else(|| aws("s3")),
                sts: sts.cloned().unwrap_or_else(|| aws("sts")),
                region,
                http,
            }),
        })
    }

    fn gcs(&self) -> Result<Clients, Trouble> {
        let builder = |(options, retry): (ClientOptions, RetryConfig)| {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_url(&self.url);
            if let Some(file) = &self.credentials {
                builder = builder.with_service_account_path(file.display().to_string());
            }
            let builder = builder.with_client_options(options).with_retry(retry);
            builder.build().map(Arc::new).map_err(|e| setting(&e))
        };
        Ok(Clients {
            reader: builder(self.reading())?,
            writer: builder(self.writing())?,
            signer: builder(self.reading())?,
            s3: None,
        })
    }

    fn azure(&self) -> Result<Clients, Trouble> {
        let builder = |(options, retry): (ClientOptions, RetryConfig)| {
            let builder = MicrosoftAzureBuilder::from_env().with_url(&self.url);
            let builder = builder.with_client_options(options).with_retry(retry);
            builder.build().map(Arc::new).map_err(|e| setting(&e))
        };
        Ok(Clients {
            reader: builder(self.reading())?,
            writer: builder(self.writing())?,
            signer: builder(self.reading())?,
            s3: None,
        })
    }

    /// How the reading client connects and repeats.
    pub(super) fn reading(&self) -> (ClientOptions, RetryConfig) {
        self.options(self.patience.request, self.patience.answer)
    }

    fn writing(&self) -> (ClientOptions, RetryConfig) {
        self.options(self.patience.part, self.patience.part)
    }

    fn options(&self, request: Duration, all: Duration) -> (ClientOptions, RetryConfig) {
        let options = ClientOptions::new()
            .with_connect_timeout(CONNECT_MAX.min(request))
            .with_timeout(request);
        let retry = RetryConfig {
            max_retries: self.patience.retries,
            retry_timeout: all,
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 3.0,
            },
        };
        (options, retry)
    }
}

fn built(
    builder: AmazonS3Builder,
    (options, retry): &(ClientOptions, RetryConfig),
) -> Result<AmazonS3, Trouble> {
    let plain = builder.get_config_value(&AmazonS3ConfigKey::S3Endpoint);
    let plain = plain.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let options = options.clone().with_allow_http(plain);
    let builder = builder.with_client_options(options);
    builder
        .with_retry(retry.clone())
        .build()
        .map_err(|error| setting(&error))
}

fn setting(error: &object_store::Error) -> Trouble {
    Trouble::Setting(format!(
        "the settings of the object store do not fit: {error}"
    ))
}

/// The library takes an endpoint of the other style with the bucket's name already in its host.
fn hosted(endpoint: &str, bucket: &str, path_style: bool) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if !path_style => format!("{scheme}://{bucket}.{host}"),
        _ => endpoint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings {
            url: url.into(),
            ..Settings::default()
        }
    }

    #[test]
    fn artifacts_lie_where_the_url_of_a_depot_ends() {
        for (url, shelf) in [
            ("s3://bucket", "depot/sha256"),
            ("s3://bucket/", "depot/sha256"),
            ("s3://bucket/a/b/", "a/b/depot/sha256"),
            ("gs://bucket/a", "a/depot/sha256"),
            ("az://container/a", "a/depot/sha256"),
        ] {
            assert_eq!(settings(url).shelf().unwrap().to_string(), shelf, "{url}");
        }
    }

    #[test]
    fn what_is_not_the_url_of_a_store_is_refused_with_the_form() {
        for url in [
            "",
            "bucket",
            "s3:bucket",
            "s3://",
            "s3:///prefix",
            "ftp://bucket",
            "s3://bucket/a//b",
            "s3://bucket/a?b",
            "s3://bucket/a b",
            "s3://key:secret@bucket",
        ] {
            let error = settings(url).check().unwrap_err();
            assert!(error.to_string().contains("s3://bucket/prefix"), "{url}");
        }
    }

    #[test]
    fn the_bucket_stands_in_the_host_or_in_the_path() {
        let both = [true, false].map(|path| hosted("https://s3.example:9000", "b", path));
        assert_eq!(
            both,
            ["https://s3.example:9000", "https://b.s3.example:9000"]
        );
    }
}
