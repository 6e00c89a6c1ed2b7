//! Collects facts: assigns each event, with its decoded payloads, to the domain that folds it, such as threads or tool
//! calls.

use super::decoded_payloads::{DecodedPayloads, prefix_of};
use super::facts::{
    CellFact, CompactionRequestFact, ConversationFact, Facts, InferenceEnd, Logged, RolloutFact, ThreadFact, ToolFact,
    TurnFact,
};
use super::item_cache::DecodedItems;
use super::log::LogEntry;
use super::mentions::Mentions;
use super::unnamed::{StoredOutcome, UnnamedPayloads};
use crate::event::{
    AgentResultObserved, Event, EventContext, Other, PayloadRef, ProcessSpawned, Record, ReferencedKind,
};
use crate::graph::{Code, Moment, Table};
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::{Diagnostics, Work};

/// Converts all events to facts and assigns each to the domain that folds it.
pub(super) fn collect_facts(
    log: Vec<LogEntry>,
    payloads: &DecodedPayloads,
    unnamed: UnnamedPayloads,
    decoded_items: DecodedItems,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) -> Facts {
    work.items_listed += decoded_items.listed();
    work.items_kept += decoded_items.len() as u64;
    let mut facts = Facts {
        rollout: Vec::new(),
        threads: Vec::new(),
        turns: Vec::new(),
        mentions: Mentions::default(),
        conversation: Vec::new(),
        compaction_requests: Vec::new(),
        tools: Vec::new(),
        cells: Vec::new(),
        processes: Vec::new(),
        agent_results: Vec::new(),
        payloads: Table::default(),
        decoded_items,
        unreported: Vec::new(),
        last_at: log.iter().map(|entry| entry.record.at.unix_ms()).max(),
    };
    let (unnamed_payloads, mut stored_outcomes) = unnamed.into_parts();
    for (index, entry) in log.into_iter().enumerate() {
        let position = (Moment { at: entry.record.at, seq: entry.record.seq }, entry.line);
        facts.add_entry(entry, payloads, diagnostics);
        for outcome in stored_outcomes.remove(&index).unwrap_or_default() {
            facts.add_stored_outcome(position, outcome);
        }
    }
    for payload in unnamed_payloads {
        facts.payloads.add(payload.raw_payload_id.clone(), payload);
    }
    facts
}

impl Facts {
    /// Adds an event to the facts of its domain, and registers the threads, turns and payloads that it names.
    fn add_entry(&mut self, entry: LogEntry, payloads: &DecodedPayloads, diagnostics: &mut Diagnostics) {
        let LogEntry { line, record: Record { seq, at, rollout_id: _, context, event, unknown_words: _ } } = entry;
        let when = Moment { at, seq };
        event.for_each_payload(|payload| {
            self.register_payload(payload, LogPosition { seq: Some(seq), line, after: None }, diagnostics)
        });
        self.mentions.record(when, line, &context, &event);
        let line_context = LineContext { when, line, context };
        match event {
            Event::RolloutStarted(e) => self.rollout.push(line_context.with(RolloutFact::Started(e))),
            Event::RolloutEnded(e) => self.rollout.push(line_context.with(RolloutFact::Ended(e))),
            Event::ThreadStarted(e) => {
                let metadata = e.metadata_payload.as_ref().map(|payload| payloads.metadata.get(payload));
                self.threads.push(line_context.with(ThreadFact::Started(e, metadata)));
            }
            Event::ThreadEnded(e) => self.threads.push(line_context.with(ThreadFact::Ended(e))),
            Event::TurnStarted(e) => self.turns.push(line_context.with(TurnFact::Started(e))),
            Event::TurnEnded(e) => self.turns.push(line_context.with(TurnFact::Ended(e))),
            Event::InferenceStarted(e) => {
                let request = payloads.requests.get(&e.request_payload);
                let prefix = prefix_of(e.request_input_mode.as_deref()).map(|payload| payloads.requests.get(payload));
                self.conversation.push(line_context.with(ConversationFact::Started(Box::new(e), request, prefix)));
            }
            Event::InferenceCompleted(e) => {
                self.add_inference_end(line_context, InferenceEnd::completed(e, &payloads.responses))
            }
            Event::InferenceFailed(e) => {
                self.add_inference_end(line_context, InferenceEnd::failed(e, &payloads.responses))
            }
            Event::InferenceCancelled(e) => {
                self.add_inference_end(line_context, InferenceEnd::cancelled(e, &payloads.responses))
            }
            Event::CompactionInstalled(e) => {
                let checkpoint = payloads.checkpoints.get(&e.checkpoint_payload);
                self.conversation.push(line_context.with(ConversationFact::Installed(e, checkpoint)));
            }
            Event::CompactionRequestStarted(e) => {
                self.compaction_requests.push(line_context.with(CompactionRequestFact::Started(e)));
            }
            Event::CompactionRequestCompleted(e) => {
                let response =
                    payloads.compaction_responses.of_completed(&e.compaction_request_id, &e.response_payload);
                self.compaction_requests.push(line_context.with(CompactionRequestFact::Completed(e, response)));
            }
            Event::CompactionRequestFailed(e) => {
                let response = payloads.compaction_responses.of_failed(&e.compaction_request_id);
                self.compaction_requests.push(line_context.with(CompactionRequestFact::Failed(e, response)));
            }
            Event::ToolCallStarted(e) => {
                let invocation = payloads.invocation(&line_context.context, &e);
                self.tools.push(line_context.with(ToolFact::Started(Box::new(e), invocation)));
            }
            Event::McpToolCallCorrelationAssigned(e) => self.tools.push(line_context.with(ToolFact::Correlated(e))),
            Event::ToolCallRuntimeStarted(e) => {
                let runtime = payloads.runtime_start(&e);
                self.tools.push(line_context.with(ToolFact::RuntimeStarted(e, runtime)));
            }
            Event::ToolCallRuntimeEnded(e) => {
                let runtime = payloads.runtime_end(&e);
                self.tools.push(line_context.with(ToolFact::RuntimeEnded(e, runtime)));
            }
            Event::ToolCallEnded(e) => {
                let result = payloads.result_payload(&e);
                self.tools.push(line_context.with(ToolFact::Ended(e, result)));
            }
            Event::CodeCellStarted(e) => self.cells.push(line_context.with(CellFact::Started(e))),
            Event::CodeCellInitialResponse(e) => self.cells.push(line_context.with(CellFact::Responded(e))),
            Event::CodeCellEnded(e) => self.cells.push(line_context.with(CellFact::Ended(e))),
            Event::AgentResultObserved(e) => self.agent_results.push(line_context.with::<AgentResultObserved>(e)),
            Event::ProtocolEventObserved(_) => {}
            Event::Other(e) => {
                for streamed in payloads.responses.of_unended_calls(seq) {
                    self.conversation.push(line_context.clone().with(ConversationFact::Streamed(Box::new(streamed))));
                }
                for (request, response) in payloads.compaction_responses.of_unended(seq) {
                    let streamed = CompactionRequestFact::Streamed(request, response);
                    self.compaction_requests.push(line_context.clone().with(streamed));
                }
                self.add_other(line_context, &e, diagnostics);
            }
        }
    }

