//! Folds inference calls: opened by their requests, closed by their ends or by the ends of their turns.

use std::collections::HashSet;

use super::conversation::{ConversationBuilder, ItemSource};
use super::installation;

use super::lifecycle::{AlreadyEnded, OperationEnd};
use super::lists::ShownLists;
use super::owners::PayloadOwners;
use super::thread_tables::ThreadTables;
use super::unread_fields::UnreadFields;
use super::usage;
use crate::event::{
    CompactionId, ExecutionStatus, InferenceId, InferenceStarted, RequestId, TurnId, UpstreamRequestId,
};
use crate::graph::{
    Code, Compaction, Evidence, Execution, InferenceCall, Item, ItemId, LiveSpan, Pointer, Producer, Snapshot, Table,
};
use crate::reduce::decode::{
    ConversationFact, DecodedItems, InferenceEnd, Logged, Outcome, Payload, RecordedResponse, Request, RequestItems,
    ResponseItems, StreamedResponse,
};
use crate::reduce::{Diagnostics, Work};

/// Hint in diagnostics of requests and responses that were recorded without their content.
const RECORD_CONTENT: &str = "to record such content, pass request and response bodies to the handles, enable content \
    on the framework's spans (rig: `record_content_telemetry(true)`; genai: \
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true), or record the requests that the framework logs \
    (`recorder.filter().wire_events()`)";

/// The inference calls, conversation items and compactions of all threads, folded from their facts.
#[derive(Debug)]
pub(in crate::reduce) struct Conversations {
    pub(in crate::reduce) calls: Table<InferenceId, InferenceCall>,
    pub(in crate::reduce) items: Vec<Item>,
    pub(in crate::reduce) compactions: Table<CompactionId, Compaction>,
    /// The first request of each turn.
    pub(in crate::reduce) first_requests: Vec<FirstRequest>,
    /// Ids of the calls whose responses were recorded without their content.
    pub(in crate::reduce) calls_without_content: HashSet<InferenceId>,
    /// The calls and outputs in the lists that models saw, of the call ids that several call items have.
    pub(in crate::reduce) shown: ShownLists,
}

/// The first request of a turn.
#[derive(Debug, Clone, Copy)]
pub(in crate::reduce) struct FirstRequest {
    /// Index of the inference call.
    pub(in crate::reduce) call: usize,
    /// The first item that was created after earlier requests. The request introduced those of its items whose numbers
    /// are not lower.
    pub(in crate::reduce) first_new: ItemId,
}

/// Folds inference calls and compactions into one conversation per thread.
pub(in crate::reduce) fn conversations(
    facts: Vec<Logged<ConversationFact>>,
    thread_tables: &ThreadTables,
    decoded_items: &DecodedItems,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) -> Conversations {
    let (calls, started) = open_calls(&facts, thread_tables, diagnostics);
    let mut fold = InferenceFold {
        thread_tables,
        calls,
        compactions: Table::default(),
        conversation: ConversationBuilder::new(decoded_items),
        first_requests: Vec::new(),
        responses: PayloadOwners::default(),
        checkpoints: PayloadOwners::default(),
        turns_with_request: HashSet::new(),
        hint_given: false,
        calls_without_content: HashSet::new(),
        unread_fields: UnreadFields::default(),
    };
    for (at, index) in facts.into_iter().zip(started) {
        match &at.fact {
            ConversationFact::Started(event, request, prefix) => {
                if let Some(index) = index {
                    fold.request(&at, index, event, request, prefix.as_ref(), diagnostics);
                }
            }
            ConversationFact::Ended(end) => fold.end(&at, end, diagnostics),
            ConversationFact::Streamed(streamed) => fold.streamed(&at, streamed, diagnostics),
            ConversationFact::Installed(event, checkpoint) => {
                let InferenceFold { compactions, conversation, checkpoints, unread_fields, .. } = &mut fold;
                if let Ok(checkpoint) = checkpoint {
                    let (subject, payload) =
                        (format!("the checkpoint of compaction {}", event.compaction_id), &event.checkpoint_payload);
                    let payload = &payload.raw_payload_id;
                    unread_fields.report(&at, &subject, payload, &checkpoint.unread, diagnostics);
                }
                installation::install(
                    &at,
                    event,
                    checkpoint,
                    thread_tables,
                    (compactions, conversation, checkpoints),
                    diagnostics,
                );
            }
        }
    }
    for call in fold.calls.iter_mut() {
        call.execution.end_with(turn_end_for_call(thread_tables, &call.turn_id));
    }
    let shown = fold.conversation.shown_lists();
    work.conversation_steps += fold.conversation.step_count();
    let InferenceFold {
        calls, compactions, conversation, first_requests, calls_without_content, unread_fields, ..
    } = fold;
    unread_fields.report_rest(diagnostics);
    let items = conversation.into_items();
    Conversations { calls, items, compactions, first_requests, calls_without_content, shown }
}

