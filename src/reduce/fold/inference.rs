//! Inference calls: opened by their requests, closed by their ends or their turns.

use std::collections::HashSet;

use super::conversation::{Conversation, Source};
use super::installation;
use super::lifecycle::{End, Late};
use super::lives::Lives;
use super::owners::Owners;
use crate::event::{CompactionId, ExecutionStatus, InferenceId, InferenceStarted, RawPayloadId, RequestId, TurnId};
use crate::graph::{
    Code, Compaction, Evidence, Execution, InferenceCall, Item, ItemId, LiveSpan, Pointer, Producer, Snapshot, Table,
};
use crate::reduce::decode::{
    At, Body, ConversationFact, Ending, InferenceEnd, Readings, Request, RequestItems, ResponseBody, ResponseItems,
};
use crate::reduce::{Problems, Work};

/// How to have recorded what is missing.
const RECORD_CONTENT: &str = "To have such content recorded, let the program hand over its bodies, let the framework put \
    content on its spans (rig: `record_content_telemetry(true)`; genai: \
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true), or let the recorder see what the framework logs \
    (`recorder.filter().wire_events()`)";

/// Everything models were sent and returned.
#[derive(Debug)]
pub(in crate::reduce) struct Talk {
    pub(in crate::reduce) calls: Table<InferenceId, InferenceCall>,
    pub(in crate::reduce) items: Vec<Item>,
    pub(in crate::reduce) compactions: Table<CompactionId, Compaction>,
    /// The items that the first request of each turn introduced.
    pub(in crate::reduce) introduced: Vec<(TurnId, Vec<ItemId>)>,
    /// The calls whose answers were recorded without their content.
    pub(in crate::reduce) unheard: HashSet<InferenceId>,
}

/// Folds inference calls and what they say into one conversation a thread.
pub(in crate::reduce) fn talk(
    facts: Vec<At<ConversationFact>>,
    lives: &Lives,
    readings: &Readings,
    problems: &mut Problems,
    work: &mut Work,
) -> Talk {
    let (calls, started) = open_calls(&facts, lives, problems);
    let mut fold = Fold {
        lives,
        calls,
        compactions: Table::default(),
        conversation: Conversation::new(readings),
        introduced: Vec::new(),
        bodies: Owners::default(),
        checkpoints: Owners::default(),
        asked: HashSet::new(),
        has_hinted: false,
        unheard: HashSet::new(),
    };
    for (at, place) in facts.into_iter().zip(started) {
        match &at.fact {
            ConversationFact::Started(event, request, prefix) => {
                if let Some(place) = place {
                    fold.request(&at, place, event, request, prefix.as_ref(), problems);
                }
            }
            ConversationFact::Ended(end) => fold.end(&at, end, problems),
            ConversationFact::Installed(event, checkpoint) => {
                let Fold { compactions, conversation, checkpoints, .. } = &mut fold;
                installation::install(
                    &at,
                    event,
                    checkpoint,
                    lives,
                    (compactions, conversation, checkpoints),
                    problems,
                );
            }
        }
    }
    for call in fold.calls.iter_mut() {
        call.execution.settle(ended_by_turn(lives, &call.turn_id));
    }
    work.conversation_steps += fold.conversation.work();
    let Fold { calls, compactions, conversation, introduced, unheard, .. } = fold;
    Talk { calls, items: conversation.into_items(), compactions, introduced, unheard }
}

/// What a turn's end does to the calls that still run in it.
fn ended_by_turn(lives: &Lives, turn: &TurnId) -> Option<End> {
    let End { when, status } = lives.turn_end(turn)?;
    let status = match status {
        ExecutionStatus::Completed | ExecutionStatus::Cancelled => ExecutionStatus::Cancelled,
        ExecutionStatus::Failed => ExecutionStatus::Failed,
        ExecutionStatus::Aborted => ExecutionStatus::Aborted,
        ExecutionStatus::Running => return None,
    };
    Some(End { when, status })
}

