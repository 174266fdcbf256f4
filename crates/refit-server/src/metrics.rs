//! What `/metrics` shows, in the Prometheus text format (version 0.0.4). Never a device ID as a label.
//!
//! Most of it are snapshots of figures that other rooms keep, so it is written by hand: a registry would only hold
//! copies of them.

mod page;

use std::sync::atomic::Ordering::Relaxed;

use refit_protocol::job::Status;
use refit_protocol::topic::Kind;
use refit_store::reader::Counts;
use refit_store::stats::{DURATION_BOUNDS_US, SIZE_BOUNDS, Stats};

use crate::counters::Counters;
use page::Page;

/// Everything that is shown.
pub(crate) struct Figures<'a> {
    pub(crate) counts: &'a Counts,
    pub(crate) stats: &'a Stats,
    pub(crate) counters: &'a Counters,
    pub(crate) grants: &'a crate::granting::Figures,
    pub(crate) trust: Trust,
    pub(crate) mqtt: &'a refit_mqtt::figures::Figures,
    /// Tokens over MQTT that were not looked at.
    pub(crate) tokens_put_off: u64,
    pub(crate) connected: u64,
    pub(crate) deltas: u64,
    pub(crate) followers: usize,
    pub(crate) pollers: usize,
    pub(crate) ready: bool,
    pub(crate) stale_certificate: bool,
}

/// What is shown of identities.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust {
    /// Seconds until the issuer's certificate expires, and until the first of the trusted roots does.
    pub(crate) issuer_s: i64,
    pub(crate) root_s: i64,
    /// The number of the trust bundle.
    pub(crate) bundle: u64,
    /// Barred devices, and barred certificates of other devices.
    pub(crate) barred: (usize, usize),
}

/// Writes everything.
pub(crate) fn write(figures: &Figures<'_>) -> String {
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    page.family(
        "refit_build_info",
        "gauge",
        "The release of Refit that runs.",
    );
    page.value("refit_build_info", &[("version", version)], 1);
    page.family(
        "refit_ready",
        "gauge",
        "Whether /readyz says that all is well.",
    );
    page.value("refit_ready", &[], u8::from(figures.ready));
    page.family(
        "refit_certificate_stale",
        "gauge",
        "Whether the files of the server's certificate cannot be used, and an older one is shown.",
    );
    page.value(
        "refit_certificate_stale",
        &[],
        u8::from(figures.stale_certificate),
    );
    devices_and_jobs(&mut page, figures);
    store(&mut page, figures.stats);
    messages(&mut page, figures.mqtt);
    requests(&mut page, figures);
    identities(&mut page, figures);
    page.text
}

fn devices_and_jobs(page: &mut Page, figures: &Figures<'_>) {
    page.family(
        "refit_devices",
        "gauge",
        "Devices that have a record, and that are connected.",
    );
    page.value(
        "refit_devices",
        &[("state", "known")],
        figures.counts.devices,
    );
    page.value("refit_devices", &[("state", "online")], figures.connected);
    let jobs = |page: &mut Page, name, of_final| {
        for status in Status::ALL
            .into_iter()
            .filter(|status| status.is_final() == of_final)
        {
            page.value(
                name,
                &[("status", status.as_str())],
                figures.counts.jobs_in(status),
            );
        }
    };
    page.family(
        "refit_jobs_open",
        "gauge",
        "Jobs that have not ended, by state.",
    );
    jobs(page, "refit_jobs_open", false);
    page.family(
        "refit_jobs_finished_total",
        "counter",
        "Jobs that have ended, by how.",
    );
    jobs(page, "refit_jobs_finished_total", true);
    page.family(
        "refit_deltas_sent_total",
        "counter",
        "Deltas that left for devices.",
    );
    page.value("refit_deltas_sent_total", &[], figures.deltas);
}

fn store(page: &mut Page, stats: &Stats) {
    let seconds = DURATION_BOUNDS_US.map(|us| us as f64 / 1e6);
    page.family(
        "refit_replica_commit_duration_seconds",
        "histogram",
        "How long a commit took until it was durable.",
    );
    page.histogram(
        "refit_replica_commit_duration_seconds",
        &seconds,
        1e-6,
        &stats.commit_us,
    );
    page.family(
        "refit_replica_batch_records",
        "histogram",
        "How many records a commit wrote.",
    );
    page.histogram(
        "refit_replica_batch_records",
        &SIZE_BOUNDS.map(|n| n as f64),
        1.0,
        &stats.batch,
    );
    for (name, kind, help, value) in [
        (
            "refit_store_waiting_records",
            "gauge",
            "Records that wait to be written.",
            stats.waiting,
        ),
        (
            "refit_store_wal_bytes",
            "gauge",
            "The length of the write-ahead log.",
            stats.wal_bytes,
        ),
        (
            "refit_store_conflicts_total",
            "counter",
            "Records that somebody else wrote first.",
            stats.refused,
        ),
        (
            "refit_store_full_total",
            "counter",
            "Commits that found the disk full.",
            stats.full,
        ),
    ] {
        page.family(name, kind, help);
        page.value(name, &[], value);
    }
}

