//! Folds compaction requests. They never change the conversation.

use super::lifecycle::{AlreadyEnded, OperationEnd};
use super::owners::PayloadOwners;
use super::thread_tables::ThreadTables;
use super::unread_fields::UnreadFields;
use super::usage;
use crate::event::{
    CompactionId, CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestId, CompactionRequestStarted,
    ExecutionStatus, RawPayloadId,
};
use crate::graph::{Code, CompactionRequest, Evidence, Execution, LiveSpan, Table};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{CompactionRequestFact, CompactionResponse, Logged, Payload};

type Requests = Table<CompactionRequestId, CompactionRequest>;

/// Folds the facts of compaction requests into a table. Starts are folded first, so that an end may precede its start.
pub(in crate::reduce) fn compaction_requests(
    facts: &[Logged<CompactionRequestFact>],
    thread_tables: &ThreadTables,
    unread_fields: &mut UnreadFields,
    diagnostics: &mut Diagnostics,
) -> Requests {
    let mut requests = Table::default();
    for at in facts {
        match &at.fact {
            CompactionRequestFact::Started(event) => start(&mut requests, at, event, thread_tables, diagnostics),
            CompactionRequestFact::Completed(..) | CompactionRequestFact::Failed(_) => {}
        }
    }
    let mut responses = PayloadOwners::default();
    for at in facts {
        match &at.fact {
            CompactionRequestFact::Started(_) => {}
            CompactionRequestFact::Completed(event, response) => {
                let CompactionRequestCompleted { compaction_id, compaction_request_id, response_payload } = event;
                let payload = &response_payload.raw_payload_id;
                let outcome = RequestEnd { payload: Some(payload), error: None };
                if let Some(request) =
                    end(&mut requests, at, (compaction_id, compaction_request_id), outcome, diagnostics)
                {
                    respond(request, at, payload, response, (&mut responses, &mut *unread_fields), diagnostics);
                }
            }
            CompactionRequestFact::Failed(event) => {
                let CompactionRequestFailed { compaction_id, compaction_request_id, error } = event;
                let outcome = RequestEnd { payload: None, error: Some(error) };
                end(&mut requests, at, (compaction_id, compaction_request_id), outcome, diagnostics);
            }
        }
    }
    requests
}

/// Adds a compaction request at its start event. Reports why if the event is left out.
fn start(
    requests: &mut Requests,
    at: &Logged<CompactionRequestFact>,
    event: &CompactionRequestStarted,
    thread_tables: &ThreadTables,
    diagnostics: &mut Diagnostics,
) {
    let CompactionRequestStarted {
        compaction_id,
        compaction_request_id,
        thread_id,
        turn_id,
        model,
        provider_name,
        request_payload,
    } = event;
    let subject = format!("compaction request {compaction_request_id}");
    let payload = &request_payload.raw_payload_id;
    if requests.contains(compaction_request_id) {
        let message = format!("{subject} starts a second time; the first start is kept");
        diagnostics.add(at, Code::DuplicateStart, message, Some(payload));
        return;
    }
    if !thread_tables.check_turn(at, thread_id, turn_id, &subject, diagnostics) {
        return;
    }
    let request = CompactionRequest {
        compaction_request_id: compaction_request_id.clone(),
        compaction_id: compaction_id.clone(),
        thread_id: thread_id.clone(),
        turn_id: turn_id.clone(),
        execution: Execution::open(at.when),
        model: model.clone(),
        provider_name: provider_name.clone(),
        usage: None,
        raw_request_payload_id: payload.clone(),
        raw_response_payload_id: None,
        error: None,
        span: LiveSpan::from_span_ref(at.context.span.as_ref()),
        evidence: Evidence::new(at.when.seq, Some(payload.clone())),
    };
    requests.add(compaction_request_id.clone(), request);
}

/// The end of a compaction request: its response payload or its error.
struct RequestEnd<'a> {
    payload: Option<&'a RawPayloadId>,
    error: Option<&'a String>,
}

/// Records the end of a compaction request. Returns the request, or reports why the event is left out.
fn end<'r>(
    requests: &'r mut Requests,
    at: &Logged<CompactionRequestFact>,
    (compaction, request_id): (&CompactionId, &CompactionRequestId),
    outcome: RequestEnd<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<&'r mut CompactionRequest> {
    let subject = format!("compaction request {request_id}");
    let Some(request) = requests.get_mut(request_id).filter(|request| request.compaction_id == *compaction) else {
        let message = format!("{subject} of compaction {compaction} ends, but was never started; the end is left out");
        diagnostics.add(at, Code::UnknownObject, message, outcome.payload);
        return None;
    };
    diagnostics.use_before_start(at, request.execution.started.seq, Code::UnknownObject, &subject);
    request.evidence.add(at.when.seq, outcome.payload.cloned());
    request.span.fill_from(at.context.span.as_ref());
    let status = if outcome.error.is_some() { ExecutionStatus::Failed } else { ExecutionStatus::Completed };
    match request.execution.end(OperationEnd { when: at.when, status }, None) {
        Ok(()) => {
            request.raw_response_payload_id = outcome.payload.cloned();
            request.error = outcome.error.cloned();
            Some(request)
        }
        Err(AlreadyEnded) => {
            let message = format!("{subject} ends after it has ended; the first end is kept");
            diagnostics.add(at, Code::LateEnd, message, outcome.payload);
            None
        }
    }
}

/// Sets the token usage of a request from its response, and reports the members that no rule reads. Reports why if the
/// response cannot be used.
fn respond(
    request: &mut CompactionRequest,
    at: &Logged<CompactionRequestFact>,
    payload: &RawPayloadId,
    response: &Payload<CompactionResponse>,
    (responses, unread_fields): (&mut PayloadOwners<CompactionRequestId>, &mut UnreadFields),
    diagnostics: &mut Diagnostics,
) {
    let subject = format!("the response of compaction request {}", request.compaction_request_id);
    match responses.open(request.compaction_request_id.clone(), response) {
        Ok(response) => {
            request.usage = response.usage.usage;
            usage::report_problems(at, &subject, &response.usage.problems, payload, diagnostics);
            unread_fields.report(at, &subject, payload, &response.unread, diagnostics);
        }
        Err((code, reason)) => {
            diagnostics.add(at, code, format!("{subject} is treated as absent: {reason}"), Some(payload));
        }
    }
}
