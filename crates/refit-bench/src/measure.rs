//! Clocks that are read for a figure, and what is made of many readings.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What a run did.
pub(crate) struct Run {
    pub(crate) updates: u64,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
}

impl Run {
    /// Returns its rate.
    pub(crate) fn per_second(&self) -> f64 {
        self.updates as f64 / self.took.as_secs_f64()
    }

    /// Returns the processor time of one update, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.updates as f64
    }
}

/// Returns the processor time that this process has used.
pub(crate) fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// Returns the processor time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// Returns the value below which this share of all lies.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let at = (sorted.len() as f64 * share) as usize;
    let at = at.min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// Returns the middle of a few figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Returns how busy the machine was in the last minute.
pub(crate) fn load() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = load.split(' ').next().and_then(|word| word.parse().ok());
    first.unwrap_or(f64::NAN)
}
