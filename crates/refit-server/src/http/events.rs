//! The stream of events: server-sent events, which a follower resumes where it was.
//!
//! The ID of an event is `<run>-<number>`, because numbers begin anew when the server does: a follower of an earlier
//! run is told to read the state anew (410) rather than given events that only look like the next ones.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use refit_access::matrix::Operation;
use refit_access::rights::Rights;
use refit_engine::events::{
    self, EventKind, Following, GrantAct, GrantEvent, IdentityAct, RolloutAct, Since,
};
use refit_protocol::device_id::DeviceId;
use refit_protocol::grant::{GrantKind, Strength};
use refit_protocol::near::nearest;
use refit_protocol::time::Timestamp;
use refit_replica::record::JobEntry;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::App;
use super::ask::{self, Query};
use super::error::{FieldCode, Kind, Problem};
use super::show::{self, Job};
use crate::access::Live;
use crate::caller::Caller;
use crate::wall;

/// How often a comment is sent when nothing happens, so that both ends know that the other is there.
const PULSE: Duration = Duration::from_secs(15);

/// How many events are taken from the feed at a time.
const TAKEN_MAX: usize = 256;

/// How long it takes at most until it is seen that a token has expired, should the clock have been set.
const EXPIRY_LOOK_MAX: Duration = Duration::from_secs(60);

/// Which events are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those of this device.
    device: Option<String>,
    /// Only those of these types, with commas between: `job.changed,device.state`.
    types: Option<String>,
    /// The ID of the last event that was seen; the same as the header `Last-Event-ID`.
    after: Option<String>,
}

/// The types that there are.
const TYPES: [&str; 33] = [
    "device.state",
    "device.reverted",
    "device.lateSuccess",
    "device.enrolled",
    "device.renewed",
    "device.cloned",
    "device.revoked",
    "device.retired",
    "device.keyAllowed",
    "device.removed",
    "job.changed",
    "grant.minted",
    "grant.withheld",
    "grant.used",
    "grant.refused",
    "release.added",
    "release.removed",
    "rollout.created",
    "rollout.started",
    "rollout.approved",
    "rollout.asksApproval",
    "rollout.begun",
    "rollout.waveOpened",
    "rollout.waveSoaking",
    "rollout.waveDone",
    "rollout.paused",
    "rollout.resumed",
    "rollout.advanced",
    "rollout.aborted",
    "rollout.changed",
    "rollout.retried",
    "rollout.finished",
    "clock.jumped",
];

/// Which events a follower is brought, of those that it may see. A selector of devices belongs here as well.
#[derive(Debug)]
struct Wanted {
    device: Option<DeviceId>,
    /// `None`: all.
    types: Option<Vec<&'static str>>,
}

impl Wanted {
    fn read(device: Option<&str>, types: Option<&str>) -> Result<Self, Problem> {
        Ok(Self {
            device: device.map(ask::device).transpose()?,
            types: types.map(types_of).transpose()?,
        })
    }

    fn has(&self, event: &events::Event) -> bool {
        let is_device = self.device.is_none() || event.device == self.device;
        let is_type = self.types.as_ref();
        is_device && is_type.is_none_or(|types| types.contains(&kind_of(&event.kind)))
    }
}

fn types_of(text: &str) -> Result<Vec<&'static str>, Problem> {
    let read = |name: &str| {
        let known = TYPES.into_iter().find(|known| *known == name);
        known.ok_or_else(|| {
            let hint = nearest(name, TYPES);
            let hint = hint.map_or_else(String::new, |near| format!(": did you mean {near}?"));
            let all = TYPES.join(", ");
            let detail = format!("{name:?} is no type of event{hint}; there are {all}");
            Problem::of_parameter("types", FieldCode::NotOneOf, detail)
                .with("types", TYPES.to_vec())
        })
    };
    text.split(',').map(read).collect()
}

