//! The order in which the events of a log and the payloads of a bundle were written.

use crate::bundle::{NamedPlaces, StorePlace};
use crate::reduce::decode::log::{Log, LogEntry};

/// The highest places in the stores that the events up to each event name. A payload is stored before the first event
/// that names it, so a payload at a higher place was stored after these events.
pub(super) struct StoreOrder {
    files: Vec<u64>,
    pack: Vec<u64>,
}

impl StoreOrder {
    pub(super) fn from_log(log: &[LogEntry]) -> Self {
        let (mut last_file, mut last_offset) = (0, 0);
        let (mut files, mut pack) = (Vec::with_capacity(log.len()), Vec::with_capacity(log.len()));
        for LogEntry { record, .. } in log {
            record.event.for_each_payload(|reference| match StorePlace::of(reference) {
                Some(StorePlace::File(number)) => last_file = number.max(last_file),
                Some(StorePlace::Pack(offset)) => {
                    last_offset = offset.max(last_offset);
                    // A file that no event names stays a file when its bundle is packed.
                    last_file = reference.raw_payload_id.number().unwrap_or_default().max(last_file);
                }
                None => {}
            });
            files.push(last_file);
            pack.push(last_offset);
        }
        Self { files, pack }
    }

    /// Returns the number of events that come before the first event that names a payload which was stored later than
    /// the payload at this place. An operation whose start is not among them started after the payload was stored.
    pub(super) fn events_before(&self, place: StorePlace) -> usize {
        match place {
            StorePlace::File(number) => self.files.partition_point(|last| *last <= number),
            StorePlace::Pack(offset) => self.pack.partition_point(|last| *last <= offset),
        }
    }
}

/// Returns the places of the payloads that the lines of a log name, also those that cannot be read otherwise.
pub(super) fn named_places(log: &Log) -> NamedPlaces {
    let mut named: NamedPlaces = log.skipped_line_payloads.iter().filter_map(StorePlace::of).collect();
    for LogEntry { record, .. } in &log.entries {
        record.event.for_each_payload(|reference| named.extend(StorePlace::of(reference)));
    }
    named
}
