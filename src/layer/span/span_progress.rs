//! Carries out what the [lifecycle](SpanLifecycle) of a span decides: starts, settles and ends its operations.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::field_bodies::{LateRequest, RequestBody};
use super::field_facts::{has_required_facts, inference_facts};
use super::fields::Fields;
use super::operations::{ChildOperation, Operations};
use super::span_end::{self, OutcomeFields};
use super::span_lifecycle::{Effect, Facts, Input};
use super::span_state::SpanState;
use crate::bundle::Json;
use crate::event::Timestamp;
use crate::layer::operation::{Attempt, End, InferenceOperation, SettledSpan, SpanEnd};
use crate::layer::session::live::end_live;
use crate::layer::session::reentrancy::lock;
use crate::layer::session::unwritten::Unwritten;

impl SpanState {
    /// Returns how much is known of the operations. What is missing once they have started is of no importance.
    pub(super) fn facts(&self) -> Facts {
        if self.operations.get().is_some() {
            return Facts::Known;
        }
        let facts = match &*lock(&self.fields) {
            None => Facts::Unknown,
            Some(fields) if fields.kind().is_none() => Facts::Unknown,
            Some(fields) if fields.lacks_facts(self.metadata) => Facts::Missing,
            Some(fields) if has_required_facts(fields) => Facts::Ready,
            Some(_) => Facts::Known,
        };
        // A root span may still get an enclosing thread by `follows_from`, so it waits. So does a span whose live span
        // does not exist yet, because its start could not contain the ids.
        let must_wait = facts == Facts::Ready && (self.parent.is_none() || !self.ensure_live_started());
        if must_wait { Facts::Known } else { facts }
    }

    /// Carries out what happens to the span by its lifecycle. Returns the time of the end if it ended the operations.
    pub(super) fn apply(&self, input: Input) -> Option<Timestamp> {
        let effect = lock(&self.lifecycle).next(input, &Timestamp::now);
        match effect {
            Effect::Nothing => {}
            Effect::Start { since } => self.start(since),
            Effect::Settle { since, is_exit } => self.settle(since, is_exit),
            Effect::End { since, at } => {
                self.start(since);
                self.end_closed(at, input == Input::Released);
                return Some(at);
            }
        }
        None
    }

    /// Stores the answer if a thread has finished its work in the span, and makes the operation known as settled.
    fn settle(&self, since: Timestamp, is_exit: bool) {
        self.start(since);
        let Some(child) = self.operations.get().and_then(|operations| operations.child.as_ref()) else { return };
        if is_exit {
            self.store_answer(child);
        }
        // What the fields say is written with the end, even if that is the shutdown.
        self.register_pending_fields();
        let this: Weak<dyn SettledSpan> = self.this.clone();
        child.settle(&this);
    }

    /// Stores the body of the answer or the result in the fields, unless it has been stored. Only its end event will name
    /// it: a body that is replaced until then stays unnamed.
    fn store_answer(&self, child: &ChildOperation) {
        let Some(fields) = lock(&self.fields).clone() else { return };
        if self.stored_answers.load(Ordering::Acquire) == fields.answers {
            return;
        }
        match child {
            ChildOperation::Inference(call) if fields.output_messages.is_some() && call.current().is_open() => {
                span_end::store_response(call.current(), &fields, None);
            }
            ChildOperation::Tool(tool) if !tool.is_ended() => span_end::store_result(tool, &fields),
            ChildOperation::Inference(_)
            | ChildOperation::Tool(_)
            | ChildOperation::Cell(_)
            | ChildOperation::Compaction(_) => return,
        }
        // Set last: an end that comes meanwhile stores the body again, and loses nothing.
        self.stored_answers.store(fields.answers, Ordering::Release);
    }

    /// Registers the span with the recorder if fields were recorded after the start: they are written with the end,
    /// even if that is the shutdown.
    pub(super) fn register_pending_fields(&self) {
        let is_new = || lock(&self.fields).is_some() && !self.has_pending_fields.swap(true, Ordering::Relaxed);
        if self.operations.get().is_some()
            && let Some(this) = self.this.upgrade().filter(|_| is_new())
        {
            self.session.add_unwritten(&this);
        }
    }

    /// Starts the operations when the span is entered. If the callsite declares facts of the start that have no value
    /// yet, the start waits for them, or for the first activity inside the span: a tool call whose id is recorded after
    /// its start could not be linked to the model's request.
    pub(super) fn enter(&self) {
        self.apply(Input::Entered(self.facts()));
    }

