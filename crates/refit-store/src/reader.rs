//! What can be asked of a store. Lists are read page by page, each page after the last key of the one before, so
//! that they stay right while records come and change, and cost the same at the end as at the beginning.

use refit_access::audit::Head;
use refit_access::span::Span;
use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::job::{JobId, Status};
use refit_protocol::rollout::{RolloutId, RolloutName};
use refit_protocol::time::Timestamp;
use refit_replica::record::JobEntry;

use crate::access::{SessionRow, TokenRow, UserRow};
use crate::answer::Answer;
use crate::audit::{AuditFilter, AuditFrom, AuditLine};
use crate::facts::{DeviceFacts, ScanRow};
use crate::identity::{
    BarredRows, CertificateRow, ClaimRow, IdentityRow, IssuerCount, TrustCount, TrustRow,
};
use crate::list::ListRow;
use crate::release::Release;
use crate::rollout::{AssignedRow, Cluster, JobKind, RolloutRow, Wave, WaveCounts};
use crate::store::{DeviceKey, Failure, Stored};

/// Reads what is durable. Each call sees one moment; two calls may see two.
pub trait Reader: Send {
    /// Returns the record of a device.
    fn load(&mut self, device: &DeviceId) -> Result<Option<Stored>, Failure>;

    /// Returns several records, in the order asked, of one moment.
    fn load_many(&mut self, wanted: &[Wanted]) -> Result<Vec<Option<Stored>>, Failure>;

    /// Lists devices by ID, from behind `after`, of a stretch of IDs.
    fn devices(
        &mut self,
        within: &Span,
        after: Option<&DeviceId>,
        limit: usize,
    ) -> Result<Vec<DeviceRow>, Failure>;

    /// Returns what is known of a device beside its record.
    fn facts(&mut self, device: &DeviceId) -> Result<Option<DeviceFacts>, Failure>;

    /// Reads the whole fleet page by page, by number, from behind `after`: the devices that were removed too, and of
    /// each all that an index over the fleet needs.
    fn scan(&mut self, after: DeviceKey, limit: usize) -> Result<Vec<ScanRow>, Failure>;

    /// Returns the numbers of devices, in the order asked.
    fn keys(&mut self, devices: &[DeviceId]) -> Result<Vec<Option<DeviceKey>>, Failure>;

    /// Names the uploaded lists of IDs, by name.
    fn lists(&mut self) -> Result<Vec<ListRow>, Failure>;

    /// Returns the IDs of an uploaded list, in their order.
    fn list_ids(&mut self, name: &str) -> Result<Option<Vec<DeviceId>>, Failure>;

    /// Returns a job and its device.
    fn job(&mut self, id: &JobId) -> Result<Option<JobRow>, Failure>;

    /// Lists the jobs of a device, the newest first, from before `before`.
    fn jobs_of(
        &mut self,
        device: &DeviceId,
        before: Option<JobNumber>,
        limit: usize,
    ) -> Result<Vec<JobRow>, Failure>;

    /// Lists all jobs, or those in one state, the newest first, from before `before`.
    fn jobs(
        &mut self,
        status: Option<Status>,
        before: Option<JobNumber>,
        limit: usize,
    ) -> Result<Vec<JobRow>, Failure>;

    /// Returns the devices whose open job is RUNNING: their timers run although nobody has asked for them.
    fn running(&mut self) -> Result<Vec<DeviceId>, Failure>;

    /// Lists all rollouts, the oldest first.
    fn rollouts(&mut self) -> Result<Vec<RolloutRow>, Failure>;

    /// Returns a rollout.
    fn rollout(&mut self, name: &RolloutName) -> Result<Option<RolloutRow>, Failure>;

    /// Returns the waves of a rollout with their members, in order.
    fn waves(&mut self, rollout: RolloutId) -> Result<Vec<Wave>, Failure>;

    /// Returns how many jobs of each wave are of which kind, from counters kept with every commit.
    fn rollout_counts(&mut self, rollout: RolloutId) -> Result<Vec<WaveCounts>, Failure>;

    /// Returns the same by counting; slow, for checks.
    fn rollout_recount(&mut self, rollout: RolloutId) -> Result<Vec<WaveCounts>, Failure>;

    /// Lists the jobs of a rollout, all or those of one kind, the newest first, from before `before`.
    fn rollout_jobs(
        &mut self,
        rollout: RolloutId,
        kind: Option<JobKind>,
        before: Option<JobNumber>,
        limit: usize,
    ) -> Result<Vec<JobRow>, Failure>;

    /// Lists the devices that a rollout has reached, by number, from behind `after`: what is still to do is the rest.
    fn assigned(
        &mut self,
        rollout: RolloutId,
        after: DeviceKey,
        limit: usize,
    ) -> Result<Vec<AssignedRow>, Failure>;

    /// Returns the jobs that went wrong, by how and from where, the most frequent first.
    fn failure_clusters(
        &mut self,
        rollout: RolloutId,
        limit: usize,
    ) -> Result<Vec<Cluster>, Failure>;

    /// Lists all releases by name, each name's in the order of its versions.
    fn releases(&mut self) -> Result<Vec<Release>, Failure>;

