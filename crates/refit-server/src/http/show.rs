//! What the API shows: its own types, so that neither the store nor the wire promises anything by them.

use refit_engine::releases::Releases;
use refit_engine::shard::Presence;
use refit_protocol::grant;
use refit_protocol::job::Status;
use refit_protocol::reply::redacted;
use refit_protocol::software_url::{depot_digest, without_grant};
use refit_protocol::time::Timestamp;
use refit_replica::delta::software_differs;
use refit_replica::record::JobEntry;
use refit_replica::why::{self, why};
use refit_store::facts::DeviceFacts;
use refit_store::identity::Standing;
use refit_store::reader::DeviceRow;
use refit_store::store::Stored;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::count::Count;
use super::facts::Facts;
use super::rollouts::show::DeviceRollout;

/// One software, by its URL, and by its name if it is a release of this server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Software {
    /// The stable URL, without a grant.
    #[serde(rename = "softwareURL")]
    pub(crate) software_url: String,
    /// `name@version`, if it is a release of this server.
    pub(crate) release: Option<String>,
}

impl Software {
    pub(crate) fn of(url: &str, releases: &Releases) -> Self {
        let found = depot_digest(url).and_then(|digest| releases.find(&digest));
        Self {
            software_url: without_grant(url),
            release: found.map(|software| format!("{}@{}", software.name, software.version)),
        }
    }
}

/// A device, as a list shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceLine {
    pub(crate) id: String,
    /// Whether it is connected.
    pub(crate) online: bool,
    /// The version of its record.
    pub(crate) version: u64,
    pub(crate) desired_software: Option<Software>,
    pub(crate) reported_software: Option<Software>,
    /// Its open job.
    pub(crate) job: Option<JobLine>,
    /// When it last spoke, as of the last write of its record.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) seen_at: Option<String>,
}

impl DeviceLine {
    pub(crate) fn of(row: DeviceRow, presence: Presence, releases: &Releases) -> Self {
        let software = |url: Option<String>| url.map(|url| Software::of(&url, releases));
        Self {
            id: row.id.as_str().into(),
            online: presence != Presence::Away,
            version: row.version,
            desired_software: software(row.desired_software),
            reported_software: software(row.reported_software),
            job: row.job.map(|(id, status)| JobLine {
                id: id.as_str().into(),
                status: status.as_str(),
            }),
            seen_at: row.seen.map(Timestamp::rfc3339),
        }
    }
}

/// An open job, as a list of devices shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobLine {
    pub(crate) id: String,
    /// `QUEUED`, `SENT` or `RUNNING`.
    pub(crate) status: &'static str,
}

/// A page of devices, by ID.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DevicePage {
    pub(crate) items: Vec<DeviceLine>,
    /// The cursor of the next page, if there is one.
    pub(crate) next_cursor: Option<String>,
    /// How long the whole list is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<Count>,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Device {
    pub(crate) id: String,
    /// Whether it is connected.
    pub(crate) online: bool,
    /// The version of its record; it rises when desired or reported changes, and is the ETag.
    pub(crate) version: u64,
    /// What it should be.
    #[schema(value_type = Object)]
    pub(crate) desired: Map<String, Value>,
    /// What it last said it is.
    #[schema(value_type = Object)]
    pub(crate) reported: Map<String, Value>,
    pub(crate) desired_software: Option<Software>,
    pub(crate) reported_software: Option<Software>,
    /// Whether it runs the software that it should.
    pub(crate) converged: bool,
    /// Whether an operator keeps software from it.
    pub(crate) held: bool,
    /// Which grant was chosen with the wish for its software; `null`: the server's default.
    #[schema(value_type = Option<GrantPolicy>)]
    pub(crate) grant: Option<grant::GrantPolicy>,
    /// Its open job.
    pub(crate) job: Option<Job>,
    /// The newest of its jobs, open or ended.
    pub(crate) last_job: Option<Job>,
    /// When it last spoke, as of the last write of its record.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) seen_at: Option<String>,
    /// What is said of it, and by whom.
    pub(crate) facts: Facts,
    /// All that stands between it and the software that it should run, the gravest first; empty if nothing does.
    pub(crate) why: Vec<Blocker>,
    /// How it stands to each rollout that means it and is not over, the newest first.
    pub(crate) rollouts: Vec<DeviceRollout>,
    /// `true` if nothing was changed, and this is what would be; otherwise it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dry_run: Option<bool>,
}

