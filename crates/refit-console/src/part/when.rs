//! Times: how long ago, and exactly when for whoever asks.

use maud::{Markup, html};
use refit_protocol::time::Timestamp;

/// Writes when something was or will be, as seen from `now`. The exact time is in the title, UTC; the script adds the
/// reader's own.
pub fn when(at: Timestamp, now: Timestamp) -> Markup {
    let exact = at.rfc3339();
    let (past, future) = (
        now.as_millis().saturating_sub(at.as_millis()),
        at.as_millis().saturating_sub(now.as_millis()),
    );
    html! {
        time datetime=(exact) title=(exact) {
            @if future > 0 { "in " (span(future)) }
            @else if past < 1000 { "now" }
            @else { (span(past)) " ago" }
        }
    }
}

/// Writes a length of time by its largest unit: `3 min`.
pub fn span(millis: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (365 * 86_400_000, "y"),
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    for (unit, name) in UNITS {
        if millis >= unit {
            return format!("{} {name}", millis / unit);
        }
    }
    "0 s".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_from_now() {
        let text = |at, now| when(Timestamp(at), Timestamp(now)).into_string();
        assert!(text(1_000, 181_000).ends_with(">3 min ago</time>"));
        assert!(text(90_000_000, 1_000).ends_with(">in 1 d</time>"));
        assert!(text(5, 5).ends_with(">now</time>"));
        assert!(text(0, 0).starts_with("<time datetime=\"1970-01-01T00:00:00.000Z\""));
    }
}