/// Returns the time and status with which a turn ends the inference calls that are still running in it. Returns `None`
/// if the turn is running.
fn turn_end_for_call(thread_tables: &ThreadTables, turn: &TurnId) -> Option<OperationEnd> {
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
fn open_calls(
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
        raw_request_payload_id: request_payload.raw_payload_id.clone(),
        raw_response_payload_id: None,
        raw_response_chunk_ids: Vec::new(),
        instructions: None,
        tools: None,
        compacted_before: None,
        span: LiveSpan::from_span_ref(at.context.span.as_ref()),
        evidence: Evidence::new(at.when.seq, Some(request_payload.raw_payload_id.clone())),
    };
    calls.add(inference_call_id.clone(), call)
}

/// The tables of inference calls, items and compactions while facts are folded.
struct InferenceFold<'a> {
    thread_tables: &'a ThreadTables,
    calls: Table<InferenceId, InferenceCall>,
    compactions: Table<CompactionId, Compaction>,
    conversation: ConversationBuilder<'a>,
    first_requests: Vec<FirstRequest>,
    /// Owner of each response payload: the index of the inference call.
    responses: PayloadOwners<usize>,
    checkpoints: PayloadOwners<CompactionId>,
    /// Turns whose first request has been added.
    turns_with_request: HashSet<TurnId>,
    /// `true` if a diagnostic has carried [`RECORD_CONTENT`], which is given once.
    hint_given: bool,
    calls_without_content: HashSet<InferenceId>,
    unread_fields: UnreadFields,
}

