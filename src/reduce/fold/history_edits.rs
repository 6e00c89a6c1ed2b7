//! Changes of the conversation that a provider makes, or may make, before the model reads it.

use std::collections::{HashMap, HashSet};

use super::conversation::ItemSource;
use crate::event::ThreadId;
use crate::graph::{Code, EditStatus, HistoryEdit, ItemId};
use crate::provider::{AppliedEdit, PermittedEdit};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ResponseBody, ResponseItems};

/// Name of the change by which the provider replaces the conversation with a summary.
pub(super) const COMPACTION: &str = "compaction";

/// The changes that the requests of calls permit, while facts are folded.
#[derive(Debug, Default)]
pub(super) struct HistoryEdits {
    /// The permitted changes that were reported, by thread.
    reported: HashSet<(ThreadId, Box<str>)>,
    /// The permitted changes of which the response reports whether they were made, by the index of the call.
    awaited: HashMap<usize, Vec<Box<str>>>,
}

impl HistoryEdits {
    /// Adds the changes that the request of a call permits. Returns those of which nothing will report whether they were
    /// made.
    pub(super) fn permit(&mut self, call: usize, permitted: &[PermittedEdit]) -> Vec<Box<str>> {
        let (awaited, possible): (Vec<_>, Vec<_>) = permitted.iter().partition(|edit| edit.is_reported);
        if !awaited.is_empty() {
            self.awaited.insert(call, awaited.into_iter().map(|edit| edit.name.as_ref().into()).collect());
        }
        possible.into_iter().map(|edit| edit.name.as_ref().into()).collect()
    }

    /// Returns the changes that the response of a call shows to be possible: those that it repeats from the request, and
    /// those that its end would report, if it has no end.
    pub(super) fn permitted_in_response(&mut self, call: usize, body: &ResponseBody) -> Vec<Box<str>> {
        let awaited = self.awaited.remove(&call).unwrap_or_default();
        let is_whole = body.partial.is_none() && matches!(body.items, ResponseItems::Listed(_));
        let repeated = body.permitted_edits.iter().filter(|edit| !edit.is_reported);
        let repeated = repeated.map(|edit| edit.name.as_ref().into());
        repeated.chain(awaited.into_iter().filter(|_| !is_whole)).collect()
    }

    /// Returns the changes that the provider may have made, except those that are known already. Reports each once for
    /// the thread of the call.
    pub(super) fn possible(
        &mut self,
        source: &ItemSource<'_>,
        names: Vec<Box<str>>,
        known: &[HistoryEdit],
        diagnostics: &mut Diagnostics,
    ) -> Vec<HistoryEdit> {
        let is_known = |name: &str| known.iter().any(|edit| *edit.name == *name);
        let names: Vec<_> = names.into_iter().filter(|name| !is_known(name)).collect();
        for name in &names {
            if self.reported.insert((source.thread.clone(), name.clone())) {
                let message = format!(
                    "{} permits the provider to change the conversation (`{name}`), and nothing reports whether it did: \
                     the model may not have seen all listed items, in this and in further calls of the thread",
                    source.subject
                );
                diagnostics.add(source.at, Code::HistoryEdited, message, Some(source.payload));
            }
        }
        let possible = |name| HistoryEdit { name, status: EditStatus::Possible, report: None };
        names.into_iter().map(possible).collect()
    }
}

/// Returns the changes that a response reports, and reports each.
pub(super) fn applied(
    source: &ItemSource<'_>,
    applied: &[AppliedEdit],
    diagnostics: &mut Diagnostics,
) -> Vec<HistoryEdit> {
    let mut edits = Vec::with_capacity(applied.len());
    for AppliedEdit { name, report } in applied {
        let details = report.as_ref().map(|report| format!(" ({report})")).unwrap_or_default();
        let message = format!(
            "{} reports that the provider changed the conversation before the model read it: {name}{details}; \
             the model did not see all items of the request",
            source.subject
        );
        diagnostics.add(source.at, Code::HistoryEdited, message, Some(source.payload));
        edits.push(HistoryEdit { name: name.clone(), status: EditStatus::Applied, report: report.clone() });
    }
    edits
}

/// Returns the compaction with which the provider replaced the conversation in a response, and reports it. `item` is the
/// summary.
pub(super) fn compaction(source: &ItemSource<'_>, item: ItemId, diagnostics: &mut Diagnostics) -> HistoryEdit {
    let message = format!(
        "{} has a compaction, {item}: the provider replaced what stands before it, so what the model wrote behind it, \
         and the calls that continue it, rest on the compaction",
        source.subject
    );
    diagnostics.add(source.at, Code::HistoryEdited, message, Some(source.payload));
    HistoryEdit { name: COMPACTION.into(), status: EditStatus::Applied, report: None }
}
