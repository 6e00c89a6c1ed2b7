//! The payloads that a process stored before it was killed, and that no event names: the answers of calls of models and
//! the results of tools whose ends are not in the log.
//!
//! A recorder stores the answer in a span when the last thread exits the span, and names it in the end of the operation.
//! A connection pool may hold the span until the process is killed.

mod body;
mod open_operations;
mod store_order;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use super::facts::{RecordedResponse, ResultPayload, StoredResult, StreamedResponse};
use super::item_cache::ItemCache;
use super::log::{Log, LogEntry};
use super::payloads::parallel_map;
use crate::bundle::{Reader, UnnamedPayload};
use crate::event::{InferenceId, PayloadRef, RawPayloadId};
use crate::graph::Code;
use crate::provider::ApiSet;
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::{Diagnostics, Work};
use body::{Body, Content};
use open_operations::{OpenOperation, OpenOperations, Operation};
use store_order::StoreOrder;

/// The outcomes of operations without an end event, in payloads that no event names.
#[derive(Default)]
pub(super) struct UnnamedPayloads {
    /// The payloads whose kind is known.
    references: Vec<PayloadRef>,
    /// The outcomes, each with the index of the last event that was written before it was stored, as far as it is known.
    outcomes: Vec<(usize, StoredOutcome)>,
    /// Index of the outcome of each operation.
    by_operation: HashMap<Operation, usize>,
}

/// The outcome of an operation without an end event.
pub(super) enum StoredOutcome {
    Answer(StreamedResponse),
    Result(StoredResult),
}

impl UnnamedPayloads {
    /// Finds the payloads of a bundle that no event names, and reports them. Finds none in a log that has an end, or in
    /// which all operations have ended.
    pub(super) fn find(
        log: &Log,
        bundle: &Reader,
        cache: &ItemCache,
        diagnostics: &mut Diagnostics,
        work: &mut Work,
    ) -> Self {
        let Some(open) = OpenOperations::from_log(&log.entries) else { return Self::default() };
        let order = StoreOrder::from_log(&log.entries);
        let mut unnamed = bundle.unnamed_payloads(&store_order::named_places(log));
        unnamed.retain(|payload| open.has_any_before(order.events_before(payload.place)));
        let bytes = AtomicU64::new(0);
        let bodies = parallel_map(&unnamed, |payload| {
            let read = bundle.stored_payload(&payload.reference())?;
            bytes.fetch_add(read.bytes.len() as u64, Ordering::Relaxed);
            Body::parse(payload.kind, &read, cache)
        });
        work.payloads += bodies.len() as u64;
        work.payload_bytes += bytes.into_inner();
        let mut found = Self::default();
        for (payload, body) in unnamed.iter().zip(bodies) {
            let events = order.events_before(payload.place);
            match body {
                Ok(body) if open.is_of_ended_call(&body) => {}
                Ok(body) => {
                    let operation = open.operation_of(&body, events);
                    found.add(payload, body, operation, (events, &log.entries), diagnostics);
                }
                Err(reason) => report(payload, None, &format!("it is left out: {}", reason.0), None, diagnostics),
            }
        }
        found
    }

    /// Reports a payload, and adds it as the outcome of its operation. Of several, the one that was stored last counts.
    fn add(
        &mut self,
        payload: &UnnamedPayload,
        body: Body,
        operation: Option<&OpenOperation>,
        (events, log): (usize, &[LogEntry]),
        diagnostics: &mut Diagnostics,
    ) {
        let reference = PayloadRef { kind: body.kind.into(), ..payload.reference() };
        let id = reference.raw_payload_id.clone();
        self.references.push(reference);
        let Some(OpenOperation { start, operation }) = operation else {
            let message = "it is not known to which operation it belongs";
            return report(payload, None, message, Some(&id), diagnostics);
        };
        let message = format!("it is kept as the {} of {operation}, which has no end", body.content.name());
        report(payload, log.get(*start), &message, Some(&id), diagnostics);
        let outcome = match (body.content, operation) {
            (Content::Answer(body), Operation::Call(call)) => StoredOutcome::Answer(StreamedResponse {
                inference_call_id: call.clone(),
                response: RecordedResponse::in_payload(id, Ok(body)),
            }),
            (Content::Result { any, stdin, .. }, Operation::Tool { tool_call_id, is_stdin }) => {
                let result = if *is_stdin { ResultPayload::Stdin(Ok(stdin)) } else { ResultPayload::Any(Ok(any)) };
                StoredOutcome::Result(StoredResult { tool_call_id: tool_call_id.clone(), payload: id, result })
            }
            (Content::Answer(_), Operation::Tool { .. }) | (Content::Result { .. }, Operation::Call(_)) => return,
        };
        let outcome = (events.saturating_sub(1), outcome);
        match self.by_operation.get(operation).and_then(|&index| self.outcomes.get_mut(index)) {
            Some(earlier) => *earlier = outcome,
            None => {
                self.by_operation.insert(operation.clone(), self.outcomes.len());
                self.outcomes.push(outcome);
            }
        }
    }

    /// Returns the calls whose answers are known.
    pub(super) fn answered_calls(&self) -> HashSet<InferenceId> {
        self.answers().filter(|answer| answer.response.has_content()).map(|it| it.inference_call_id.clone()).collect()
    }

    /// Returns the APIs to which the answers may belong, by call.
    pub(super) fn apis(&self) -> impl Iterator<Item = (InferenceId, ApiSet)> {
        self.answers().filter_map(|it| Some((it.inference_call_id.clone(), it.response.body.as_ref().ok()?.apis)))
    }

    fn answers(&self) -> impl Iterator<Item = &StreamedResponse> {
        self.outcomes.iter().filter_map(|(_, outcome)| match outcome {
            StoredOutcome::Answer(answer) => Some(answer),
            StoredOutcome::Result(_) => None,
        })
    }

    /// Returns the payloads whose kind is known, and the outcomes by the index of the event that they follow.
    pub(super) fn into_parts(self) -> (Vec<PayloadRef>, HashMap<usize, Vec<StoredOutcome>>) {
        let mut outcomes: HashMap<_, Vec<_>> = HashMap::new();
        for (event, outcome) in self.outcomes {
            outcomes.entry(event).or_default().push(outcome);
        }
        (self.references, outcomes)
    }
}

/// Reports a payload at the start of its operation. `effect` is a clause about the payload.
fn report(
    payload: &UnnamedPayload,
    start: Option<&LogEntry>,
    effect: &str,
    id: Option<&RawPayloadId>,
    diagnostics: &mut Diagnostics,
) {
    let (seq, line) = start.map_or((None, 0), |start| (Some(start.record.seq), start.line));
    let message = format!("no event names payload {}; {effect}", payload.reference().location());
    diagnostics.add(LogPosition { seq, line, after: None }, Code::UnnamedPayload, message, id);
}
