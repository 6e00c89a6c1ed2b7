//! Requests to compact. They never change the conversation.

use super::lifecycle::{End, Late};
use super::lives::Lives;
use crate::event::{
    CompactionId, CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestId, CompactionRequestStarted,
    ExecutionStatus, RawPayloadId,
};
use crate::graph::{Code, CompactionRequest, Evidence, Execution, LiveSpan, Table};
use crate::reduce::Problems;
use crate::reduce::decode::{At, CompactionRequestFact};

type Requests = Table<CompactionRequestId, CompactionRequest>;

/// All requests to compact.
pub(in crate::reduce) fn compaction_requests(
    facts: &[At<CompactionRequestFact>],
    lives: &Lives,
    problems: &mut Problems,
) -> Requests {
    let mut requests = Table::default();
    for at in facts {
        match &at.fact {
            CompactionRequestFact::Started(event) => start(&mut requests, at, event, lives, problems),
            CompactionRequestFact::Completed(_) | CompactionRequestFact::Failed(_) => {}
        }
    }
    for at in facts {
        match &at.fact {
            CompactionRequestFact::Started(_) => {}
            CompactionRequestFact::Completed(event) => {
                let CompactionRequestCompleted { compaction_id, compaction_request_id, response_payload } = event;
                let payload = Some(&response_payload.raw_payload_id);
                end(
                    &mut requests,
                    at,
                    (compaction_id, compaction_request_id),
                    Answer { payload, error: None },
                    problems,
                );
            }
            CompactionRequestFact::Failed(event) => {
                let CompactionRequestFailed { compaction_id, compaction_request_id, error } = event;
                let answer = Answer { payload: None, error: Some(error) };
                end(&mut requests, at, (compaction_id, compaction_request_id), answer, problems);
            }
        }
    }
    requests
}

fn start(
    requests: &mut Requests,
    at: &At<CompactionRequestFact>,
    event: &CompactionRequestStarted,
    lives: &Lives,
    problems: &mut Problems,
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
    let what = format!("compaction request {compaction_request_id}");
    let payload = &request_payload.raw_payload_id;
    if requests.contains(compaction_request_id) {
        let message = format!("{what} starts a second time; the first start stands");
        problems.add(at, Code::DuplicateStart, message, Some(payload));
        return;
    }
    if !lives.agree(at, thread_id, turn_id, &what, problems) {
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
        raw_request_payload_id: payload.clone(),
        raw_response_payload_id: None,
        error: None,
        span: LiveSpan::of(at.context.span.as_ref()),
        evidence: Evidence::of(at.when.seq, Some(payload.clone())),
    };
    requests.add(compaction_request_id.clone(), request);
}

struct Answer<'a> {
    payload: Option<&'a RawPayloadId>,
    error: Option<&'a String>,
}

fn end(
    requests: &mut Requests,
    at: &At<CompactionRequestFact>,
    (compaction, request_id): (&CompactionId, &CompactionRequestId),
    answer: Answer<'_>,
    problems: &mut Problems,
) {
    let what = format!("compaction request {request_id}");
    let Some(request) = requests.get_mut(request_id).filter(|request| request.compaction_id == *compaction) else {
        let message = format!("{what} of compaction {compaction} ends, but was never started; the end is left out");
        problems.add(at, Code::UnknownObject, message, answer.payload);
        return;
    };
    problems.use_before_start(at, request.execution.started.seq, Code::UnknownObject, &what);
    request.evidence.add(at.when.seq, answer.payload.cloned());
    request.span.learn(at.context.span.as_ref());
    let status = if answer.error.is_some() { ExecutionStatus::Failed } else { ExecutionStatus::Completed };
    match request.execution.end(End { when: at.when, status }, None) {
        Ok(()) => {
            request.raw_response_payload_id = answer.payload.cloned();
            request.error = answer.error.cloned();
        }
        Err(Late) => {
            let message = format!("{what} ends after its end; the first end stands");
            problems.add(at, Code::LateEnd, message, answer.payload);
        }
    }
}
