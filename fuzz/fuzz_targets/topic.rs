//! Any text, as a topic, and as a filter and a topic on two lines: no panic, and a topic that is read is written the
//! same. `crates/refit-protocol/tests/corpus.rs` does the same with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_protocol::device_id;
use refit_protocol::topic::{self, Topic};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (filter, text) = text.split_once('\n').unwrap_or(("#", text));
    if let Some(topic) = Topic::parse(text) {
        assert_eq!(format!("state/{}/{}", topic.device, topic.kind.path()), text);
        assert!(device_id::check(topic.device).is_ok());
        assert!(topic::matches("state/#", text) && topic::matches(text, text));
    }
    let _ = topic::matches(filter, text);
});
