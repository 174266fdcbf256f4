//! What is remembered of grants, within bounds: how often a job's were refused for their address, what was told of
//! it, and from where a device last asked. A restart forgets it; then a few more are minted, and a few things told
//! again.

use std::collections::HashMap;
use std::net::IpAddr;

use refit_depot::grant::Refused;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::JobId;
use refit_protocol::time::Timestamp;

/// How many devices are remembered. When there are more, all are forgotten: each costs about 200 bytes, and what is
/// forgotten only has to be learnt again.
const DEVICES_MAX: usize = 100_000;

/// How long an address counts that a device asked from, in milliseconds: mobile networks give another one often.
const ADDRESS_MS_MAX: u64 = 3_600_000;

/// How often a refusal is told whose device is not known, in milliseconds, for each reason.
const UNKNOWN_TOLD_MS: u64 = 60_000;

#[derive(Default)]
pub(super) struct Ledger {
    devices: HashMap<DeviceId, Notes>,
    unknown_told: [Option<Timestamp>; Refused::REASONS.len()],
}

#[derive(Default)]
struct Notes {
    job: Option<JobId>,
    /// How often a URL was minted for the job after one had been refused for its address.
    minted_again: u8,
    /// Whether one was refused for its address since the last was minted.
    address_refused: bool,
    used_told: bool,
    /// A bit for each reason.
    refused_told: u16,
    address: Option<(IpAddr, Timestamp)>,
}

impl Ledger {
    fn of(&mut self, device: &DeviceId) -> &mut Notes {
        if self.devices.len() >= DEVICES_MAX && !self.devices.contains_key(device) {
            self.devices.clear();
        }
        self.devices.entry(device.clone()).or_default()
    }

    /// Returns how often a URL of this job was minted anew because one had been refused for its address, the one that
    /// is minted next included.
    pub(super) fn refusals(&self, device: &DeviceId, job: Option<&JobId>) -> u8 {
        let notes = self
            .devices
            .get(device)
            .filter(|notes| notes.job.as_ref() == job);
        notes.map_or(0, |notes| {
            notes
                .minted_again
                .saturating_add(notes.address_refused.into())
        })
    }

    pub(super) fn minted(&mut self, device: &DeviceId, job: Option<&JobId>) {
        let notes = self.of(device);
        if notes.job.as_ref() == job {
            notes.minted_again = notes
                .minted_again
                .saturating_add(notes.address_refused.into());
            notes.address_refused = false;
        } else {
            *notes = Notes {
                job: job.cloned(),
                address: notes.address,
                ..Notes::default()
            };
        }
    }

    /// Returns the job, if it is to be told.
    pub(super) fn used(&mut self, device: &DeviceId) -> Option<Option<JobId>> {
        let notes = self.of(device);
        (!std::mem::replace(&mut notes.used_told, true)).then(|| notes.job.clone())
    }

    /// Returns the job, if it is to be told.
    pub(super) fn refused(&mut self, refused: &Refused, now: Timestamp) -> Option<Option<JobId>> {
        let Some(device) = refused.device() else {
            let told = &mut self.unknown_told[refused.place()];
            let silent = told.is_some_and(|at| now.0.saturating_sub(at.0) < UNKNOWN_TOLD_MS);
            if !silent {
                *told = Some(now);
            }
            return (!silent).then_some(None);
        };
        let notes = self.of(device);
        notes.address_refused |= matches!(refused, Refused::Address(_));
        let bit = 1 << refused.place();
        let silent = notes.refused_told & bit != 0;
        notes.refused_told |= bit;
        (!silent).then(|| notes.job.clone())
    }

    pub(super) fn seen(&mut self, device: &DeviceId, address: IpAddr, now: Timestamp) {
        self.of(device).address = Some((address, now));
    }

    /// Returns from where the device asked, unless that is too long ago.
    pub(super) fn address(&self, device: &DeviceId, now: Timestamp) -> Option<IpAddr> {
        let (address, at) = self.devices.get(device)?.address?;
        (now.0.saturating_sub(at.0) < ADDRESS_MS_MAX).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn device() -> DeviceId {
        DeviceId::parse("lamp-7").unwrap()
    }

    #[test]
    fn only_what_is_minted_after_a_refusal_counts_and_for_its_job() {
        let (mut ledger, one) = (Ledger::default(), JobId::parse("j1"));
        let other = JobId::parse("j2");
        let refused = Refused::Address(Box::new(device()));
        for _ in 0..5 {
            ledger.minted(&device(), one.as_ref());
        }
        assert_eq!(ledger.refusals(&device(), one.as_ref()), 0);
        for count in 1..=4 {
            for _ in 0..10 {
                ledger.refused(&refused, NOW);
            }
            assert_eq!(ledger.refusals(&device(), one.as_ref()), count);
            ledger.minted(&device(), one.as_ref());
        }
        assert_eq!(ledger.refusals(&device(), other.as_ref()), 0);
        ledger.minted(&device(), other.as_ref());
        assert_eq!(ledger.refusals(&device(), other.as_ref()), 0);
    }

    #[test]
    fn range_requests_and_repeated_refusals_are_told_once_a_job() {
        let (mut ledger, job) = (Ledger::default(), JobId::parse("j1"));
        ledger.minted(&device(), job.as_ref());
        assert_eq!(ledger.used(&device()), Some(job.clone()));
        assert_eq!(ledger.used(&device()), None);
        let refused = Refused::Address(Box::new(device()));
        assert_eq!(ledger.refused(&refused, NOW), Some(job.clone()));
        assert_eq!(ledger.refused(&refused, NOW), None);
        let other = Refused::OtherDevice(Box::new(device()));
        assert_eq!(ledger.refused(&other, NOW), Some(job));
        let next = JobId::parse("j2");
        ledger.minted(&device(), next.as_ref());
        assert_eq!(ledger.used(&device()), Some(next));
    }

    #[test]
    fn what_nobody_signed_is_told_once_a_minute() {
        let mut ledger = Ledger::default();
        let at = |ledger: &mut Ledger, ms| ledger.refused(&Refused::BadSignature, Timestamp(ms));
        assert_eq!(at(&mut ledger, 0), Some(None));
        assert_eq!(at(&mut ledger, 59_999), None);
        assert_eq!(at(&mut ledger, 60_000), Some(None));
    }

    #[test]
    fn an_address_counts_for_an_hour_and_memory_is_bounded() {
        let mut ledger = Ledger::default();
        let address = "203.0.113.7".parse().unwrap();
        ledger.seen(&device(), address, NOW);
        assert_eq!(
            ledger.address(&device(), Timestamp(NOW.0 + ADDRESS_MS_MAX - 1)),
            Some(address)
        );
        assert_eq!(
            ledger.address(&device(), Timestamp(NOW.0 + ADDRESS_MS_MAX)),
            None
        );
        for number in 0..DEVICES_MAX + 10 {
            let device = DeviceId::parse(&format!("d{number}")).unwrap();
            ledger.minted(&device, None);
        }
        assert!(ledger.devices.len() <= DEVICES_MAX);
    }
}