impl InferenceFold<'_> {
    /// Adds the request of an inference call to the conversation of its thread.
    fn request(
        &mut self,
        at: &Logged<ConversationFact>,
        index: usize,
        event: &InferenceStarted,
        request: &Payload<Request>,
        prefix: Option<&Payload<Request>>,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(call) = self.calls.get_index_mut(index) else { return };
        let payload = &call.raw_request_payload_id;
        let subject = format!("the request of inference call {}", call.inference_call_id);
        let request = match request {
            Ok(request) => request,
            Err(unusable) => {
                diagnostics.add(
                    at,
                    unusable.code,
                    format!("{subject} is treated as absent: {}", unusable.reason),
                    Some(payload),
                );
                return;
            }
        };
        let Request {
            items,
            previous_response_id: _,
            conversation_id,
            server_side_content,
            instructions,
            tools,
            unread,
        } = &**request;
        let pointer = |pointer| Pointer { raw_payload_id: payload.clone(), pointer };
        call.instructions = instructions.clone().map(pointer);
        call.tools = tools.clone().map(pointer);
        let source =
            ItemSource { at, thread: &call.thread_id, turn: &call.turn_id, payload, producer: None, subject: &subject };
        if let Some(conversation) = conversation_id {
            self.conversation.server_conversations.assign(&source, index, conversation, diagnostics);
        }
        if let Some(content) = server_side_content {
            self.conversation.server_conversations.report_content(&source, content, diagnostics);
        }
        let items = match items {
            RequestItems::Listed(items) => items,
            RequestItems::NotRecorded => {
                let message = with_hint(
                    &mut self.hint_given,
                    format!("{subject} was recorded without its body, so the input of the model is unknown"),
                );
                diagnostics.add(at, Code::RequestUnknown, message, Some(payload));
                return;
            }
            RequestItems::UnknownShape => {
                let message = format!("{subject} has no list of items, so the input of the model is unknown");
                diagnostics.add(at, Code::BadPayload, message, Some(payload));
                return;
            }
        };
        self.unread_fields.report(at, &subject, payload, unread, diagnostics);
        if let Some(Ok(prefix)) = prefix {
            self.unread_fields.report(at, &format!("the prefix of {subject}"), payload, &prefix.unread, diagnostics);
        }
        let mode = event.request_input_mode.as_deref();
        if let Some(mode) = mode {
            self.conversation.check_input_mode(&source, mode, request.previous_response_id.as_ref(), diagnostics);
        }
        let first_new = ItemId::from_index(self.conversation.items.len());
        call.request = self.conversation.add_request(&source, index, mode, request, prefix, items, diagnostics);
        call.compacted_before = self.conversation.compaction_in_request(index, items);
        if self.turns_with_request.insert(call.turn_id.clone()) {
            self.first_requests.push(FirstRequest { call: index, first_new });
        }
    }

    /// Records the end of an inference call. The first end event that references a response payload provides the
    /// response, even if it is recorded after the end of the call.
    fn end(&mut self, at: &Logged<ConversationFact>, end: &InferenceEnd, diagnostics: &mut Diagnostics) {
        let InferenceEnd {
            inference_call_id,
            outcome,
            response_id,
            upstream_request_id,
            first_token_at,
            usage,
            response_payload,
            response,
        } = end;
        let payload = response_payload.as_ref();
        let index = self.calls.index_of(inference_call_id);
        let Some((index, call)) = index.and_then(|index| Some((index, self.calls.get_index_mut(index)?))) else {
            let message =
                format!("inference call {inference_call_id} ends, but was never started; the end is left out");
            diagnostics.add(at, Code::UnknownObject, message, payload);
            return;
        };
        let subject = format!("inference call {inference_call_id}");
        diagnostics.use_before_start(at, call.execution.started.seq, Code::UnknownObject, &subject);
        call.evidence.add(at.when.seq, payload.cloned());
        call.span.fill_from(at.context.span.as_ref());
        let enclosing_end = turn_end_for_call(self.thread_tables, &call.turn_id);
        let had_usage = call.usage.is_some();
        close(call, at, end, enclosing_end, diagnostics);
        let (completed, failed) = (matches!(outcome, Outcome::Completed), matches!(outcome, Outcome::Failed(_)));
        let is_first = call.raw_response_payload_id.is_none();
        if let Some(response) = response {
            let reported =
                EndEventFields { response_id, upstream_request_id, usage: *usage, first_token_at, completed, failed };
            self.respond(at, index, response, &reported, diagnostics);
        }
        // A stream shows if it is whole, and it has been reported if it is not.
        let is_stream = is_first && response.as_ref().is_some_and(RecordedResponse::is_stream);
        let has_usage = self.calls.get_index(index).is_some_and(|call| call.usage.is_some());
        if has_usage && !had_usage && !completed && !is_stream {
            let message = format!("{subject} ended without a complete response; the usage that was reported is kept");
            diagnostics.add(at, Code::PartialUsage, message, payload);
        }
    }

    /// Records what arrived of the response of an inference call that never ended.
    fn streamed(&mut self, at: &Logged<ConversationFact>, streamed: &StreamedResponse, diagnostics: &mut Diagnostics) {
        let StreamedResponse { inference_call_id, response } = streamed;
        if let Some(index) = self.calls.index_of(inference_call_id) {
            self.respond(at, index, response, &EndEventFields::NONE, diagnostics);
        }
    }

    /// Adds the response of an inference call to the conversation of its thread. Sets the call's response id, token
    /// counts and other fields of the response. The first response of a call counts.
    fn respond(
        &mut self,
        at: &Logged<ConversationFact>,
        index: usize,
        response: &RecordedResponse,
        reported: &EndEventFields<'_>,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(call) = self.calls.get_index_mut(index) else { return };
        if call.raw_response_payload_id.is_some() {
            return;
        }
        let RecordedResponse { payload, body, chunks, without_content } = response;
        call.raw_response_payload_id = Some(payload.clone());
        call.raw_response_chunk_ids = chunks.iter().map(|(_, payload)| payload.clone()).collect();
        add_response_evidence(call, at, response);
        let subject = format!("the response of inference call {}", call.inference_call_id);
        let absent = |reason: &str| format!("{subject} is treated as absent: {reason}");
        let report = |(code, reason): (Code, &str)| diagnostics.add(at, code, absent(reason), Some(payload));
        let body = self.responses.open(index, body).map_err(report).ok();
        let without_content = without_content.as_deref();
        let id = reported.response_id.as_ref().or_else(|| body?.response_id.as_ref());
        let id = id.or_else(|| without_content?.response_id.as_ref());
        call.response_id = id.cloned();
        // The first producers used one id for both, and recorded no id of the request.
        let of_response = || id.filter(|_| reported.upstream_request_id.is_unrecorded());
        let of_request = reported.upstream_request_id.given().cloned();
        call.upstream_request_id = of_request.or_else(|| of_response().map(|id| RequestId::from(id.as_str())));
        call.first_token_at = call.first_token_at.or(*reported.first_token_at);
        let usage = body.and_then(|body| body.usage.usage).or_else(|| without_content?.usage.usage);
        call.usage = usage.or(reported.usage).or(call.usage);
        if let Some(pointer) = body.and_then(|body| body.instructions).filter(|_| call.instructions.is_none()) {
            call.instructions = Some(Pointer { raw_payload_id: payload.clone(), pointer: pointer.into() });
        }
        if let Some(body) = body {
            usage::report_problems(at, &subject, &body.usage.problems, payload, diagnostics);
            // The end of a call may report it as completed although the provider refused it.
            call.error = call.error.take().or_else(|| body.error.clone());
        }
        if let Some(reason) = body.and_then(|body| body.partial.as_deref()) {
            let message =
                format!("{subject} is only a part of it: {reason}; the items and the usage that arrived are kept");
            diagnostics.add(at, Code::PartialStream, message, Some(payload));
        }
        if let Some(body) = body.filter(|body| !matches!(body.items, ResponseItems::UnknownShape)) {
            self.unread_fields.report(at, &subject, payload, &body.unread, diagnostics);
        }
        if !matches!(body.map(|body| &body.items), Some(ResponseItems::Listed(_))) {
            self.conversation.unknown_responses.insert(index);
        }
        let items = match body.map(|body| &body.items) {
            None => &[],
            Some(ResponseItems::Listed(items)) => &**items,
            Some(ResponseItems::NotRecorded) => {
                let message = with_hint(
                    &mut self.hint_given,
                    format!("{subject} was recorded without its content, so the output of the model is unknown"),
                );
                diagnostics.add(at, Code::ResponseUnknown, message, Some(payload));
                self.calls_without_content.insert(call.inference_call_id.clone());
                &[]
            }
            Some(ResponseItems::Encoded(encoding)) => {
                let message = format!(
                    "{subject} was recorded as {encoding}, which is not decoded, so the output of the model is unknown"
                );
                diagnostics.add(at, Code::ResponseUnknown, message, Some(payload));
                if reported.completed {
                    self.calls_without_content.insert(call.inference_call_id.clone());
                }
                &[]
            }
            Some(ResponseItems::Truncated(unusable)) => {
                diagnostics.add(at, unusable.code, absent(&unusable.reason), Some(payload));
                &[]
            }
            // A refused call has the provider's error in place of a response.
            Some(ResponseItems::UnknownShape) if reported.failed => &[],
            Some(ResponseItems::UnknownShape) => {
                let message = format!("{subject} has no list of output items, so the output of the model is unknown");
                diagnostics.add(at, Code::BadPayload, message, Some(payload));
                &[]
            }
        };
        let producer = Producer::Inference { inference_call_id: call.inference_call_id.clone() };
        let (thread, turn) = (&call.thread_id, &call.turn_id);
        let source = ItemSource { at, thread, turn, payload, producer: Some(producer), subject: &subject };
        if let Some(conversation) = body.and_then(|body| body.conversation_id.as_ref()) {
            self.conversation.server_conversations.assign(&source, index, conversation, diagnostics);
        }
        if reported.completed {
            self.conversation.server_conversations.complete(thread, index);
        }
        let continued_by = id.filter(|_| reported.completed);
        call.response_item_ids = self.conversation.add_response(&source, index, continued_by, items, diagnostics);
    }
}

