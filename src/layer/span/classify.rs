//! Decides which operations a span opens, from its kind, its fields and the enclosing operations.

use std::sync::Arc;

use super::field_facts::{cell_facts, inference_facts, thread_facts, tool_facts};
use super::fields::Fields;
use super::operation_kind::OperationKind;
use super::operations::{ChildOperation, Enclosing, Operations};
use super::span_state::SpanState;
use crate::layer::operation::{
    CodeCellOperation, CompactionOperation, InferenceOperation, OrphanSpan, SharedCompactionId, ThreadFacts,
    ThreadOperation, ToolCallOperation, TurnOperation,
};
use crate::layer::session::live::Live;

impl SpanState {
    /// Returns `true` if the span has a recognized kind, by the fields recorded so far, or has opened an operation.
    pub(in crate::layer) fn is_recognized(&self) -> bool {
        self.kind().is_some() || self.operations().is_some_and(|operations| !operations.is_empty())
    }

    /// Returns `true` if the span is an operation inside a turn, by the fields recorded so far.
    pub(super) fn is_child_operation(&self) -> bool {
        match self.kind() {
            Some(
                OperationKind::Inference | OperationKind::Tool | OperationKind::CodeCell | OperationKind::Compaction,
            ) => true,
            Some(OperationKind::Thread | OperationKind::Turn | OperationKind::Agent | OperationKind::Workflow) => false,
            None => self.operations().is_some_and(|operations| operations.child.is_some()),
        }
    }

    /// Returns the operation inside a turn that the span opened. Returns `None` if the span opened no such operation.
    pub(in crate::layer) fn child_operation(&self) -> Option<&ChildOperation> {
        // A request whose span was not entered, or whose required fields are recorded late, must be opened by now.
        if self.is_plain_request() {
            self.touch();
        }
        self.operations()?.child.as_ref()
    }

    /// Returns `true` if the span is an inference call without a typed handle, by the fields recorded so far.
    pub(super) fn is_plain_inference(&self) -> bool {
        !self.has_handle() && self.kind() == Some(OperationKind::Inference)
    }

    /// Returns `true` if the span is a call of a model or a compaction request without a typed handle, by the fields
    /// recorded so far.
    fn is_plain_request(&self) -> bool {
        !self.has_handle() && matches!(self.kind(), Some(OperationKind::Inference | OperationKind::Compaction))
    }