/// Which grant software is given by. What is not said is the field's default.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it describes what `refit_protocol::grant` reads")]
pub(crate) struct GrantPolicy {
    /// `presigned` (the default) or `credential`.
    #[schema(pattern = "^(presigned|credential)$")]
    kind: Option<String>,
    /// What a pre-signed URL is bound to: `time` (the default), `address` or `device`.
    #[schema(pattern = "^(time|address|device)$")]
    strength: Option<String>,
    /// How long it is good, in seconds; by itself as long as the artifact takes on a slow link.
    #[schema(minimum = 1, maximum = 31_622_400)]
    lifetime: Option<u32>,
    /// Which network strength `address` is bound to: `seen` (the default), or one as `203.0.113.0/24`.
    network: Option<String>,
    /// What follows when it cannot be bound so: `stop` (the default), `time` or `credential`.
    #[schema(pattern = "^(stop|time|credential)$")]
    fallback: Option<String>,
    /// What it must be bound to at the least, the fallback included.
    #[schema(pattern = "^(time|address|device)$")]
    min_strength: Option<String>,
}

/// One thing that stands between a device and its software.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blocker {
    /// Its stable name.
    pub(crate) rule: &'static str,
    /// What it rests on, and what removes it.
    pub(crate) sentence: String,
    /// Whose word it rests on.
    pub(crate) source: &'static str,
    /// As of when.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) as_of: String,
}

impl Blocker {
    /// Nothing is sent to a device that may not connect.
    fn barred(standing: Standing, now: Timestamp) -> Option<Self> {
        let (rule, sentence) = match standing {
            Standing::Revoked => (
                "revoked",
                "its certificates were revoked, so it cannot connect: `refit device re-enrol` lets it in with a new key",
            ),
            Standing::Retired => (
                "retired",
                "it was taken out of service: `refit device re-enrol` brings it back",
            ),
            Standing::Cloned => (
                "cloned",
                "one of its certificates was renewed to two keys, so both are held: find the right device, then `refit device re-enrol`",
            ),
            Standing::Registered | Standing::Enrolled => return None,
        };
        Some(Self {
            rule,
            sentence: sentence.into(),
            source: "server",
            as_of: now.rfc3339(),
        })
    }

    fn of(blocker: why::Blocker, presence: Presence, now: Timestamp) -> Self {
        // The rule is the same; only the connection tells a device that is off from one that does not listen.
        let sentence = match (blocker.rule, presence) {
            ("offline", Presence::Connected) => {
                "it is connected, but has not subscribed to its delta: it is told when it does"
                    .into()
            }
            ("sent", Presence::Narrow) => {
                "its delta is larger than the maximum packet size that it announced, and was not sent: it has to take \
                 larger packets, or be given less other state"
                    .into()
            }
            ("sent", Presence::Ungranted(why)) => why.sentence().into(),
            (
                _,
                Presence::Away
                | Presence::Connected
                | Presence::Reachable
                | Presence::Narrow
                | Presence::Ungranted(_),
            ) => blocker.sentence,
        };
        let rule = match (blocker.rule, presence) {
            ("sent", Presence::Ungranted(_)) => "ungranted",
            (rule, _) => rule,
        };
        Self {
            rule,
            sentence,
            source: "server",
            as_of: now.rfc3339(),
        }
    }
}

/// What is known of a device beside its record.
pub(crate) struct Beside {
    pub(crate) presence: Presence,
    pub(crate) last_job: Option<JobEntry>,
    /// Where its identity stands; `None`: it has none, as with `--dev`.
    pub(crate) standing: Option<Standing>,
    pub(crate) facts: DeviceFacts,
    pub(crate) now: Timestamp,
}