/// Follows what happens, from now on, or from behind the last event that was seen.
#[utoipa::path(get, operation_id = "followEvents", tag = "events", path = "/api/v1/events", params(Which,
    ("Last-Event-ID" = Option<String>, Header, description = "the ID of the last event that was seen"),
), responses(
    (status = 200, body = String, content_type = "text/event-stream"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn follow(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(which.device.as_deref(), which.types.as_deref())?;
    if let Some(device) = &wanted.device {
        caller.may(Operation::EventRead, Some(device))?;
    }
    let header = headers
        .get("last-event-id")
        .map(|value| value.to_str().unwrap_or_default().to_owned());
    let after = match header.or(which.after) {
        Some(id) => number_of(&app, &id)?,
        None => app.fleet.feed().newest(),
    };
    let permit = Arc::clone(&app.limits.followers).try_acquire_owned();
    let permit =
        permit.map_err(|_| Problem::new(Kind::TooMany, "too many follow the events already"))?;
    let follower = Follower {
        following: app.fleet.feed().follow(),
        stopping: app.stopping.clone(),
        watch: Watch::of(&app, caller),
        taken: VecDeque::new(),
        app,
        wanted,
        after,
        began: false,
        permit,
    };
    let pulse = KeepAlive::new().interval(PULSE);
    let mut response = Sse::new(stream::unfold(Box::new(follower), next))
        .keep_alive(pulse)
        .into_response();
    // Proxies that gather an answer before they pass it on would hold the events back.
    let (name, value) = (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response.headers_mut().insert(name, value);
    Ok(response)
}

/// Reads an event's ID, if that event can still be followed from.
fn number_of(app: &App, id: &str) -> Result<u64, Problem> {
    let gone = || {
        let newest = id_of(app, app.fleet.feed().newest());
        let detail = "events after this one are no longer kept: read the state anew, then follow from the newest";
        Problem::new(Kind::EventsGone, detail).with("newest", newest)
    };
    let (run, number) = id.rsplit_once('-').ok_or_else(gone)?;
    let number = number.parse().map_err(|_| gone())?;
    match app.fleet.feed().since(number, 0) {
        Since::Events(_) if run == app.run => Ok(number),
        Since::Events(_) | Since::TooOld { .. }
            if number == app.fleet.feed().newest() && run == app.run =>
        {
            Ok(number)
        }
        Since::Events(_) | Since::TooOld { .. } => Err(gone()),
    }
}

fn id_of(app: &App, number: u64) -> String {
    format!("{}-{number}", app.run)
}

/// One who follows.
struct Follower {
    app: Arc<App>,
    wanted: Wanted,
    after: u64,
    began: bool,
    taken: VecDeque<Arc<events::Event>>,
    stopping: watch::Receiver<bool>,
    watch: Watch,
    #[expect(dead_code, reason = "it counts for as long as it lives")]
    following: Following,
    #[expect(dead_code, reason = "it is given back when the follower goes")]
    permit: OwnedSemaphorePermit,
}

type Next = Option<(Result<Event, Infallible>, Box<Follower>)>;

async fn next(mut follower: Box<Follower>) -> Next {
    if !follower.began {
        // Says at once that the stream is open, and where it begins.
        follower.began = true;
        let event = Event::default()
            .id(id_of(&follower.app, follower.after))
            .comment("following");
        return Some((Ok(event), follower));
    }
    loop {
        if !follower.watch.is_good() {
            return None;
        }
        if let Some(event) = follower.taken.pop_front() {
            if !follower.wanted.has(&event) || !follower.watch.sees(&event) {
                continue;
            }
            return Some((Ok(written(&follower.app, &event)), follower));
        }
        match follower.app.fleet.feed().since(follower.after, TAKEN_MAX) {
            Since::Events(events) if events.is_empty() => {
                let feed = Arc::clone(follower.app.fleet.feed());
                tokio::select! {
                    () = feed.wait(follower.after) => {}
                    () = follower.watch.changed() => {}
                    _ = follower.stopping.wait_for(|stopping| *stopping) => return None,
                }
            }
            Since::Events(events) => {
                follower.after = events.last().map_or(follower.after, |last| last.number);
                follower.taken.extend(events);
            }
            // It reads too slowly. When it comes back it is told so (410).
            Since::TooOld { .. } => return None,
        }
    }
}

/// What a follower may see. It lasts as long as the stream: what is taken away is gone at once.
struct Watch {
    live: Live,
    rights: Arc<Rights>,
    expires: Option<Timestamp>,
    changes: watch::Receiver<u64>,
}

impl Watch {
    fn of(app: &App, caller: Caller) -> Self {
        let changes = app.access.changes();
        let live = Live::new(Arc::clone(&app.access), caller.credential);
        Self {
            // Whatever changed until now is in it.
            rights: live.rights().unwrap_or(caller.rights),
            expires: caller.expires,
            live,
            changes,
        }
    }

    /// Tells whether it may go on, after taking in what changed.
    fn is_good(&mut self) -> bool {
        let is_past = self.expires.is_some_and(|expires| wall::now() >= expires);
        if is_past || self.changes.has_changed().unwrap_or(true) {
            self.changes.mark_unchanged();
            match self.live.rights() {
                Some(rights) => self.rights = rights,
                None => return false,
            }
        }
        self.rights.may(Operation::EventRead, None).is_ok()
    }

    /// Waits until something changes, or it expires.
    async fn changed(&mut self) {
        let expiry = async {
            match self.expires {
                Some(at) => {
                    let left = at.0.saturating_sub(wall::now().0) + 1;
                    tokio::time::sleep(Duration::from_millis(left).min(EXPIRY_LOOK_MAX)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.changes.changed() => {
                // Seen here, and to be taken in by the next look.
                if changed.is_ok() {
                    self.changes.mark_changed();
                }
            }
            () = expiry => {}
        }
    }

    fn sees(&self, event: &events::Event) -> bool {
        let needed = match (&event.kind, &event.device) {
            (_, Some(_)) => Operation::EventRead,
            (EventKind::ReleaseAdded { .. } | EventKind::ReleaseRemoved { .. }, None) => {
                Operation::ReleaseRead
            }
            (EventKind::Rollout(_), None) => Operation::RolloutRead,
            (_, None) => Operation::EventRead,
        };
        self.rights.may(needed, event.device.as_ref()).is_ok()
    }
}

fn written(app: &App, event: &events::Event) -> Event {
    let (kind, data) = (kind_of(&event.kind), told(app, event));
    let id = id_of(app, event.number);
    let mut document = json!({ "id": id, "at": event.at.rfc3339(), "type": kind });
    if let Some(device) = &event.device {
        document["deviceID"] = device.as_str().into();
    }
    if let (Value::Object(document), Value::Object(data)) = (&mut document, data) {
        document.extend(data);
    }
    Event::default()
        .id(id)
        .event(kind)
        .data(document.to_string())
}

const fn kind_of(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::StateChanged { .. } => "device.state",
        EventKind::Job(_) => "job.changed",
        EventKind::Reverted(_) => "device.reverted",
        EventKind::LateSuccess(_) => "device.lateSuccess",
        EventKind::ClockJumped { .. } => "clock.jumped",
        EventKind::Grant(grant) => match grant.act {
            GrantAct::Minted => "grant.minted",
            GrantAct::Withheld(_) => "grant.withheld",
            GrantAct::Used => "grant.used",
            GrantAct::Refused(_) => "grant.refused",
        },
        EventKind::Identity(act) => match act {
            IdentityAct::Enrolled => "device.enrolled",
            IdentityAct::Renewed => "device.renewed",
            IdentityAct::Cloned => "device.cloned",
            IdentityAct::Revoked => "device.revoked",
            IdentityAct::Retired => "device.retired",
            IdentityAct::KeyAllowed => "device.keyAllowed",
            IdentityAct::Removed => "device.removed",
        },
        EventKind::Rollout(event) => match event.act {
            RolloutAct::Created => "rollout.created",
            RolloutAct::Started => "rollout.started",
            RolloutAct::Approved => "rollout.approved",
            RolloutAct::AsksApproval => "rollout.asksApproval",
            RolloutAct::Begun => "rollout.begun",
            RolloutAct::WaveOpened => "rollout.waveOpened",
            RolloutAct::WaveSoaking => "rollout.waveSoaking",
            RolloutAct::WaveDone => "rollout.waveDone",
            RolloutAct::Paused => "rollout.paused",
            RolloutAct::Resumed => "rollout.resumed",
            RolloutAct::Advanced => "rollout.advanced",
            RolloutAct::Aborted => "rollout.aborted",
            RolloutAct::Changed => "rollout.changed",
            RolloutAct::Retried => "rollout.retried",
            RolloutAct::Finished => "rollout.finished",
        },
        EventKind::ReleaseAdded { .. } => "release.added",
        EventKind::ReleaseRemoved { .. } => "release.removed",
    }
}

/// Returns what only events of this type have.
fn told(app: &App, event: &events::Event) -> Value {
    let device = event.device.as_ref().map_or("", |device| device.as_str());
    match &event.kind {
        EventKind::StateChanged { version } => json!({ "version": version }),
        EventKind::Job(entry) => {
            json!({ "job": Job::of(device, JobEntry::clone(entry), &app.releases) })
        }
        EventKind::Reverted(job) | EventKind::LateSuccess(job) => json!({ "jobID": job.as_str() }),
        EventKind::ClockJumped { milliseconds } => json!({ "milliseconds": milliseconds }),
        EventKind::Grant(grant) => grant_told(grant),
        EventKind::Identity(_) => json!({}),
        EventKind::Rollout(event) => {
            json!({ "rollout": event.name.as_str(), "detail": event.detail })
        }
        EventKind::ReleaseAdded { name, version } | EventKind::ReleaseRemoved { name, version } => {
            json!({ "name": name, "version": version })
        }
    }
}

fn grant_told(grant: &GrantEvent) -> Value {
    let reason = match grant.act {
        GrantAct::Minted | GrantAct::Used => None,
        GrantAct::Withheld(reason) | GrantAct::Refused(reason) => Some(reason),
    };
    let mut data = json!({});
    for (name, value) in [
        ("jobID", grant.job.as_ref().map(|job| job.as_str())),
        ("grant", grant.kind.map(GrantKind::as_str)),
        ("strength", grant.strength.map(Strength::as_str)),
        ("reason", reason),
    ] {
        if let Some(value) = value {
            data[name] = value.into();
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_taken_as_it_is_told() {
        for kind in [
            EventKind::StateChanged { version: 1 },
            EventKind::ClockJumped { milliseconds: -5 },
            EventKind::Identity(IdentityAct::KeyAllowed),
            EventKind::ReleaseRemoved {
                name: "a".into(),
                version: "1".into(),
            },
        ] {
            let name = kind_of(&kind);
            assert_eq!(types_of(name).unwrap(), [name]);
        }
        let twice: std::collections::HashSet<_> = TYPES.into_iter().collect();
        assert_eq!(twice.len(), TYPES.len());
    }
}
