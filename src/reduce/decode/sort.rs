//! Events into facts: which domain each goes to, and with which of the bodies that were opened.

use super::contents::Readings;
use super::facts::{
    At, CellFact, CompactionRequestFact, ConversationFact, Facts, InferenceEnd, RolloutFact, ThreadFact, ToolFact,
    TurnFact,
};
use super::log::Entry;
use super::mentions::Mentions;
use super::opened::{Opened, prefix_of};
use crate::event::{AgentResultObserved, Event, EventContext, Other, PayloadRef, ProcessSpawned, Record};
use crate::graph::{Code, Moment, Table};
use crate::reduce::problems::Place;
use crate::reduce::{Problems, Work};

/// Hands every event to its domain.
pub(super) fn sort(
    log: Vec<Entry>,
    bodies: &Opened,
    readings: Readings,
    problems: &mut Problems,
    work: &mut Work,
) -> Facts {
    work.items_listed += readings.listed();
    work.items_kept += readings.len() as u64;
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
        readings,
        unheard: Vec::new(),
        last_at: log.iter().map(|entry| entry.record.at.unix_ms()).max(),
    };
    for entry in log {
        facts.take(entry, bodies, problems);
    }
    facts
}

impl Facts {
    fn take(&mut self, entry: Entry, bodies: &Opened, problems: &mut Problems) {
        let Entry { line, record: Record { seq, at, rollout_id: _, context, event } } = entry;
        let when = Moment { at, seq };
        event.for_each_payload(|body| self.name(body, Place { seq: Some(seq), line, after: None }, problems));
        self.mentions.see(when, line, &context, &event);
        let place = Placed { when, line, context };
        match event {
            Event::RolloutStarted(e) => self.rollout.push(place.at(RolloutFact::Started(e))),
            Event::RolloutEnded(e) => self.rollout.push(place.at(RolloutFact::Ended(e))),
            Event::ThreadStarted(e) => {
                let metadata = e.metadata_payload.as_ref().map(|body| bodies.metadata.get(body));
                self.threads.push(place.at(ThreadFact::Started(e, metadata)));
            }
            Event::ThreadEnded(e) => self.threads.push(place.at(ThreadFact::Ended(e))),
            Event::TurnStarted(e) => self.turns.push(place.at(TurnFact::Started(e))),
            Event::TurnEnded(e) => self.turns.push(place.at(TurnFact::Ended(e))),
            Event::InferenceStarted(e) => {
                let request = bodies.requests.get(&e.request_payload);
                let prefix = prefix_of(e.request_input_mode.as_deref()).map(|body| bodies.requests.get(body));
                self.conversation.push(place.at(ConversationFact::Started(Box::new(e), request, prefix)));
            }
            Event::InferenceCompleted(e) => self.end_inference(place, InferenceEnd::completed(e, &bodies.responses)),
            Event::InferenceFailed(e) => self.end_inference(place, InferenceEnd::failed(e, &bodies.responses)),
            Event::InferenceCancelled(e) => self.end_inference(place, InferenceEnd::cancelled(e, &bodies.responses)),
            Event::CompactionInstalled(e) => {
                let checkpoint = bodies.checkpoints.get(&e.checkpoint_payload);
                self.conversation.push(place.at(ConversationFact::Installed(e, checkpoint)));
            }
            Event::CompactionRequestStarted(e) => {
                self.compaction_requests.push(place.at(CompactionRequestFact::Started(e)));
            }
            Event::CompactionRequestCompleted(e) => {
                self.compaction_requests.push(place.at(CompactionRequestFact::Completed(e)));
            }
            Event::CompactionRequestFailed(e) => {
                self.compaction_requests.push(place.at(CompactionRequestFact::Failed(e)));
            }
            Event::ToolCallStarted(e) => {
                let invocation = bodies.invocation(&e);
                self.tools.push(place.at(ToolFact::Started(Box::new(e), invocation)));
            }
            Event::McpToolCallCorrelationAssigned(e) => self.tools.push(place.at(ToolFact::Correlated(e))),
            Event::ToolCallRuntimeStarted(e) => {
                let runtime = bodies.runtime_start(&e);
                self.tools.push(place.at(ToolFact::RuntimeStarted(e, runtime)));
            }
            Event::ToolCallRuntimeEnded(e) => {
                let runtime = bodies.runtime_end(&e);
                self.tools.push(place.at(ToolFact::RuntimeEnded(e, runtime)));
            }
            Event::ToolCallEnded(e) => {
                let answer = bodies.answer(&e);
                self.tools.push(place.at(ToolFact::Ended(e, answer)));
            }
            Event::CodeCellStarted(e) => self.cells.push(place.at(CellFact::Started(e))),
            Event::CodeCellInitialResponse(e) => self.cells.push(place.at(CellFact::Responded(e))),
            Event::CodeCellEnded(e) => self.cells.push(place.at(CellFact::Ended(e))),
            Event::AgentResultObserved(e) => self.agent_results.push(place.at::<AgentResultObserved>(e)),
            Event::ProtocolEventObserved(_) => {}
            Event::Other(e) => self.hear(place, &e, problems),
        }
    }

    /// What recorders have no event for. What programs say so means nothing here.
    fn hear(&mut self, place: Placed, other: &Other, problems: &mut Problems) {
        let code = match &*other.kind {
            "recording_gap" => Code::RecordingGap,
            "orphan_span" => Code::OrphanSpan,
            ProcessSpawned::KIND => return self.spawn(place, other, problems),
            _ => return,
        };
        problems.add(&place.at(()), code, format!("the recorder says: {}", other.summary), None);
    }

    fn spawn(&mut self, place: Placed, other: &Other, problems: &mut Problems) {
        match serde_json::from_str(other.metadata.as_str()) {
            Ok(process) => self.processes.push(place.at::<ProcessSpawned>(process)),
            Err(why) => {
                let message = format!("what is said of a child process can't be read, so it counts as not said: {why}");
                problems.add(&place.at(()), Code::BadProcess, message, None);
            }
        }
    }

    /// Every body that an event names is listed, the first of each id.
    fn name(&mut self, body: &PayloadRef, place: Place, problems: &mut Problems) {
        let id = &body.raw_payload_id;
        match self.payloads.get(id) {
            Some(known) if is_elsewhere(known, body) => {
                let (known, also) = (known.place(), body.place());
                let message = format!("{id} is payload {known} and also {also}; the first is listed");
                problems.add(place, Code::BadPayload, message, Some(id));
            }
            Some(_) => {}
            None => drop(self.payloads.add(id.clone(), body.clone())),
        }
    }

    fn end_inference(&mut self, place: Placed, end: InferenceEnd) {
        self.conversation.push(place.at(ConversationFact::Ended(Box::new(end))));
    }
}

/// Where an event stands, before it is known what fact it is.
struct Placed {
    when: Moment,
    line: u64,
    context: EventContext,
}

impl Placed {
    fn at<F>(self, fact: F) -> At<F> {
        let Self { when, line, context } = self;
        At { when, line, context, fact }
    }
}

/// Whether two references lead to different bodies. Of a file that is one body, only one of them may say where in it.
fn is_elsewhere(known: &PayloadRef, body: &PayloadRef) -> bool {
    known.path != body.path || known.offset.zip(body.offset).is_some_and(|(known, body)| known != body)
}
