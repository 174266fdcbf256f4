//! One device: (record, input, now) to (record, effects).
