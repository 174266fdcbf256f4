//! Small records to write.

use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_replica::record::Record;
use refit_store::store::{Guard, Operation};

pub(crate) fn device(number: u64) -> DeviceId {
    DeviceId::parse(&format!("d{number}")).unwrap()
}

/// An operation that makes a device report `n`, and as many bytes of padding as asked.
pub(crate) fn report(number: u64, from: Option<Guard>, n: u64, padding: usize) -> Operation {
    let mut record = Record {
        version: n,
        ..Record::default()
    };
    record.reported.insert("n".into(), n.into());
    record
        .reported
        .insert("padding".into(), "x".repeat(padding).into());
    Operation {
        device: device(number),
        from,
        record,
        jobs: Vec::new(),
        events: Vec::new(),
        rollout: None,
        audit: Vec::new(),
        seen: None,
        at: Timestamp(n),
    }
}
