//! `[limits]`: how often devices and applications may speak.

use std::num::NonZeroU32;

use refit_mqtt::quota::{APPLICATION_PACE, DEVICE_PACE};
use refit_tls::pace::Pace;

use super::given::Given;
use super::{Error, Key};

/// Beyond it a limit is none: more than one connection can carry.
const DEVICE_PER_S_MAX: u32 = 1_000;

/// About what one engine commits in a second.
const APPLICATION_PER_S_MAX: u32 = 100_000;

/// So many seconds of its rate at once, at the most: a burst is to be a burst.
const BURST_S_MAX: u32 = 600;

/// How often one may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paces {
    /// A device: over MQTT all it says and asks, over HTTP its updates.
    pub device: Pace,
    /// An application over MQTT, by its token.
    pub application: Pace,
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            device: DEVICE_PACE,
            application: APPLICATION_PACE,
        }
    }
}

impl Paces {
    pub(super) fn resolve(find: &impl Fn(Key) -> Option<Given>) -> Result<Self, Error> {
        let default = Self::default();
        let pace = |rate, burst, default, most| pace(find(rate), find(burst), default, most);
        Ok(Self {
            device: pace(
                Key::LimitsDeviceRate,
                Key::LimitsDeviceBurst,
                default.device,
                DEVICE_PER_S_MAX,
            )?,
            application: pace(
                Key::LimitsApplicationRate,
                Key::LimitsApplicationBurst,
                default.application,
                APPLICATION_PER_S_MAX,
            )?,
        })
    }
}

/// A rate alone has ten seconds of itself as its burst, as the defaults have.
fn pace(
    rate: Option<Given>,
    burst: Option<Given>,
    default: Pace,
    most: u32,
) -> Result<Pace, Error> {
    let per_s = rate.map(|given| given.number(1, most)).transpose()?;
    let per_s = per_s.unwrap_or(default.per_s);
    let burst_max = per_s.get().saturating_mul(BURST_S_MAX);
    let burst = burst.map(|given| given.number(1, burst_max)).transpose()?;
    let ten_seconds = per_s.saturating_mul(NonZeroU32::MIN.saturating_add(9));
    Ok(Pace {
        per_s,
        burst: burst.unwrap_or(ten_seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn resolve(file: &str) -> Result<Paces, Error> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("refit.toml");
        std::fs::write(&path, file).unwrap();
        Config::resolve(&[], |_| None, Some(&path)).map(|config| config.paces)
    }

    #[test]
    fn rates_and_bursts_are_numbers_within_bounds() {
        assert_eq!(resolve("").unwrap(), Paces::default());
        let paces = resolve("[limits]\ndevice-rate = 5\napplication-burst = \"7\"\n").unwrap();
        assert_eq!(
            (paces.device.per_s.get(), paces.device.burst.get()),
            (5, 50)
        );
        let application = paces.application;
        assert_eq!(
            (application.per_s.get(), application.burst.get()),
            (2000, 7)
        );
        for (line, hint) in [
            ("device-rate = 0", "from 1 to 1000"),
            ("device-rate = 1001", "from 1 to 1000"),
            ("device-rate = \"2/s\"", "from 1 to 1000"),
            ("device-rate = 2\ndevice-burst = 1201", "from 1 to 1200"),
            ("application-rate = 100001", "from 1 to 100000"),
            ("device-rat = 1", "limits-device-rate"),
        ] {
            let error = resolve(&format!("[limits]\n{line}")).unwrap_err();
            assert!(error.hint.contains(hint), "{line}: {error:?}");
        }
    }
}