/// All calls that count, and for every fact the place of the call that it starts.
fn open_calls(
    facts: &[At<ConversationFact>],
    lives: &Lives,
    problems: &mut Problems,
) -> (Table<InferenceId, InferenceCall>, Vec<Option<usize>>) {
    let mut calls = Table::default();
    let started = facts.iter().map(|at| match &at.fact {
        ConversationFact::Started(event, ..) => open_call(&mut calls, at, event, lives, problems),
        ConversationFact::Ended(_) | ConversationFact::Installed(..) => None,
    });
    let started = started.collect();
    (calls, started)
}

fn open_call(
    calls: &mut Table<InferenceId, InferenceCall>,
    at: &At<ConversationFact>,
    event: &InferenceStarted,
    lives: &Lives,
    problems: &mut Problems,
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
    let what = format!("inference call {inference_call_id}");
    if calls.contains(inference_call_id) {
        let message = format!("{what} starts a second time; the first start stands");
        problems.add(at, Code::DuplicateStart, message, Some(&request_payload.raw_payload_id));
        return None;
    }
    if !lives.agree(at, thread_id, turn_id, &what, problems) {
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
        raw_request_payload_id: request_payload.raw_payload_id.clone(),
        raw_response_payload_id: None,
        instructions: None,
        tools: None,
        span: LiveSpan::of(at.context.span.as_ref()),
        evidence: Evidence::of(at.when.seq, Some(request_payload.raw_payload_id.clone())),
    };
    calls.add(inference_call_id.clone(), call)
}

struct Fold<'a> {
    lives: &'a Lives,
    calls: Table<InferenceId, InferenceCall>,
    compactions: Table<CompactionId, Compaction>,
    conversation: Conversation<'a>,
    introduced: Vec<(TurnId, Vec<ItemId>)>,
    /// Responses, by the place of their call.
    bodies: Owners<usize>,
    checkpoints: Owners<CompactionId>,
    /// Turns whose first request was seen.
    asked: HashSet<TurnId>,
    /// Whether it was said how to have content recorded.
    has_hinted: bool,
    unheard: HashSet<InferenceId>,
}