    /// Settles the operations when the last thread exits the span, if they have an answer.
    pub(super) fn exit(&self) {
        self.apply(Input::Exited);
    }

    /// Starts the operations because of activity in the span: an operation was opened below it, or something is recorded
    /// in it.
    pub(in crate::layer) fn touch(&self) {
        if !self.has_handle {
            self.apply(Input::Active(self.facts()));
        }
    }

    /// Opens the operations if the kind of the span is known, and starts those whose required facts are known.
    pub(super) fn start(&self, at: Timestamp) {
        let Some(operations) = self.resolve_operations() else { return };
        self.ensure_live_started();
        let Operations { thread, turn, child } = operations;
        if let Some(thread) = thread {
            thread.start(at);
        }
        if let Some(turn) = turn {
            turn.start(at);
        }
        match child {
            Some(ChildOperation::Tool(tool)) => drop(tool.start(at)),
            Some(ChildOperation::Cell(cell)) => drop(cell.start(at)),
            Some(ChildOperation::Inference(inference)) if inference.is_pending() => self.start_inference(inference, at),
            // The request itself starts when its body is recorded, at the latest when it ends.
            Some(ChildOperation::Compaction(compaction)) => drop(compaction.turn().start(at)),
            Some(ChildOperation::Inference(_)) | None => {}
        }
    }

    /// Starts the enclosing operations of an inference call, and the call itself if its request is known.
    fn start_inference(&self, inference: &Arc<InferenceOperation>, at: Timestamp) {
        // A call without a request is recorded when it ends, with the time at which its span was opened.
        inference.turn().start(at.min(self.opened_at));
        let Some(fields) = lock(&self.fields).clone() else { return };
        inference.set_facts(inference_facts(&fields));
        if let Some(body) = RequestBody::from_fields(&fields.request) {
            inference.record_request_at(&Json(&body), at);
            let _ = self.request_fields.set(fields);
        }
    }

    /// Closes the span: starts operations that have not started, and ends those without a handle.
    pub(super) fn close(&self) {
        if !self.has_handle {
            self.apply(Input::Closed(self.facts()));
        }
        if let Some(live) = &self.live {
            live.close();
        }
    }

    /// Closes a span that no longer exists and whose close the layer did not observe.
    pub(super) fn close_abandoned(&self) {
        if let Some(live) = &self.live {
            live.abandon();
        }
        self.close();
    }

    /// Ends the operations of a span that closed, or that settled and was released.
    fn end_closed(&self, at: Timestamp, is_settled: bool) {
        let is_inference = self.operations().is_some_and(|operations| operations.inference().is_some());
        // A status of `OK` does not prove that a model responded, if there is no response.
        let is_ok = !is_inference && lock(&self.fields).as_ref().is_some_and(|fields| fields.outcome.is_ok());
        let Some(operations) = self.operations.get() else { return };
        self.flush_fields_to(operations);
        match &operations.child {
            Some(ChildOperation::Inference(first)) if is_settled => first.current().set_settled(),
            Some(ChildOperation::Tool(tool)) if is_settled => tool.set_settled(),
            Some(ChildOperation::Compaction(compaction)) if is_settled => compaction.current().set_settled(),
            Some(_) | None => {}
        }
        self.end_operations(if is_ok { &End::ClosedOk } else { &End::Closed }, at);
        if let Some(child) = self.operations.get().and_then(|operations| operations.child.as_ref()) {
            let this: Weak<dyn SettledSpan> = self.this.clone();
            child.turn().remove_settled(&this);
        }
    }

    /// Begins an HTTP exchange of the call of a model that the span opened, and returns its attempt. If it follows another
    /// one that is over, what the fields tell so far of its outcome belongs to that.
    pub(in crate::layer) fn begin_exchange<T: OutcomeFields>(&self, call: &Arc<T>) -> Arc<T> {
        if call.is_retried_next() {
            let outcome = lock(&self.fields).as_mut().and_then(|fields| Arc::make_mut(fields).take_outcome());
            if let Some(outcome) = outcome {
                call.current().apply_outcome(&outcome);
            }
            self.apply(Input::Retried);
        }
        call.begin_exchange()
    }