    /// Returns a release.
    fn release(&mut self, name: &str, version: &str) -> Result<Option<Release>, Failure>;

    /// Returns the releases that have this artifact: one, unless the same bytes were added under several names.
    fn releases_of(&mut self, digest: &Digest) -> Result<Vec<Release>, Failure>;

    /// Tells who desires an artifact of the depot.
    fn desires(&mut self, digest: &Digest) -> Result<Desires, Failure>;

    /// Returns how many devices and jobs there are, from counters kept with every commit.
    fn counts(&mut self) -> Result<Counts, Failure>;

    /// Returns the same by counting; slow, for checks.
    fn recount(&mut self) -> Result<Counts, Failure>;

    /// Lists all tokens by name, those that were revoked or have expired too.
    fn tokens(&mut self) -> Result<Vec<TokenRow>, Failure>;

    /// Lists all users by name.
    fn users(&mut self) -> Result<Vec<UserRow>, Failure>;

    /// Lists all sessions, in no order; some may have expired.
    fn sessions(&mut self) -> Result<Vec<SessionRow>, Failure>;

    /// Returns what was answered to a caller under a key, unless that was before `since`.
    fn answer(
        &mut self,
        caller: &str,
        key: &str,
        since: Timestamp,
    ) -> Result<Option<Answer>, Failure>;

    /// Lists all claim tokens, the newest first.
    fn claims(&mut self) -> Result<Vec<ClaimRow>, Failure>;

    /// Returns a claim token.
    fn claim(&mut self, id: ClaimId) -> Result<Option<ClaimRow>, Failure>;

    /// Returns what is known of a device's identity.
    fn identity(&mut self, device: &DeviceId) -> Result<Option<IdentityRow>, Failure>;

    /// Lists the certificates of a device, the newest first.
    fn certificates_of(&mut self, device: &DeviceId) -> Result<Vec<CertificateRow>, Failure>;

    /// Returns all devices and certificates that must be refused.
    fn barred(&mut self) -> Result<BarredRows, Failure>;

    /// Lists the trust bundles, the newest first.
    fn trust(&mut self, limit: usize) -> Result<Vec<TrustRow>, Failure>;

    /// Tells how many certificates of each issuer are in use at this time.
    fn issuers(&mut self, at: Timestamp) -> Result<Vec<IssuerCount>, Failure>;

    /// Lists the devices whose certificate in use at this time is of another issuer. It reads all certificates.
    fn holders_of_others(
        &mut self,
        issuer: Digest,
        at: Timestamp,
    ) -> Result<Vec<DeviceId>, Failure>;

    /// Tells how many of the devices that were seen since then reported which trust bundle. It reads all of them.
    fn trust_counts(&mut self, since: Timestamp) -> Result<Vec<TrustCount>, Failure>;

    /// Lists lines of the audit log.
    fn audit(
        &mut self,
        from: AuditFrom,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<AuditLine>, Failure>;

    /// Returns the number of the audit log's last line, and the head of its chain.
    fn audit_head(&mut self) -> Result<(u64, Head), Failure>;

    /// Counts the devices of the list, no further than `most`.
    fn count_devices(&mut self, most: usize) -> Result<u64, Failure>;

    /// Counts the jobs of a device, no further than `most`.
    fn count_jobs_of(&mut self, device: &DeviceId, most: usize) -> Result<u64, Failure>;

    /// Counts the lines of the audit log that fit, among so many of the newest.
    fn count_audit(&mut self, filter: &AuditFilter, newest: usize) -> Result<u64, Failure>;

    /// Returns a small fact about the installation.
    fn meta(&mut self, key: &str) -> Result<Option<String>, Failure>;
}

/// A record to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The device.
    pub device: DeviceId,
    /// Its number, if that is remembered: it saves looking the name up. A number that is not this device's does no
    /// harm.
    pub key: Option<DeviceKey>,
}

/// A device, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its ID: the key of the list.
    pub id: DeviceId,
    /// The version of its record.
    pub version: u64,
    /// The software that is desired.
    pub desired_software: Option<String>,
    /// The software that it last reported.
    pub reported_software: Option<String>,
    /// Its open job.
    pub job: Option<(JobId, Status)>,
    /// When it last spoke, as of the last write.
    pub seen: Option<Timestamp>,
}

/// The place of a job in the order of opening: the key of its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobNumber(pub u64);

/// A job of the history, open or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    /// Its place in the order of opening.
    pub number: JobNumber,
    /// Its device.
    pub device: DeviceId,
    /// The job.
    pub entry: JobEntry,
    /// As what its rollout counts it, if it is one's.
    pub kind: Option<JobKind>,
}

/// Who desires an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desires {
    /// How many devices.
    pub devices: u64,
    /// One of them.
    pub first: Option<DeviceId>,
}

/// How many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices.
    pub devices: u64,
    /// Jobs of the history, in the order of [`Status::ALL`].
    pub jobs: [u64; Status::ALL.len()],
}

impl Counts {
    /// Returns how many jobs are in this state.
    pub fn jobs_in(&self, status: Status) -> u64 {
        Status::ALL
            .iter()
            .zip(self.jobs)
            .find_map(|(state, count)| (*state == status).then_some(count))
            .unwrap_or_default()
    }
}
