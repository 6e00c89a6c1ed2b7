//! Opens inference calls at their starts, and closes them at their ends or at the ends of their turns.

use crate::event::{ExecutionStatus, InferenceId, InferenceStarted, TurnId};
use crate::graph::{Code, Evidence, Execution, InferenceCall, LiveSpan, Snapshot, Table};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ConversationFact, InferenceEnd, Logged, Outcome};
use crate::reduce::fold::lifecycle::{AlreadyEnded, OperationEnd};
use crate::reduce::fold::thread_tables::ThreadTables;

/// Returns the time and status with which a turn ends the inference calls that are still running in it. Returns `None`
/// if the turn is running.
pub(super) fn turn_end_for_call(thread_tables: &ThreadTables, turn: &TurnId) -> Option<OperationEnd> {
    let OperationEnd { when, status } = thread_tables.turn_end(turn)?;
    let status = match status {
        ExecutionStatus::Completed | ExecutionStatus::Cancelled => ExecutionStatus::Cancelled,
        ExecutionStatus::Failed => ExecutionStatus::Failed,
        ExecutionStatus::Aborted => ExecutionStatus::Aborted,
        ExecutionStatus::Running => return None,
    };
    Some(OperationEnd { when, status })
}

/// Adds all inference calls whose start event is valid. Returns their table and, for each fact, the index of the call
/// that it starts.
pub(super) fn open_calls(
    facts: &[Logged<ConversationFact>],
    thread_tables: &ThreadTables,
    diagnostics: &mut Diagnostics,
) -> (Table<InferenceId, InferenceCall>, Vec<Option<usize>>) {
    let mut calls = Table::default();
    let started = facts.iter().map(|at| match &at.fact {
        ConversationFact::Started(event, ..) => open_call(&mut calls, at, event, thread_tables, diagnostics),
        ConversationFact::Ended(_) | ConversationFact::Streamed(_) | ConversationFact::Installed(..) => None,
    });
    let started = started.collect();
    (calls, started)
}

/// Adds an inference call at its start event and returns its index. Reports why and returns `None` if the event is left
/// out.
fn open_call(
    calls: &mut Table<InferenceId, InferenceCall>,
    at: &Logged<ConversationFact>,
    event: &InferenceStarted,
    thread_tables: &ThreadTables,
    diagnostics: &mut Diagnostics,
) -> Option<usize> {
    let InferenceStarted {
        inference_call_id,
        thread_id,
        turn_id,
        model,
        provider_name,
        request_payload,
        request_input_mode: _,
        wire_payload: _,
    } = event;
    let subject = format!("inference call {inference_call_id}");
    if calls.contains(inference_call_id) {
        let message = format!("{subject} starts a second time; the first start is kept");
        diagnostics.add(at, Code::DuplicateStart, message, Some(&request_payload.raw_payload_id));
        return None;
    }
    if !thread_tables.check_turn(at, thread_id, turn_id, &subject, diagnostics) {
        return None;
    }
    let call = InferenceCall {
        inference_call_id: inference_call_id.clone(),
        thread_id: thread_id.clone(),
        turn_id: turn_id.clone(),
        execution: Execution::open(at.when),
        model: model.clone(),
        provider_name: provider_name.clone(),
        upstream_request_id: None,
        response_id: None,
        request: Snapshot::default(),
        response_item_ids: Vec::new(),
        tool_call_ids: Vec::new(),
        usage: None,
        first_token_at: None,
        error: None,
        provider_error: None,
        raw_request_payload_id: request_payload.raw_payload_id.clone(),
        raw_response_payload_id: None,
        raw_response_chunk_ids: Vec::new(),
        instructions: None,
        tools: None,
        compacted_before: None,
        history_edits: Vec::new(),
        end: None,
        span: LiveSpan::from_span_ref(at.context.span.as_ref()),
        evidence: Evidence::new(at.when.seq, Some(request_payload.raw_payload_id.clone())),
    };
    calls.add(inference_call_id.clone(), call)
}

/// Ends a call as its end event reports. Reports an event that comes after the end of the call.
pub(super) fn close(
    call: &mut InferenceCall,
    at: &Logged<ConversationFact>,
    end: &InferenceEnd,
    enclosing_end: Option<OperationEnd>,
    diagnostics: &mut Diagnostics,
) {
    let (status, error) = match &end.outcome {
        Outcome::Completed => (ExecutionStatus::Completed, None),
        Outcome::Failed(error) => (ExecutionStatus::Failed, Some(error)),
        Outcome::Cancelled(reason) => (ExecutionStatus::Cancelled, Some(reason)),
    };
    match call.execution.end(OperationEnd { when: at.when, status }, enclosing_end) {
        Ok(()) => {
            call.error = error.cloned();
            call.first_token_at = end.first_token_at;
            call.usage = end.usage;
            call.end.clone_from(&end.detail);
            call.upstream_request_id = end.upstream_request_id.given().cloned();
        }
        Err(AlreadyEnded) => {
            let id = &call.inference_call_id;
            let message = format!("inference call {id} ends after it has ended; the first end is kept");
            diagnostics.add(at, Code::LateEnd, message, end.response_payload.as_ref());
        }
    }
}
