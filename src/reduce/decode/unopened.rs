//! Checks the payloads that no reduction rule needs. Only a check of the whole bundle
//! ([`Options::every_body`](crate::reduce::Options::every_body)) reads them.

use std::collections::HashSet;
use std::fmt;

use serde::de::IgnoredAny;

use super::decoded_payloads::DecodedPayloads;
use super::facts::UnreportedPayload;
use super::log::LogEntry;
use super::payloads::{UnusablePayload, location, parallel_map};
use crate::bundle::{Reader, StoredBody};
use crate::event::{PayloadRef, RawPayloadId, ReferencedKind};
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::{Diagnostics, Work};

/// A payload that no reduction rule needs, and the position of the first event that references it.
struct UnopenedPayload<'l> {
    reference: &'l PayloadRef,
    position: LogPosition,
}

/// Reads every referenced payload that no reduction rule needs, and reports each one that is missing or does not match
/// its reference.
pub(super) fn check(
    log: &[LogEntry],
    decoded: &DecodedPayloads,
    bundle: &Reader,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) {
    let mut seen = HashSet::new();
    let mut unopened = Vec::new();
    for LogEntry { line, record } in log {
        let position = LogPosition { seq: Some(record.seq), line: *line, after: None };
        record.event.for_each_payload(|reference| {
            let at = location(reference);
            if decoded.lookup(&at).is_none() && seen.insert(at) {
                unopened.push(UnopenedPayload { reference, position });
            }
        });
    }
    work.payloads += unopened.len() as u64;
    let found = parallel_map(&unopened, |payload| check_payload(payload.reference, bundle));
    for (UnopenedPayload { reference, position }, found) in unopened.iter().zip(found) {
        match found {
            Ok(bytes) => work.payload_bytes += bytes,
            Err(unusable) => report(&reference.kind, &unusable, *position, &reference.raw_payload_id, diagnostics),
        }
    }
}

/// Returns the payloads that a reduction rule needs but that cannot be used.
pub(super) fn unreported(log: &[LogEntry], decoded: &DecodedPayloads) -> Vec<UnreportedPayload> {
    let mut seen = HashSet::new();
    let mut unreported = Vec::new();
    for LogEntry { line, record } in log {
        record.event.for_each_payload(|reference| {
            let at = location(reference);
            if let Some(Some(unusable)) = decoded.lookup(&at)
                && seen.insert(at)
            {
                let position = LogPosition { seq: Some(record.seq), line: *line, after: None };
                let (payload, kind) = (reference.raw_payload_id.clone(), reference.kind.clone());
                unreported.push(UnreportedPayload { payload, kind, unusable: unusable.clone(), position });
            }
        });
    }
    unreported
}

/// Reports the payloads in `unreported`, unless a reduction rule has reported them.
pub(in crate::reduce) fn report_unreported(unreported: Vec<UnreportedPayload>, diagnostics: &mut Diagnostics) {
    let already_reported = diagnostics.bad_payloads();
    for UnreportedPayload { payload, kind, unusable, position } in unreported {
        if !already_reported.contains(&payload) {
            report(&kind, &unusable, position, &payload, diagnostics);
        }
    }
}

/// Reads a payload and returns its size in bytes. Returns the reason if the payload is missing or damaged.
fn check_payload(reference: &PayloadRef, bundle: &Reader) -> Result<u64, UnusablePayload> {
    let StoredBody { bytes: payload, is_json, .. } = bundle.stored_payload(reference)?;
    if is_json {
        let damaged = |error: &dyn fmt::Display| UnusablePayload::new(reference, format_args!("is not JSON: {error}"));
        let text = str::from_utf8(&payload).map_err(|error| damaged(&error))?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| damaged(&error))?;
    }
    Ok(payload.len() as u64)
}

/// Reports a payload that cannot be used.
fn report(
    kind: &ReferencedKind,
    unusable: &UnusablePayload,
    position: LogPosition,
    payload: &RawPayloadId,
    diagnostics: &mut Diagnostics,
) {
    let message = format!("cannot use a payload of kind {}: {}", kind.name(), unusable.reason);
    diagnostics.add(position, unusable.code, message, Some(payload));
}
