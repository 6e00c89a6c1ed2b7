//! Reports the members of bodies that no rule reads.

use std::collections::{BTreeMap, HashSet};

use crate::event::RawPayloadId;
use crate::graph::Code;
use crate::reduce::Diagnostics;
use crate::reduce::decode::UnreadMember;
use crate::reduce::diagnostics::LogPosition;

/// Maximum number of members that are reported for one kind of object. Of the others the number is reported.
const MAX_NAMES: usize = 100;

/// The members that no rule reads, each reported once in a run, for the first body that has it.
#[derive(Debug, Default)]
pub(in crate::reduce) struct UnreadFields {
    shapes: BTreeMap<&'static str, Reported>,
    /// The bodies whose members were reported, by the address of their list of members. Several events may reference
    /// one body.
    bodies: HashSet<usize>,
    /// Number of members that were looked up.
    pub(in crate::reduce) looked_up: u64,
}

/// The members of one kind of object.
#[derive(Debug, Default)]
struct Reported {
    names: HashSet<Box<str>>,
    /// The first body with a member beyond [`MAX_NAMES`]. `None` if there is none.
    first_beyond: Option<(LogPosition, RawPayloadId)>,
}

impl UnreadFields {
    /// Reports the members of a body that no rule reads, unless an earlier body has them. `subject` names the body.
    pub(super) fn report(
        &mut self,
        position: impl Into<LogPosition>,
        subject: &str,
        payload: &RawPayloadId,
        members: &[UnreadMember],
        diagnostics: &mut Diagnostics,
    ) {
        let body = members.first().map(|first| std::ptr::from_ref(first).addr());
        if !body.is_some_and(|body| self.bodies.insert(body)) {
            return;
        }
        self.looked_up += members.len() as u64;
        let position = position.into();
        for UnreadMember { field, list } in members {
            let reported = self.shapes.entry(field.shape).or_default();
            if !reported.names.insert(field.name.clone()) {
                continue;
            }
            if reported.names.len() > MAX_NAMES {
                reported.first_beyond.get_or_insert_with(|| (position, payload.clone()));
                continue;
            }
            let path = if list.is_empty() { field.path.to_string() } else { format!("{list}[].{}", field.path) };
            let message = format!("{subject} has `{path}`, which no rule reads; its value is in the payload only");
            diagnostics.add(position, Code::UnreadField, message, Some(payload));
        }
    }

    /// Reports for each kind of object how many members were not reported one by one.
    pub(in crate::reduce) fn report_rest(self, diagnostics: &mut Diagnostics) {
        for (shape, Reported { names, first_beyond }) in self.shapes {
            let Some((position, payload)) = first_beyond else { continue };
            let more = names.len() - MAX_NAMES;
            let message = format!("{more} more members of a {shape} are read by no rule, from here on");
            diagnostics.add(position, Code::UnreadField, message, Some(&payload));
        }
    }
}