/// All kinds of topics, as labels.
const KINDS: [(Kind, &str); 7] = [
    (Kind::Update, "update"),
    (Kind::Get, "get"),
    (Kind::Delta, "delta"),
    (Kind::Accepted, "accepted"),
    (Kind::Rejected, "rejected"),
    (Kind::GetAccepted, "get_accepted"),
    (Kind::GetRejected, "get_rejected"),
];

fn messages(page: &mut Page, mqtt: &refit_mqtt::figures::Figures) {
    page.family(
        "refit_mqtt_connections",
        "gauge",
        "Open MQTT connections, of devices and of applications.",
    );
    page.value("refit_mqtt_connections", &[], mqtt.live.load(Relaxed));
    page.family(
        "refit_mqtt_messages_total",
        "counter",
        "Messages over MQTT, by what their topic is for.",
    );
    for (direction, messages) in [("in", &mqtt.messages_in), ("out", &mqtt.messages_out)] {
        for (kind, name) in KINDS {
            let labels = [("direction", direction), ("kind", name)];
            page.value("refit_mqtt_messages_total", &labels, messages.of(kind));
        }
    }
    page.family(
        "refit_mqtt_ended_total",
        "counter",
        "Connections that were refused or ended, by reason code.",
    );
    for (reason, count) in mqtt.all_ended() {
        page.value(
            "refit_mqtt_ended_total",
            &[("reason", &format!("0x{reason:02x}"))],
            count,
        );
    }
    for (name, help, value) in [
        (
            "refit_mqtt_accepted_total",
            "Connections accepted.",
            &mqtt.accepted,
        ),
        (
            "refit_mqtt_turned_away_total",
            "Connections closed because there were too many.",
            &mqtt.turned_away,
        ),
        (
            "refit_mqtt_silent_total",
            "Connections that did not say who they are in time.",
            &mqtt.silent,
        ),
        (
            "refit_mqtt_too_often_total",
            "Messages of devices refused because they came too fast.",
            &mqtt.too_often,
        ),
        (
            "refit_mqtt_strangers_refused_total",
            "Connections closed because too many had not said who they are.",
            &mqtt.strangers_refused,
        ),
        (
            "refit_mqtt_paced_total",
            "Times that accepting paused because connections came too fast.",
            &mqtt.paced,
        ),
        (
            "refit_mqtt_taken_over_total",
            "Connections whose place another one of the same device took.",
            &mqtt.taken_over,
        ),
        (
            "refit_mqtt_resumed_total",
            "Connections that were welcomed on a resumed TLS session.",
            &mqtt.resumed,
        ),
        (
            "refit_mqtt_tls_failed_total",
            "MQTT connections whose TLS failed: bad certificates, plain text, altered records.",
            &mqtt.handshakes_failed,
        ),
    ] {
        page.family(name, "counter", help);
        page.value(name, &[], value.load(Relaxed));
    }
}

