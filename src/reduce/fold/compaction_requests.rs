//! Folds compaction requests. They never change the conversation.

use super::lifecycle::{AlreadyEnded, OperationEnd};
use super::owners::PayloadOwners;
use super::provider_error;
use super::thread_tables::ThreadTables;
use super::unread_fields::UnreadFields;
use super::usage;
use crate::event::{
    CompactionId, CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestId, CompactionRequestStarted,
    EndDetail, ExecutionStatus, RawPayloadId,
};
use crate::graph::{Code, CompactionRequest, Evidence, Execution, LiveSpan, Table};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{CompactionRequestFact, Logged, RecordedCompaction};

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
            CompactionRequestFact::Completed(..)
            | CompactionRequestFact::Failed(..)
            | CompactionRequestFact::Streamed(..) => {}
        }
    }
    let mut responses = PayloadOwners::default();
    for at in facts {
        let (id, response) = match &at.fact {
            CompactionRequestFact::Started(_) => continue,
            CompactionRequestFact::Completed(event, response) => {
                let CompactionRequestCompleted { compaction_id, compaction_request_id, response_payload, .. } = event;
                let payload = Some(&response_payload.raw_payload_id);
                let outcome = RequestEnd { payload, error: None, detail: event.detail() };
                if !end(&mut requests, at, (compaction_id, compaction_request_id), outcome, diagnostics) {
                    continue;
                }
                (compaction_request_id, Some(response))
            }
            CompactionRequestFact::Failed(event, response) => {
                let CompactionRequestFailed { compaction_id, compaction_request_id, error, .. } = event;
                let outcome = RequestEnd { payload: None, error: Some(error), detail: event.detail() };
                if !end(&mut requests, at, (compaction_id, compaction_request_id), outcome, diagnostics) {
                    continue;
                }
                (compaction_request_id, response.as_ref())
            }
            CompactionRequestFact::Streamed(request, response) => (request, Some(response)),
        };
        if let Some((request, response)) = requests.get_mut(id).zip(response) {
            respond(request, at, response, (&mut responses, &mut *unread_fields), diagnostics);
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
        raw_response_chunk_ids: Vec::new(),
        error: None,
        provider_error: None,
        end: None,
        span: LiveSpan::from_span_ref(at.context.span.as_ref()),
        evidence: Evidence::new(at.when.seq, Some(payload.clone())),
    };
    requests.add(compaction_request_id.clone(), request);
}

/// The end of a compaction request: its response payload or its error.
struct RequestEnd<'a> {
    payload: Option<&'a RawPayloadId>,
    error: Option<&'a String>,
    detail: EndDetail,
}

/// Records the end of a compaction request. Returns `false` if the event is left out, and reports why.
fn end(
    requests: &mut Requests,
    at: &Logged<CompactionRequestFact>,
    (compaction, request_id): (&CompactionId, &CompactionRequestId),
    outcome: RequestEnd<'_>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let subject = format!("compaction request {request_id}");
    let Some(request) = requests.get_mut(request_id).filter(|request| request.compaction_id == *compaction) else {
        let message = format!("{subject} of compaction {compaction} ends, but was never started; the end is left out");
        diagnostics.add(at, Code::UnknownObject, message, outcome.payload);
        return false;
    };
    diagnostics.use_before_start(at, request.execution.started.seq, Code::UnknownObject, &subject);
    request.evidence.add(at.when.seq, outcome.payload.cloned());
    request.span.fill_from(at.context.span.as_ref());
    let status = if outcome.error.is_some() { ExecutionStatus::Failed } else { ExecutionStatus::Completed };
    match request.execution.end(OperationEnd { when: at.when, status }, None) {
        Ok(()) => {
            request.raw_response_payload_id = outcome.payload.cloned();
            request.error = outcome.error.cloned();
            request.end = outcome.detail.boxed();
            true
        }
        Err(AlreadyEnded) => {
            let message = format!("{subject} ends after it has ended; the first end is kept");
            diagnostics.add(at, Code::LateEnd, message, outcome.payload);
            false
        }
    }
}

/// Sets the token usage and the error of a request from its response, and reports what of the response is missing and
/// the members that no rule reads. Reports why if the response cannot be used.
fn respond(
    request: &mut CompactionRequest,
    at: &Logged<CompactionRequestFact>,
    response: &RecordedCompaction,
    (responses, unread_fields): (&mut PayloadOwners<CompactionRequestId>, &mut UnreadFields),
    diagnostics: &mut Diagnostics,
) {
    let RecordedCompaction { payload, body, chunks } = response;
    add_evidence(request, at, response);
    let subject = format!("the response of compaction request {}", request.compaction_request_id);
    request.raw_response_payload_id = Some(payload.clone());
    request.raw_response_chunk_ids = chunks.iter().map(|(_, chunk)| chunk.clone()).collect();
    let body = match responses.open(request.compaction_request_id.clone(), body) {
        Ok(body) => body,
        Err((code, reason)) => {
            let message = format!("{subject} is treated as absent: {reason}");
            return diagnostics.add(at, code, message, Some(payload));
        }
    };
    request.usage = body.usage.usage;
    usage::report_problems(at, &subject, &body.usage.problems, payload, diagnostics);
    if let Some(reason) = &body.partial {
        let message = format!("{subject} is only a part of it: {reason}; the usage that arrived is kept");
        diagnostics.add(at, Code::PartialStream, message, Some(payload));
    }
    if let Some(reason) = &body.unknown {
        diagnostics.add(at, Code::ResponseUnknown, format!("{subject} {reason}"), Some(payload));
    }
    unread_fields.report(at, &subject, payload, &body.unread, diagnostics);
    if let Some(error) = &body.error {
        provider_error::add((&mut request.error, &mut request.provider_error), error);
    }
}

/// Adds the payloads of a response to the evidence of its request, unless they are there.
fn add_evidence(
    request: &mut CompactionRequest,
    at: &Logged<CompactionRequestFact>,
    RecordedCompaction { payload, chunks, .. }: &RecordedCompaction,
) {
    for (seq, chunk) in chunks {
        request.evidence.add(*seq, Some(chunk.clone()));
    }
    let last = request.evidence.as_slice().last().and_then(|(_, payload)| payload.as_ref());
    if chunks.is_empty() && last != Some(payload) {
        request.evidence.add(at.when.seq, Some(payload.clone()));
    }
}
