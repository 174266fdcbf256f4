//! What a gate or a window stands for, as sentences: for `why`, the console and the command line alike.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use refit_protocol::time::Timestamp;

use crate::gate::{Missing, Settings, Verdict};
use crate::window::{DAYS, Opening, Zone};

/// Past six days the name of a day could be this week's or the next.
const NAMED_DAYS_MS: u64 = 6 * 86_400_000;

/// Returns what a closed window means for a device in this zone, such as `window closed until Sun 02:00
/// Europe/Berlin`; `None` if it is open.
pub fn window(opening: Option<&Opening>, zone: &Zone, now: Timestamp) -> Option<String> {
    let Some(opening) = opening else {
        return Some("no window ever opens: `refit rollout plan` says why".into());
    };
    if opening.from <= now {
        return None;
    }
    let wall = zone.wall(opening.from);
    let day = DAYS
        .get(wall.weekday().to_monday_zero_offset().unsigned_abs() as usize)
        .copied()
        .unwrap_or_default();
    let date = if opening.from.as_millis() - now.as_millis() > NAMED_DAYS_MS {
        format!(" {}", wall.date())
    } else {
        String::new()
    };
    let (hour, minute) = (wall.hour(), wall.minute());
    Some(format!(
        "window closed until {}{date} {hour:02}:{minute:02} {zone}",
        capital(day)
    ))
}

/// Returns what a gate says of a wave; `None` if it is open.
pub fn gate(verdict: &Verdict, settings: &Settings) -> Option<String> {
    let hours = settings.soak_hours;
    match verdict {
        Verdict::GoOn => None,
        Verdict::Wait { missing } => Some(format!("health not shown yet: {}", all(missing, hours))),
        Verdict::Insufficient { missing } => Some(format!(
            "insufficient evidence of health after {} h: {}; advance it, or wait with more devices",
            settings.max_soak_hours,
            all(missing, hours)
        )),
        Verdict::Stop {
            metric,
            e,
            observed,
            baseline,
        } => Some(format!(
            "stopped by {}: {:.2} % of the updated devices against {:.2} % of those not updated, in {hours} h (e = {e:.0})",
            metric.as_str(),
            observed.over(hours) * 100.0,
            baseline.over(hours) * 100.0,
        )),
    }
}

fn all(missing: &[Missing], hours: u32) -> String {
    let each: Vec<String> = missing.iter().map(|one| lacking(one, hours)).collect();
    each.join("; ")
}

fn lacking(missing: &Missing, hours: u32) -> String {
    let shown = missing.bound.map_or_else(
        || "nothing is excluded yet".into(),
        |bound| format!("at most {:.2} points worse is shown", bound * 100.0),
    );
    format!(
        "{}: {shown}, {:.2} in {hours} h is demanded ({} device-hours without an event)",
        missing.metric.as_str(),
        missing.margin * 100.0,
        missing.device_hours
    )
}

fn capital(day: &str) -> String {
    let mut letters = day.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
    })
}