/// Adds the payloads of a response to the evidence of its call, unless they are there.
fn add_response_evidence(call: &mut InferenceCall, at: &Logged<ConversationFact>, response: &RecordedResponse) {
    for (seq, chunk) in &response.chunks {
        call.evidence.add(*seq, Some(chunk.clone()));
    }
    let last = call.evidence.as_slice().last().and_then(|(_, payload)| payload.as_ref());
    if response.chunks.is_empty() && last != Some(&response.payload) {
        call.evidence.add(at.when.seq, Some(response.payload.clone()));
    }
}

/// Ends a call as its end event reports. Reports an event that comes after the end of the call.
fn close(
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
            call.upstream_request_id = end.upstream_request_id.given().cloned();
        }
        Err(AlreadyEnded) => {
            let id = &call.inference_call_id;
            let message = format!("inference call {id} ends after it has ended; the first end is kept");
            diagnostics.add(at, Code::LateEnd, message, end.response_payload.as_ref());
        }
    }
}

/// Appends [`RECORD_CONTENT`] to the message, unless an earlier message carries it.
fn with_hint(hint_given: &mut bool, message: String) -> String {
    if std::mem::replace(hint_given, true) { message } else { format!("{message}; {RECORD_CONTENT}") }
}

/// The fields of an end event that describe the response, common to completed, failed and cancelled calls.
struct EndEventFields<'a> {
    response_id: &'a Option<crate::event::ResponseId>,
    upstream_request_id: &'a UpstreamRequestId,
    usage: Option<crate::event::Usage>,
    first_token_at: &'a Option<crate::event::UnixMillis>,
    /// `true` if the call completed, so that a later request may continue its response.
    completed: bool,
    failed: bool,
}

impl EndEventFields<'_> {
    /// The fields of a call without an end event.
    const NONE: Self = Self {
        response_id: &None,
        upstream_request_id: &UpstreamRequestId::None,
        usage: None,
        first_token_at: &None,
        completed: false,
        failed: false,
    };
}
