//! Which windows a span opens, by what it says and by what it is in.

use std::sync::Arc;

use super::field_facts::{cell_facts, inference_facts, thread_facts, tool_facts};
use super::fields::{Fields, Kind};
use super::span_state::SpanState;
use super::window::{
    CellWindow, CompactionName, CompactionWindow, InferenceWindow, Orphan, ThreadFacts, ThreadWindow, ToolWindow,
    TurnWindow,
};
use super::windows::{Surroundings, Windows, Work};

impl SpanState {
    /// The windows of a span of this kind.
    pub(super) fn windows_of(&self, kind: Kind, fields: &Fields, surroundings: Surroundings) -> Windows {
        let mut windows = Windows::default();
        match kind {
            Kind::Thread => windows.thread = Some(self.new_thread(fields, surroundings)),
            Kind::Turn => {
                let thread = surroundings.thread.unwrap_or_else(|| self.supplied_thread(fields));
                windows.turn = Some(TurnWindow::new(thread, fields.turn_id.clone()));
            }
            Kind::Agent => match surroundings {
                Surroundings { thread: Some(_), tool: Some(_), .. } => {
                    let thread = self.new_thread(fields, surroundings);
                    windows.turn = Some(TurnWindow::new(Arc::clone(&thread), fields.turn_id.clone()));
                    windows.thread = Some(thread);
                }
                Surroundings { turn: Some(_), .. } => {}
                Surroundings { thread, turn: None, .. } => {
                    let thread = thread.unwrap_or_else(|| self.supplied_thread(fields));
                    windows.turn = Some(TurnWindow::new(thread, fields.turn_id.clone()));
                }
            },
            Kind::Inference => {
                let turn = self.asking_turn(fields, surroundings);
                return Work::Inference(InferenceWindow::new(turn, self.opened_at(), inference_facts(fields))).into();
            }
            Kind::Tool => {
                let facts = tool_facts(fields, surroundings.cell.clone());
                return Work::Tool(ToolWindow::new(self.turn_in(fields, surroundings), facts)).into();
            }
            Kind::CodeCell => {
                return Work::Cell(CellWindow::new(self.turn_in(fields, surroundings), cell_facts(fields))).into();
            }
            Kind::Compaction => {
                let (turn, name) =
                    (self.turn_in(fields, surroundings), CompactionName::new(fields.compaction_id.clone()));
                return Work::Compaction(CompactionWindow::new(turn, name, inference_facts(fields))).into();
            }
        }
        windows
    }

    fn new_thread(&self, fields: &Fields, surroundings: Surroundings) -> Arc<ThreadWindow> {
        let spawned_by = surroundings.tool.as_ref().and_then(|tool| tool.id()).cloned();
        let facts = ThreadFacts { spawned_by, ..thread_facts(fields) };
        ThreadWindow::new(Arc::clone(self.recorder()), surroundings.thread, facts)
    }

    /// The turn in which a model is asked. A call that names an agent inside a tool call is not of the agent that
    /// called the tool, but of the one that the tool is: frameworks open no span for that.
    fn asking_turn(&self, fields: &Fields, surroundings: Surroundings) -> Arc<TurnWindow> {
        match surroundings.tool.clone().filter(|_| fields.agent_name.is_some()) {
            Some(tool) => {
                let make = || TurnWindow::new(self.new_thread(fields, surroundings), None);
                Arc::clone(tool.agent_or(make))
            }
            None => self.turn_in(fields, surroundings),
        }
    }

    fn supplied_thread(&self, fields: &Fields) -> Arc<ThreadWindow> {
        let orphan = fields.is_in_our_words().then_some(Orphan { span: self.name() });
        self.supplied().thread(self.recorder(), ThreadFacts { orphan, ..thread_facts(fields) })
    }

    fn turn_in(&self, fields: &Fields, surroundings: Surroundings) -> Arc<TurnWindow> {
        surroundings.turn.unwrap_or_else(|| {
            let thread = surroundings.thread.unwrap_or_else(|| self.supplied_thread(fields));
            self.supplied().turn(thread)
        })
    }
}
