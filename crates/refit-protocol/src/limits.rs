//! The limits of the wire, each with its unit in the name (design §5, semantics 34 and 35).

/// The longest update payload, in bytes. A longer one is answered 413.
pub const UPDATE_BYTES_MAX: usize = 8 * 1024;

/// The deepest nesting of an update document; its outermost object is level 1.
pub const UPDATE_DEPTH_MAX: usize = 8;

/// The largest desired and reported state of one record together, in bytes of compact JSON.
pub const STATE_BYTES_MAX: usize = 8 * 1024;

/// The longest client token, in bytes.
pub const CLIENT_TOKEN_BYTES_MAX: usize = 64;

/// The longest job ID, in bytes.
pub const JOB_ID_BYTES_MAX: usize = 64;

/// The longest reason of an acknowledgement that is kept, in bytes.
pub const REASON_BYTES_MAX: usize = 1024;

/// The longest name of a phase in a progress report, in bytes.
pub const PHASE_BYTES_MAX: usize = 64;

/// The largest integer in a document: 2^53 - 1, the largest that every JSON implementation reads exactly (RFC 8259 §6).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The highest epoch of a store: a record's version is epoch · 2^40 + counter and stays within [`INTEGER_MAX`].
pub const EPOCH_MAX: u16 = (1 << 13) - 1;