    /// Creates the operations of a span of this kind.
    pub(super) fn new_operations(&self, kind: OperationKind, fields: &Fields, enclosing: Enclosing) -> Operations {
        // Spans of inference calls and agents name their own agent, so they are not moved into the agent that acts in
        // the enclosing tool call.
        let enclosing = match kind {
            OperationKind::Inference | OperationKind::Agent | OperationKind::Workflow => enclosing,
            OperationKind::Thread
            | OperationKind::Turn
            | OperationKind::Tool
            | OperationKind::CodeCell
            | OperationKind::Compaction => enclosing.for_active_agent(),
        };
        let mut operations = Operations::default();
        match kind {
            OperationKind::Thread => operations.thread = Some(self.new_thread(fields, enclosing, self.live().clone())),
            OperationKind::Turn => {
                let thread = enclosing.thread.unwrap_or_else(|| self.implicit_thread(fields));
                operations.turn = Some(TurnOperation::new(thread, fields.turn_id.clone(), self.live().clone()));
            }
            OperationKind::Agent | OperationKind::Workflow => match enclosing {
                Enclosing { thread: Some(_), tool: Some(_), .. } => {
                    let thread = self.new_thread(fields, enclosing, self.live().clone());
                    operations.turn = Some(self.new_agent_turn(Arc::clone(&thread), fields));
                    operations.thread = Some(thread);
                }
                Enclosing { turn: Some(turn), .. } => {
                    let name = fields.agent_name.as_deref().filter(|name| turn.is_of_another_agent(name));
                    let thread = name.map(|name| self.idle_agent_thread(turn.thread(), name, fields));
                    operations.turn = thread.map(|thread| self.new_agent_turn(thread, fields));
                }
                Enclosing { thread, turn: None, .. } => {
                    let thread = thread.unwrap_or_else(|| self.implicit_thread(fields));
                    let name = fields.agent_name.as_deref();
                    let is_another = name.is_some_and(|name| thread.is_of_another_agent(name));
                    let thread = match is_another || runs_beside_another(&thread, fields) {
                        true => self.idle_agent_thread(&thread, name.unwrap_or_default(), fields),
                        false => thread,
                    };
                    operations.turn = Some(self.new_agent_turn(thread, fields));
                }
            },
            OperationKind::Inference => {
                if let Some(compaction) = &enclosing.compaction {
                    compaction.add_call_inside();
                }
                let turn = self.inference_turn(fields, enclosing);
                return ChildOperation::Inference(InferenceOperation::new(
                    turn,
                    self.opened_at(),
                    inference_facts(fields),
                    self.live().clone(),
                ))
                .into();
            }
            OperationKind::Tool => {
                let facts = tool_facts(fields, enclosing.cell.clone());
                return ChildOperation::Tool(ToolCallOperation::new(
                    self.turn_or_implicit(fields, enclosing),
                    facts,
                    self.live().clone(),
                ))
                .into();
            }
            OperationKind::CodeCell => {
                return ChildOperation::Cell(CodeCellOperation::new(
                    self.turn_or_implicit(fields, enclosing),
                    cell_facts(fields),
                    self.live().clone(),
                ))
                .into();
            }
            OperationKind::Compaction => {
                let (turn, name) =
                    (self.turn_or_implicit(fields, enclosing), SharedCompactionId::new(fields.compaction_id.clone()));
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

    /// Creates the turn of a span of an agent or a workflow.
    fn new_agent_turn(&self, thread: Arc<ThreadOperation>, fields: &Fields) -> Arc<TurnOperation> {
        let (turn_id, live) = (fields.turn_id.clone(), self.live().clone());
        match fields.kind() {
            Some(OperationKind::Workflow) => TurnOperation::new_of_workflow(thread, turn_id, live),
            Some(_) | None => TurnOperation::new_of_agent(thread, turn_id, live),
        }
    }

    /// Creates a thread, spawned by the enclosing tool call if there is one.
    fn new_thread(&self, fields: &Fields, enclosing: Enclosing, live: Live) -> Arc<ThreadOperation> {
        let spawned_by = enclosing.tool.as_ref().and_then(|tool| tool.id()).cloned();
        let is_supplied = fields.kind() != Some(OperationKind::Thread);
        let facts = ThreadFacts { spawned_by, is_supplied, ..thread_facts(fields) };
        ThreadOperation::new(Arc::clone(self.session()), enclosing.thread, facts, live)
    }

    /// Returns the turn of an inference call.
    ///
    /// A call that names an agent inside a tool call does not belong to the agent that called the tool, but to the
    /// agent that runs as that tool: frameworks open no span for it.
    fn inference_turn(&self, fields: &Fields, enclosing: Enclosing) -> Arc<TurnOperation> {
        match (enclosing.tool.clone(), &fields.agent_name) {
            (Some(tool), Some(name)) => {
                tool.activate_agent(name, || TurnOperation::new(self.new_thread(fields, enclosing, None), None, None))
            }
            (Some(_) | None, _) => {
                let enclosing = enclosing.for_active_agent();
                let thread = enclosing.thread.clone().unwrap_or_else(|| self.implicit_thread(fields));
                let is_another = |name: &&str| match &enclosing.turn {
                    Some(turn) => turn.is_call_of_another_agent(name),
                    None => thread.is_of_another_agent(name),
                };
                match fields.agent_name.as_deref().filter(is_another) {
                    Some(name) => self.implicit().turn(self.agent_thread(&thread, name, fields)),
                    None => self.turn_or_implicit(fields, Enclosing { thread: Some(thread), ..enclosing }),
                }
            }
        }
    }

    /// Returns the thread of the agent `name`, spawned by `parent` without a tool call, for a call of a model, which does not
    /// tell whose run it belongs to.
    fn agent_thread(&self, parent: &Arc<ThreadOperation>, name: &str, fields: &Fields) -> Arc<ThreadOperation> {
        parent.agent(name, |_| true, || self.new_agent_thread(parent, fields))
    }

    /// Returns the thread of the agent `name`, spawned by `parent` without a tool call, for a run of the agent. Each of
    /// several runs at the same time has a thread of its own.
    fn idle_agent_thread(&self, parent: &Arc<ThreadOperation>, name: &str, fields: &Fields) -> Arc<ThreadOperation> {
        let may_be = |thread: &Arc<ThreadOperation>| !runs_beside_another(thread, fields);
        parent.agent(name, may_be, || self.new_agent_thread(parent, fields))
    }

    fn new_agent_thread(&self, parent: &Arc<ThreadOperation>, fields: &Fields) -> Arc<ThreadOperation> {
        let facts = ThreadFacts { is_supplied: true, ..thread_facts(fields) };
        ThreadOperation::new(Arc::clone(self.session()), Some(Arc::clone(parent)), facts, None)
    }

    /// Returns the implicit thread for this span. If the span declares its kind with `otel_trace.kind`, the program
    /// opens its threads itself, so an implicit thread is recorded as that of an orphan span.
    fn implicit_thread(&self, fields: &Fields) -> Arc<ThreadOperation> {
        let orphan = fields.has_declared_kind().then_some(OrphanSpan { span: self.name() });
        self.implicit().thread(self.session(), ThreadFacts { orphan, is_supplied: true, ..thread_facts(fields) })
    }

    /// Returns the enclosing turn, or else an implicit turn of the enclosing or implicit thread.
    fn turn_or_implicit(&self, fields: &Fields, enclosing: Enclosing) -> Arc<TurnOperation> {
        enclosing.turn.unwrap_or_else(|| {
            let thread = enclosing.thread.unwrap_or_else(|| self.implicit_thread(fields));
            self.implicit().turn(thread)
        })
    }
}

/// Returns `true` if the agent of a span runs beside another one that is at work in this thread. A span that names the
/// conversation is of its thread, whatever happens in that.
fn runs_beside_another(thread: &ThreadOperation, fields: &Fields) -> bool {
    fields.conversation_id.is_none() && thread.has_agent_at_work()
}
