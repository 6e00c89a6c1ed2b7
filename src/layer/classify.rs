//! What a span is, and which windows it opens, by what it says and by what it is in.

use std::sync::Arc;

use super::field_facts::{cell_facts, inference_facts, thread_facts, tool_facts};
use super::fields::{Fields, Kind};
use super::live::Live;
use super::operation::{
    CodeCellOperation, CompactionName, CompactionOperation, InferenceOperation, Orphan, ThreadFacts, ThreadOperation,
    ToolCallOperation, TurnOperation,
};
use super::operations::{ChildOperation, Enclosing, Operations};
use super::span_state::SpanState;

impl SpanState {
    /// Whether the span is anything of ours, by what it says so far.
    pub(super) fn is_something(&self) -> bool {
        self.kind().is_some() || self.operations().is_some_and(|operations| !operations.is_empty())
    }

    /// Whether the span is something that happens in a turn, by what it says so far.
    pub(super) fn is_of_a_turn(&self) -> bool {
        match self.kind() {
            Some(Kind::Inference | Kind::Tool | Kind::CodeCell | Kind::Compaction) => true,
            Some(Kind::Thread | Kind::Turn | Kind::Agent) => false,
            None => self.operations().is_some_and(|operations| operations.work.is_some()),
        }
    }

    /// What happens in a turn, if the span is that.
    pub(super) fn work(&self) -> Option<&ChildOperation> {
        // One that says only later what it is needs to be one by now.
        if self.asks_a_model() {
            self.touch();
        }
        self.operations()?.work.as_ref()
    }

    /// Whether the span is a call of a model, by what it says so far.
    pub(super) fn asks_a_model(&self) -> bool {
        !self.is_handled() && self.kind() == Some(Kind::Inference)
    }

    /// The windows of a span of this kind.
    pub(super) fn windows_of(&self, kind: Kind, fields: &Fields, surroundings: Enclosing) -> Operations {
        // A call of a model and a span of an agent say themselves whose they are.
        let surroundings = match kind {
            Kind::Inference | Kind::Agent => surroundings,
            Kind::Thread | Kind::Turn | Kind::Tool | Kind::CodeCell | Kind::Compaction => {
                surroundings.of_acting_agent()
            }
        };
        let mut operations = Operations::default();
        match kind {
            Kind::Thread => operations.thread = Some(self.new_thread(fields, surroundings, self.live().clone())),
            Kind::Turn => {
                let thread = surroundings.thread.unwrap_or_else(|| self.supplied_thread(fields));
                operations.turn = Some(TurnOperation::new(thread, fields.turn_id.clone(), self.live().clone()));
            }
            Kind::Agent => match surroundings {
                Enclosing { thread: Some(_), tool: Some(_), .. } => {
                    let thread = self.new_thread(fields, surroundings, self.live().clone());
                    operations.turn =
                        Some(TurnOperation::new(Arc::clone(&thread), fields.turn_id.clone(), self.live().clone()));
                    operations.thread = Some(thread);
                }
                Enclosing { turn: Some(_), .. } => {}
                Enclosing { thread, turn: None, .. } => {
                    let thread = thread.unwrap_or_else(|| self.supplied_thread(fields));
                    operations.turn = Some(TurnOperation::new(thread, fields.turn_id.clone(), self.live().clone()));
                }
            },
            Kind::Inference => {
                let turn = self.asking_turn(fields, surroundings);
                return ChildOperation::Inference(InferenceOperation::new(
                    turn,
                    self.opened_at(),
                    inference_facts(fields),
                    self.live().clone(),
                ))
                .into();
            }
            Kind::Tool => {
                let facts = tool_facts(fields, surroundings.cell.clone());
                return ChildOperation::Tool(ToolCallOperation::new(
                    self.turn_in(fields, surroundings),
                    facts,
                    self.live().clone(),
                ))
                .into();
            }
            Kind::CodeCell => {
                return ChildOperation::Cell(CodeCellOperation::new(
                    self.turn_in(fields, surroundings),
                    cell_facts(fields),
                    self.live().clone(),
                ))
                .into();
            }
            Kind::Compaction => {
                let (turn, name) =
                    (self.turn_in(fields, surroundings), CompactionName::new(fields.compaction_id.clone()));
                return ChildOperation::Compaction(CompactionOperation::new(
                    turn,
                    name,
                    inference_facts(fields),
                    self.live().clone(),
                ))
                .into();
            }
        }
        operations
    }

    fn new_thread(&self, fields: &Fields, surroundings: Enclosing, live: Live) -> Arc<ThreadOperation> {
        let spawned_by = surroundings.tool.as_ref().and_then(|tool| tool.id()).cloned();
        let facts = ThreadFacts { spawned_by, ..thread_facts(fields) };
        ThreadOperation::new(Arc::clone(self.recorder()), surroundings.thread, facts, live)
    }

    /// The turn in which a model is asked. A call that names an agent inside a tool call is not of the agent that
    /// called the tool, but of the one that the tool is: frameworks open no span for that.
    fn asking_turn(&self, fields: &Fields, surroundings: Enclosing) -> Arc<TurnOperation> {
        match (surroundings.tool.clone(), &fields.agent_name) {
            (Some(tool), Some(name)) => {
                tool.agent(name, || TurnOperation::new(self.new_thread(fields, surroundings, None), None, None))
            }
            (Some(_) | None, _) => self.turn_in(fields, surroundings.of_acting_agent()),
        }
    }

    fn supplied_thread(&self, fields: &Fields) -> Arc<ThreadOperation> {
        let orphan = fields.is_in_our_words().then_some(Orphan { span: self.name() });
        self.supplied().thread(self.recorder(), ThreadFacts { orphan, ..thread_facts(fields) })
    }

    fn turn_in(&self, fields: &Fields, surroundings: Enclosing) -> Arc<TurnOperation> {
        surroundings.turn.unwrap_or_else(|| {
            let thread = surroundings.thread.unwrap_or_else(|| self.supplied_thread(fields));
            self.supplied().turn(thread)
        })
    }
}