fn requests(page: &mut Page, figures: &Figures<'_>) {
    let counters = figures.counters;
    page.family(
        "refit_http_requests_total",
        "counter",
        "Requests answered, by class of status.",
    );
    for (class, count) in counters.requests() {
        page.value(
            "refit_http_requests_total",
            &[("status", &format!("{class}xx"))],
            count,
        );
    }
    page.family(
        "refit_grants_total",
        "counter",
        "Downloads asked for, by what came of them.",
    );
    for (result, count) in counters.downloads() {
        let kind = if result == "operator" {
            "token"
        } else {
            "presigned"
        };
        page.value(
            "refit_grants_total",
            &[("kind", kind), ("result", result)],
            count,
        );
    }
    grants(page, figures.grants);
    for (name, kind, help, value) in [
        (
            "refit_depot_sent_bytes_total",
            "counter",
            "Bytes of artifacts sent.",
            &counters.sent_bytes,
        ),
        (
            "refit_depot_received_bytes_total",
            "counter",
            "Bytes of artifacts taken in.",
            &counters.received_bytes,
        ),
        (
            "refit_http_connections",
            "gauge",
            "Open HTTP connections.",
            &counters.connections,
        ),
        (
            "refit_http_turned_away_total",
            "counter",
            "HTTP connections closed because there were too many.",
            &counters.turned_away,
        ),
        (
            "refit_http_paced_total",
            "counter",
            "Times that accepting HTTPS paused because connections came too fast.",
            &counters.paced,
        ),
    ] {
        page.family(name, kind, help);
        page.value(name, &[], value.load(Relaxed));
    }
    let name = "refit_http_shed_total";
    page.family(
        name,
        "counter",
        "HTTP connections and requests that were not served, or were ended, to keep others served, by why.",
    );
    for (why, count) in counters.all_shed() {
        page.value(name, &[("why", why)], count);
    }
    page.family(
        "refit_http_pollers",
        "gauge",
        "Devices that poll over HTTP and are reachable by it.",
    );
    page.value("refit_http_pollers", &[], figures.pollers);
    page.family("refit_event_followers", "gauge", "Open event streams.");
    page.value("refit_event_followers", &[], figures.followers);
}

fn grants(page: &mut Page, figures: &crate::granting::Figures) {
    let name = "refit_grants_minted_total";
    page.family(name, "counter", "Grants minted, by kind and strength.");
    for (kind, strength, count) in figures.minted() {
        page.value(name, &[("kind", kind), ("strength", strength)], count);
    }
    let name = "refit_grant_uses_total";
    page.family(
        name,
        "counter",
        "Requests that a grant was good for, by kind and strength.",
    );
    for (kind, strength, count) in figures.used() {
        page.value(name, &[("kind", kind), ("strength", strength)], count);
    }
    let name = "refit_grants_withheld_total";
    page.family(
        name,
        "counter",
        "Grants that could not be had as their policy wants them, by reason.",
    );
    for (reason, count) in figures.withheld() {
        page.value(name, &[("reason", reason)], count);
    }
    let name = "refit_grant_refusals_total";
    page.family(
        name,
        "counter",
        "Requests whose grant was refused, by reason.",
    );
    for (reason, count) in figures.refused() {
        page.value(name, &[("reason", reason)], count);
    }
}

fn identities(page: &mut Page, figures: &Figures<'_>) {
    let trust = &figures.trust;
    page.family(
        "refit_certificate_expiry_seconds",
        "gauge",
        "Seconds until a certificate of the fleet's CA expires; alert at 90, 30 and 7 days.",
    );
    for (of, seconds) in [("issuer", trust.issuer_s), ("root", trust.root_s)] {
        page.value(
            "refit_certificate_expiry_seconds",
            &[("certificate", of)],
            seconds,
        );
    }
    page.family(
        "refit_trust_bundle_number",
        "gauge",
        "The number of the trust bundle that devices should hold.",
    );
    page.value("refit_trust_bundle_number", &[], trust.bundle);
    page.family(
        "refit_barred",
        "gauge",
        "Devices that are revoked, retired or held as cloned, and revoked certificates of others.",
    );
    page.value("refit_barred", &[("kind", "device")], trust.barred.0);
    page.value("refit_barred", &[("kind", "certificate")], trust.barred.1);
    page.family(
        "refit_enrolment_put_off_total",
        "counter",
        "Requests for certificates that were put off, because too many came at a time.",
    );
    page.value(
        "refit_enrolment_put_off_total",
        &[],
        figures.counters.put_off(),
    );
    page.family(
        "refit_mqtt_tokens_put_off_total",
        "counter",
        "Wrong tokens over MQTT that were told to wait, because too many came from there.",
    );
    page.value(
        "refit_mqtt_tokens_put_off_total",
        &[],
        figures.tokens_put_off,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_described_once_and_has_the_prefix() {
        let text = write(&Figures {
            counts: &Counts::default(),
            stats: &Stats::default(),
            counters: &Counters::default(),
            grants: &crate::granting::Figures::default(),
            trust: Trust::default(),
            mqtt: &refit_mqtt::figures::Figures::default(),
            tokens_put_off: 0,
            connected: 3,
            deltas: 0,
            followers: 0,
            pollers: 0,
            stale_certificate: false,
            ready: true,
        });
        let mut families: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|rest| rest.split(' ').next())
            .collect();
        let all = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!(families.len(), all);
        assert!(families.iter().all(|name| name.starts_with("refit_")));
        assert!(text.contains("refit_devices{state=\"online\"} 3\n"));
    }
}