impl Device {
    pub(crate) fn of(id: &str, stored: &Stored, beside: Beside, releases: &Releases) -> Self {
        let record = &stored.record;
        let software = |url: Option<&str>| url.map(|url| Software::of(url, releases));
        let is_reachable = matches!(
            beside.presence,
            Presence::Reachable | Presence::Narrow | Presence::Ungranted(_)
        );
        let blockers = why(record, is_reachable);
        Self {
            id: id.into(),
            online: beside.presence != Presence::Away,
            version: record.version,
            desired: redacted(&record.desired),
            reported: redacted(&record.reported),
            desired_software: software(record.desired_software()),
            reported_software: software(record.reported_software()),
            converged: !software_differs(record),
            held: record.held,
            grant: record.grant,
            job: record
                .job
                .as_ref()
                .map(|job| Job::of(id, job.entry(), releases)),
            last_job: beside.last_job.map(|entry| Job::of(id, entry, releases)),
            seen_at: stored.seen.map(Timestamp::rfc3339),
            why: beside
                .standing
                .filter(|_| software_differs(record))
                .and_then(|standing| Blocker::barred(standing, beside.now))
                .into_iter()
                .chain(blockers.map(|blocker| Blocker::of(blocker, beside.presence, beside.now)))
                .collect(),
            facts: Facts::of(beside.facts, &record.reported),
            rollouts: Vec::new(),
            dry_run: None,
        }
    }
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    pub(crate) id: String,
    #[serde(rename = "deviceID")]
    pub(crate) device_id: String,
    /// `QUEUED`, `SENT`, `RUNNING`, `SUCCEEDED`, `FAILED`, `REJECTED`, `TIMED_OUT`, `CANCELLED` or `SUPERSEDED`.
    pub(crate) status: &'static str,
    /// Whether it has ended.
    pub(crate) ended: bool,
    /// The software that it brings.
    pub(crate) software: Software,
    /// The software that the device reported when it was opened.
    pub(crate) previous: Option<Software>,
    /// Who wanted it.
    pub(crate) origin: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) opened_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) sent_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended_at: Option<String>,
    /// What the device last said of its progress.
    pub(crate) progress: Progress,
    /// Why it ended so, for a person.
    pub(crate) reason: Option<String>,
}

/// How far a device is with a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Progress {
    /// What it is doing, in its own word.
    pub(crate) phase: Option<String>,
    /// How much of that is done.
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) percent: Option<u8>,
}

impl Job {
    pub(crate) fn of(device: &str, entry: JobEntry, releases: &Releases) -> Self {
        Self {
            id: entry.id.as_str().into(),
            device_id: device.into(),
            status: entry.status.as_str(),
            ended: Status::is_final(entry.status),
            software: Software::of(&entry.software_url, releases),
            previous: entry.previous.map(|url| Software::of(&url, releases)),
            origin: entry.origin,
            opened_at: entry.opened.rfc3339(),
            sent_at: entry.sent.map(Timestamp::rfc3339),
            started_at: entry.started.map(Timestamp::rfc3339),
            ended_at: entry.ended.map(Timestamp::rfc3339),
            progress: Progress {
                phase: entry.progress.phase,
                percent: entry.progress.percent,
            },
            reason: entry.reason,
        }
    }
}

/// A page of jobs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobPage {
    pub(crate) items: Vec<Job>,
    /// The cursor of the next page, if there is one.
    pub(crate) next_cursor: Option<String>,
    /// How long the whole list is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<Count>,
}

/// A release.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Release {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What an application publishes as desired state: stable, and without a grant.
    #[serde(rename = "softwareURL")]
    pub(crate) software_url: String,
    /// The digest of its artifact, 64 hexadecimal digits.
    pub(crate) sha256: String,
    /// The length of its artifact, in bytes.
    pub(crate) length: u64,
    /// `file`, as it is; `tree`, a zstd-compressed pax archive of a directory.
    pub(crate) format: &'static str,
    pub(crate) note: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) added_at: String,
    /// Other releases with the same bytes: moving a device from one to the other is not an update.
    pub(crate) same_as: Vec<String>,
    /// `true` if nothing was added, and this is what would be; otherwise it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dry_run: Option<bool>,
}

/// What removing a release would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Removal {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The digest of its artifact, 64 hexadecimal digits.
    pub(crate) sha256: String,
    /// How many bytes would be free, because no other release has them.
    pub(crate) freed: u64,
    /// Always `true`: to remove it in earnest is answered with 204.
    pub(crate) dry_run: bool,
}

/// All releases: by name, and each name's in the order of its versions, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleasePage {
    pub(crate) items: Vec<Release>,
    /// The cursor of the next page, if there is one.
    pub(crate) next_cursor: Option<String>,
    /// How long the whole list is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<Count>,
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    /// What is wrong with this request, and what to do next.
    detail: String,
    /// Stable, for programs.
    code: String,
    /// The request, as the log names it.
    instance: String,
    /// Which fields or parameters are wrong, if it is about these.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldProblem>>,
}

/// What is wrong with one field of the body, or one parameter of the query.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// The field, as a JSON Pointer (RFC 6901); empty: the body itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// The parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// Stable, for programs.
    #[schema(
        pattern = "^(unknown|missing|wrong_type|out_of_range|not_one_of|malformed|not_together)$"
    )]
    code: String,
    detail: String,
}