impl Fold<'_> {
    fn request(
        &mut self,
        at: &At<ConversationFact>,
        place: usize,
        event: &InferenceStarted,
        request: &Body<Request>,
        prefix: Option<&Body<Request>>,
        problems: &mut Problems,
    ) {
        let Some(call) = self.calls.at_mut(place) else { return };
        let payload = &call.raw_request_payload_id;
        let what = format!("the request of inference call {}", call.inference_call_id);
        let request = match request {
            Ok(request) => request,
            Err(unread) => {
                problems.add(at, unread.code, format!("{what} counts as absent: {}", unread.why), Some(payload));
                return;
            }
        };
        let Request { items, previous_response_id, instructions, tools } = &**request;
        let pointer = |pointer| Pointer { raw_payload_id: payload.clone(), pointer };
        call.instructions = instructions.map(pointer);
        call.tools = tools.map(pointer);
        let items = match items {
            RequestItems::Listed(items) => items,
            RequestItems::NotRecorded => {
                let message = with_hint(
                    &mut self.has_hinted,
                    format!("{what} was recorded without its body: what the model saw is unknown"),
                );
                problems.add(at, Code::RequestUnknown, message, Some(payload));
                return;
            }
            RequestItems::UnknownShape => {
                let message = format!("{what} has no list of items; what the model saw is unknown");
                problems.add(at, Code::BadPayload, message, Some(payload));
                return;
            }
        };
        let source = Source { at, thread: &call.thread_id, turn: &call.turn_id, payload, producer: None, what: &what };
        let mode = event.request_input_mode.as_deref();
        let (snapshot, created) =
            self.conversation.request(&source, place, mode, previous_response_id.as_ref(), prefix, items, problems);
        call.request = snapshot;
        if self.asked.insert(call.turn_id.clone()) {
            self.introduced.push((call.turn_id.clone(), created));
        }
    }

    fn end(&mut self, at: &At<ConversationFact>, end: &InferenceEnd, problems: &mut Problems) {
        let InferenceEnd { inference_call_id, how, response_id, upstream_request_id, first_token_at, usage, response } =
            end;
        let payload = response.as_ref().map(|(payload, _)| payload);
        let place = self.calls.place(inference_call_id);
        let Some((place, call)) = place.and_then(|place| Some((place, self.calls.at_mut(place)?))) else {
            let message =
                format!("inference call {inference_call_id} ends, but was never started; the end is left out");
            problems.add(at, Code::UnknownObject, message, payload);
            return;
        };
        let what = format!("inference call {inference_call_id}");
        problems.use_before_start(at, call.execution.started.seq, Code::UnknownObject, &what);
        call.evidence.add(at.when.seq, payload.cloned());
        call.span.learn(at.context.span.as_ref());
        let (status, error) = match how {
            Ending::Completed => (ExecutionStatus::Completed, None),
            Ending::Failed(error) => (ExecutionStatus::Failed, Some(error)),
            Ending::Cancelled(reason) => (ExecutionStatus::Cancelled, Some(reason)),
        };
        let surroundings = ended_by_turn(self.lives, &call.turn_id);
        match call.execution.end(End { when: at.when, status }, surroundings) {
            Ok(()) => {
                call.error = error.cloned();
                call.first_token_at = *first_token_at;
                call.upstream_request_id.clone_from(upstream_request_id);
            }
            Err(Late) => {
                let message = format!("{what} ends after its end; the first end stands");
                problems.add(at, Code::LateEnd, message, payload);
            }
        }
        let Some((payload, body)) = response else { return };
        if call.raw_response_payload_id.is_some() {
            return;
        }
        call.raw_response_payload_id = Some(payload.clone());
        let completed = matches!(how, Ending::Completed);
        let reported = Reported { response_id, upstream_request_id, usage: *usage, first_token_at, completed };
        self.respond(at, place, payload, body, &reported, problems);
    }

    fn respond(
        &mut self,
        at: &At<ConversationFact>,
        place: usize,
        payload: &RawPayloadId,
        body: &Body<ResponseBody>,
        reported: &Reported<'_>,
        problems: &mut Problems,
    ) {
        let Some(call) = self.calls.at_mut(place) else { return };
        let what = format!("the response of inference call {}", call.inference_call_id);
        let tell = |(code, why)| problems.add(at, code, format!("{what} counts as absent: {why}"), Some(payload));
        let body = self.bodies.open(place, body).map_err(tell).ok();
        let id = reported.response_id.as_ref().or_else(|| body?.response_id.as_ref());
        call.response_id = id.cloned();
        // The first producers had one id for both.
        let of_response = || id.map(|id| RequestId::from(id.as_str()));
        call.upstream_request_id = reported.upstream_request_id.clone().or_else(of_response);
        call.first_token_at = call.first_token_at.or(*reported.first_token_at);
        call.usage = body.and_then(|body| body.usage).or(reported.usage);
        let items = match body.map(|body| &body.items) {
            None => &[],
            Some(ResponseItems::Listed(items)) => &**items,
            Some(ResponseItems::NotRecorded) => {
                let message = with_hint(
                    &mut self.has_hinted,
                    format!("{what} was recorded without its content: what the model said is unknown"),
                );
                problems.add(at, Code::ResponseUnknown, message, Some(payload));
                self.unheard.insert(call.inference_call_id.clone());
                &[]
            }
            Some(ResponseItems::UnknownShape) => {
                let message = format!("{what} has no list of output items; what the model said is unknown");
                problems.add(at, Code::BadPayload, message, Some(payload));
                &[]
            }
        };
        let producer = Producer::Inference { inference_call_id: call.inference_call_id.clone() };
        let (thread, turn) = (&call.thread_id, &call.turn_id);
        let source = Source { at, thread, turn, payload, producer: Some(producer), what: &what };
        let continued_by = id.filter(|_| reported.completed);
        call.response_item_ids = self.conversation.response(&source, place, continued_by, items, problems);
    }
}

/// The first message of its kind also says what to do about it.
fn with_hint(has_hinted: &mut bool, message: String) -> String {
    if std::mem::replace(has_hinted, true) { message } else { format!("{message}. {RECORD_CONTENT}") }
}

/// What an end itself says of the response.
struct Reported<'a> {
    response_id: &'a Option<crate::event::ResponseId>,
    upstream_request_id: &'a Option<RequestId>,
    usage: Option<crate::event::Usage>,
    first_token_at: &'a Option<crate::event::UnixMillis>,
    completed: bool,
}
