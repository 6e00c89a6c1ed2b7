//! Bodies that no rule opens. Only a check of the whole bundle looks at them.

use std::collections::HashSet;
use std::fmt;

use serde::de::IgnoredAny;

use super::bodies::{Unread, location, on_every_core};
use super::facts::Unheard;
use super::log::Entry;
use super::opened::Opened;
use crate::bundle::{Reader, StoredBody};
use crate::event::{PayloadKind, PayloadRef, RawPayloadId};
use crate::reduce::problems::Place;
use crate::reduce::{Problems, Work};

/// A body that no rule opens, and the first event that names it.
struct Unopened<'l> {
    reference: &'l PayloadRef,
    place: Place,
}

/// Tells of every body that an event names, that no rule opens, and that is not there or not what its name says.
pub(super) fn check(log: &[Entry], opened: &Opened, bundle: &Reader, problems: &mut Problems, work: &mut Work) {
    let mut seen = HashSet::new();
    let mut unopened = Vec::new();
    for Entry { line, record } in log {
        let place = Place { seq: Some(record.seq), line: *line, after: None };
        record.event.for_each_payload(|reference| {
            let at = location(reference);
            if opened.look(&at).is_none() && seen.insert(at) {
                unopened.push(Unopened { reference, place });
            }
        });
    }
    work.payloads += unopened.len() as u64;
    let found = on_every_core(&unopened, |body| look_at(body.reference, bundle));
    for (Unopened { reference, place }, found) in unopened.iter().zip(found) {
        match found {
            Ok(bytes) => work.payload_bytes += bytes,
            Err(unread) => tell(reference.kind, &unread, *place, &reference.raw_payload_id, problems),
        }
    }
}

/// All bodies that rules opened in vain.
pub(super) fn unheard(log: &[Entry], opened: &Opened) -> Vec<Unheard> {
    let mut seen = HashSet::new();
    let mut unheard = Vec::new();
    for Entry { line, record } in log {
        record.event.for_each_payload(|reference| {
            let at = location(reference);
            if let Some(Some(unread)) = opened.look(&at)
                && seen.insert(at)
            {
                let place = Place { seq: Some(record.seq), line: *line, after: None };
                let (payload, kind) = (reference.raw_payload_id.clone(), reference.kind);
                unheard.push(Unheard { payload, kind, unread: unread.clone(), place });
            }
        });
    }
    unheard
}

/// Tells of those that no rule told of.
pub(in crate::reduce) fn tell_unheard(unheard: Vec<Unheard>, problems: &mut Problems) {
    let told = problems.bad_payloads();
    for Unheard { payload, kind, unread, place } in unheard {
        if !told.contains(&payload) {
            tell(kind, &unread, place, &payload, problems);
        }
    }
}

/// How many bytes there are, or why they are not what they should be.
fn look_at(reference: &PayloadRef, bundle: &Reader) -> Result<u64, Unread> {
    let StoredBody { bytes: body, is_json, .. } = bundle.stored(reference)?;
    if is_json {
        let bad = |why: &dyn fmt::Display| Unread::of(reference, format_args!("is not JSON: {why}"));
        let text = str::from_utf8(&body).map_err(|error| bad(&error))?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| bad(&error))?;
    }
    Ok(body.len() as u64)
}

fn tell(kind: PayloadKind, unread: &Unread, place: Place, payload: &RawPayloadId, problems: &mut Problems) {
    let message = format!("a body of kind {} can't be used: {}", kind.name(), unread.why);
    problems.add(place, unread.code, message, Some(payload));
}
