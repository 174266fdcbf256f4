//! What a session bounds, for a device and for an application. All but the window are announced or can be seen.

/// Bounds of one session.
#[derive(Debug)]
pub(super) struct Limits {
    /// QoS 1 and 2 messages that the client may have unacknowledged: MQTT 5's Receive Maximum.
    pub(super) receive_maximum: u16,
    /// Submissions without a receipt before reading pauses. 3.1.1 knows no Receive Maximum, and QoS 0 is under none.
    pub(super) undecided_max: u32,
    /// QoS 2 identifiers between PUBREC and PUBREL in 3.1.1; a client that never releases is ended.
    pub(super) unreleased_max: usize,
    /// QoS 1 messages of ours that we let be unacknowledged, whatever the client takes.
    pub(super) window: u16,
    /// Messages that wait for the window before the client is ended as too slow.
    pub(super) waiting_max: usize,
}

/// A device has one state to speak of; this is far more than it needs.
pub(super) const DEVICE: Limits = Limits {
    receive_maximum: 16,
    undecided_max: 64,
    unreleased_max: 64,
    window: 16,
    waiting_max: 256,
};

/// An application writes to, and watches, many devices.
pub(super) const APPLICATION: Limits = Limits {
    receive_maximum: 256,
    undecided_max: 1024,
    unreleased_max: 1024,
    window: 1024,
    waiting_max: 4096,
};

/// Filters of an application.
pub(super) const FILTERS_MAX: usize = 64;

/// Filters of a device, within its own topics, that match nothing.
pub(super) const BARREN_FILTERS_MAX: usize = 8;