    /// Adds an outcome that no event names, as a fact behind the event at this position.
    fn add_stored_outcome(&mut self, (when, line): (Moment, u64), outcome: StoredOutcome) {
        let line_context = LineContext { when, line, context: EventContext::default() };
        match outcome {
            StoredOutcome::Answer(answer) => {
                self.conversation.push(line_context.with(ConversationFact::Streamed(Box::new(answer))));
            }
            StoredOutcome::Result(result) => self.tools.push(line_context.with(ToolFact::Stored(result))),
        }
    }

    /// Adds the fact of an `other` event whose kind this crate writes. Kinds of the host program are ignored.
    fn add_other(&mut self, line_context: LineContext, other: &Other, diagnostics: &mut Diagnostics) {
        let code = match &*other.kind {
            "recording_gap" => Code::RecordingGap,
            "orphan_span" => Code::OrphanSpan,
            Other::ORPHAN_EVENT => Code::OrphanEvent,
            ProcessSpawned::KIND => return self.add_child_process(line_context, other, diagnostics),
            _ => return,
        };
        diagnostics.add(&line_context.with(()), code, format!("reported by the recorder: {}", other.summary), None);
    }

    /// Adds the spawn record of a child process, or reports that it cannot be read.
    fn add_child_process(&mut self, line_context: LineContext, other: &Other, diagnostics: &mut Diagnostics) {
        match serde_json::from_str(other.metadata.as_str()) {
            Ok(process) => self.processes.push(line_context.with::<ProcessSpawned>(process)),
            Err(error) => {
                let message = format!("cannot read the record of a spawned child process, so it is ignored: {error}");
                diagnostics.add(&line_context.with(()), Code::BadProcess, message, None);
            }
        }
    }

    /// Registers a payload that an event references. The first reference of each payload id counts; a later one with a
    /// different location is reported.
    fn register_payload(&mut self, payload: &PayloadRef, position: LogPosition, diagnostics: &mut Diagnostics) {
        let id = &payload.raw_payload_id;
        match self.payloads.get(id) {
            Some(first) if locations_differ(first, payload) => {
                let (first, also) = (first.location(), payload.location());
                let message = format!("{id} is the id of payload {first} and also of {also}; the first is listed");
                diagnostics.add(position, Code::BadPayload, message, Some(id));
            }
            Some(_) => {}
            None => {
                if let ReferencedKind::Unknown(kind) = &payload.kind {
                    let message = format!("payload {id} is of kind {kind:?}, which is not part of format 1");
                    diagnostics.add(position, Code::UnknownWord, message, Some(id));
                }
                self.payloads.add(id.clone(), payload.clone());
            }
        }
    }

    /// Adds the end of an inference call to the facts of the conversation.
    fn add_inference_end(&mut self, line_context: LineContext, end: InferenceEnd) {
        self.conversation.push(line_context.with(ConversationFact::Ended(Box::new(end))));
    }
}

/// The time, line number and context of an event, to be combined with its fact.
#[derive(Clone)]
struct LineContext {
    when: Moment,
    line: u64,
    context: EventContext,
}

impl LineContext {
    /// Creates the logged fact of the event.
    fn with<F>(self, fact: F) -> Logged<F> {
        let Self { when, line, context } = self;
        Logged { when, line, context, fact }
    }
}

/// Returns `true` if two references have different locations. An offset that only one of them has does not count: a
/// payload that is a whole file needs none.
fn locations_differ(first: &PayloadRef, payload: &PayloadRef) -> bool {
    first.path != payload.path || first.offset.zip(payload.offset).is_some_and(|(first, payload)| first != payload)
}
