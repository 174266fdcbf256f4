//! The operator's side of the demo: the few requests that it needs of the server's API.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use ureq::tls::TlsConfig;

use super::Failure;
use crate::client;

/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// How many items a page of a list has at most.
const PAGE_ITEMS_MAX: usize = 500;

/// How an agent comes by its software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// By a pre-signed URL that is good with its certificate alone.
    Presigned,
    /// By a temporary credential, which it asks for with its certificate.
    Credential,
}

impl Grant {
    fn document(self) -> Value {
        match self {
            Self::Presigned => json!({ "kind": "presigned", "strength": "device" }),
            Self::Credential => json!({ "kind": "credential" }),
        }
    }
}

/// A job, as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// Whose it is.
    pub(super) device: String,
    /// Its state, in the word of the API.
    pub(super) status: String,
    /// The release that it brings, as `name@version`.
    pub(super) release: Option<String>,
    /// Why it ended so.
    pub(super) reason: Option<String>,
}

/// A device, as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// Whether it is connected.
    pub(super) online: bool,
    /// The release that it last reported.
    pub(super) reported: Option<String>,
}

/// The API of one server.
#[derive(Clone)]
pub(super) struct Api {
    http: ureq::Agent,
    base: String,
    token: String,
}

impl Api {
    /// Speaks to the server at `base` with the operator's token, trusting this root (PEM).
    pub(super) fn new(base: &str, token: &str, root: &str) -> Result<Self, Failure> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_MAX))
            .proxy(None)
            .tls_config(trusting(root)?)
            .max_idle_connections_per_host(16)
            .build();
        Ok(Self {
            http: config.new_agent(),
            base: base.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
        })
    }

    /// Tells whether the server is up and well.
    pub(super) fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/readyz", self.base)).call();
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Makes a claim token for so many devices.
    pub(super) fn claim(&self, devices: usize) -> Result<String, Failure> {
        let path = "/api/v1/enrolment-tokens";
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        let wish = json!({ "devices": devices, "expiresIn": "PT1H" });
        let made = read(path, request.send(wish.to_string()))?;
        text(&made, "/token").ok_or_else(|| Failure::broken("there is no token", "report this"))
    }

    /// Says which release a device should run, and by which grant it gets it; `None`: the server's default.
    pub(super) fn desire(
        &self,
        device: &str,
        release: &str,
        grant: Option<Grant>,
    ) -> Result<(), Failure> {
        let path = format!("/api/v1/devices/{device}/software");
        let request = self
            .http
            .put(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        let mut wish = json!({ "release": release });
        if let Some(grant) = grant {
            wish["grant"] = grant.document();
        }
        let answer = request.send(wish.to_string());
        read(&path, answer).map(drop)
    }

    /// Returns every job of the server.
    pub(super) fn jobs(&self) -> Result<BTreeMap<String, Job>, Failure> {
        let mut jobs = BTreeMap::new();
        self.each("/api/v1/jobs", |item| {
            let job = Job {
                device: text(item, "/deviceID").unwrap_or_default(),
                status: text(item, "/status").unwrap_or_default(),
                release: text(item, "/software/release"),
                reason: text(item, "/reason"),
            };
            jobs.insert(text(item, "/id").unwrap_or_default(), job);
        })?;
        Ok(jobs)
    }

    /// Returns every device of the server.
    pub(super) fn devices(&self) -> Result<BTreeMap<String, Device>, Failure> {
        let mut devices = BTreeMap::new();
        self.each("/api/v1/devices", |item| {
            let device = Device {
                online: item.get("online") == Some(&Value::Bool(true)),
                reported: text(item, "/reportedSoftware/release"),
            };
            devices.insert(text(item, "/id").unwrap_or_default(), device);
        })?;
        Ok(devices)
    }

    /// Returns the first thing that stands between a device and its software, in a sentence.
    pub(super) fn why(&self, device: &str) -> Result<Option<String>, Failure> {
        let shown = self.get(&format!("/api/v1/devices/{device}"))?;
        Ok(text(&shown, "/why/0/sentence"))
    }

    fn each(&self, list: &str, mut item: impl FnMut(&Value)) -> Result<(), Failure> {
        let mut cursor: Option<String> = None;
        loop {
            let at = cursor.map(|c| format!("&cursor={c}")).unwrap_or_default();
            let page = self.get(&format!("{list}?limit={PAGE_ITEMS_MAX}{at}"))?;
            let items = page.get("items").and_then(Value::as_array);
            items.into_iter().flatten().for_each(&mut item);
            cursor = text(&page, "/nextCursor");
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let request = self
            .http
            .get(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token));
        read(path, request.call())
    }
}

/// Trusts this root (PEM) and no other.
pub(super) fn trusting(root: &str) -> Result<TlsConfig, Failure> {
    client::trusting(root.as_bytes())
        .map_err(|_| Failure::broken("the fleet's root cannot be read", "report this"))
}

type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn read(path: &str, answer: Answer) -> Result<Value, Failure> {
    const HINT: &str =
        "this is a fault of Refit or of the machine; run the demo again, and report it if it stays";
    let mut answer =
        answer.map_err(|e| Failure::broken(format!("{path} was not answered: {e}"), HINT))?;
    let mut body = Vec::new();
    let whole = answer.body_mut().as_reader().read_to_end(&mut body);
    whole.map_err(|e| Failure::broken(format!("the answer to {path} was cut short: {e}"), HINT))?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if answer.status().is_success() {
        return Ok(body);
    }
    let detail = text(&body, "/detail").unwrap_or_default();
    let what = format!("{path} was refused with {}: {detail}", answer.status());
    Err(Failure::broken(what, HINT))
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    Some(value.pointer(pointer)?.as_str()?.to_owned())
}