    /// Passes the field values recorded so far to `operations`, before they end.
    fn flush_fields_to(&self, operations: &Operations) {
        let Some(fields) = lock(&self.fields).take() else { return };
        if self.has_pending_fields.load(Ordering::Relaxed) {
            self.session.remove_unwritten(self);
        }
        self.set_span_end(operations, &fields);
        let Operations { thread, turn, child } = operations;
        match child {
            Some(ChildOperation::Inference(first)) if !first.current().is_ended() => {
                let inference = first.current();
                if !fields.request.settings.is_empty() && inference.is_pending() {
                    inference.set_facts(inference_facts(&fields));
                }
                if let Some(late) = self.request_fields.get().and_then(|known| LateRequest::from_fields(known, &fields))
                {
                    inference.record_request(&Json(&late));
                }
                if self.stored_answers.load(Ordering::Acquire) != fields.answers || self.wire_reply.get().is_some() {
                    span_end::store_response(inference, &fields, self.wire_reply.get().map(String::as_str));
                }
                span_end::apply_to_inference(inference, &fields);
            }
            Some(ChildOperation::Tool(tool)) if !tool.is_ended() => {
                if let Some(invocation) = fields.invocation() {
                    tool.record_late_invocation(&invocation);
                }
                if self.stored_answers.load(Ordering::Acquire) != fields.answers {
                    span_end::store_result(tool, &fields);
                }
                span_end::apply_to_tool(tool, &fields);
            }
            Some(ChildOperation::Cell(cell)) => cell.set_error(fields.outcome.error()),
            Some(ChildOperation::Compaction(first)) => span_end::apply_to_compaction(first.current(), &fields),
            Some(ChildOperation::Inference(_) | ChildOperation::Tool(_)) | None => {}
        }
        if let Some(turn) = turn {
            turn.set_error(fields.outcome.error());
        }
        if let Some(thread) = thread {
            thread.set_error(fields.outcome.error());
        }
        Fields::recycle(fields);
    }

    /// Passes what the span tells of the end of its operations, beside their outcome, to the outermost one.
    fn set_span_end(&self, operations: &Operations, fields: &Fields) {
        let Operations { thread, turn, child } = operations;
        let kind = operations.end_event_kind();
        let options = &self.session.options;
        let span_end = SpanEnd {
            is_error_event: fields.outcome.is_error_event(),
            error_type: fields.outcome.error_type.as_deref().map(|text| options.redact_text(kind, text).into_owned()),
            attributes: fields.own_attributes().map(|attributes| options.redact_json(kind, attributes)),
            ..SpanEnd::default()
        };
        match (child, turn, thread) {
            (Some(ChildOperation::Inference(first)), ..) => first.current().set_span_end(span_end),
            (Some(ChildOperation::Tool(tool)), ..) => tool.set_span_end(span_end),
            (Some(ChildOperation::Cell(cell)), ..) => cell.set_span_end(span_end),
            (Some(ChildOperation::Compaction(first)), ..) => first.current().set_span_end(span_end),
            (None, Some(turn), Some(thread)) => {
                // Both fail, and the span is that of the thread.
                turn.set_span_end(SpanEnd { attributes: None, ..span_end.clone() });
                thread.set_span_end(span_end);
            }
            (None, Some(turn), None) => turn.set_span_end(span_end),
            (None, None, Some(thread)) => thread.set_span_end(span_end),
            (None, None, None) => {}
        }
    }

    /// Ends the operations of the span because the program says so.
    pub(in crate::layer) fn end(&self, end: &End) {
        if !self.has_handle && self.operations.get().is_some() {
            self.apply(Input::EndedByProgram);
        }
        self.end_operations(end, Timestamp::now());
    }

    /// Ends the operations of the span, the innermost first.
    pub(super) fn end_operations(&self, end: &End, at: Timestamp) {
        let Some(operations) = self.operations.get() else { return };
        self.flush_fields_to(operations);
        let kind = operations.end_event_kind();
        // Redact the error here, while no lock is held.
        operations.end(&end.redacted(|text| self.session.options.redact_text(kind, text).into_owned()), at);
    }
}

impl Unwritten for SpanState {
    fn write(self: Arc<Self>) {
        if let Some(operations) = self.operations.get() {
            self.flush_fields_to(operations);
        }
    }
}

impl SettledSpan for SpanState {
    fn release(&self) {
        if let Some(at) = self.apply(Input::Released) {
            end_live(&self.live, at);
        }
    }
}
