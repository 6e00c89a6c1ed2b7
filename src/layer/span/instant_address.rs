//! How the operation of an instant is found: by the id that it gives, or by the spans that it stands in.

use std::sync::Arc;

use super::instant::{Instant, InstantKind};
use super::instant_target::InstantTarget;
use super::operations::{Enclosing, Operations};
use super::span_state::SpanState;
use crate::layer::operation::{EventScope, NotFound, ThreadOperation, TurnOperation};
use crate::layer::session::Session;

/// The kind of operation that an instant is about, with the id that it gives.
#[derive(Debug, Clone, Copy)]
enum Address<'a> {
    Tool(Option<&'a str>),
    Cell(Option<&'a str>),
    Turn(Option<&'a str>),
    Thread,
}

/// The outcome of the search for the operation of an instant.
#[derive(Debug)]
pub(super) enum Resolved {
    Found(InstantTarget),
    /// No operation, and the thread in whose bundle the instant is kept. The reason is `None` if the name of the instant is
    /// unknown.
    Orphan(Option<NotFound>, Option<Arc<ThreadOperation>>),
}

impl Instant {
    /// Finds the operation that the instant is about: by the id that it gives, otherwise by the spans that it stands in,
    /// the innermost first. Starts the operations of these spans, which the instant shows to have begun.
    pub(super) fn resolve(&self, session: &Session, spans: &[Arc<SpanState>]) -> Resolved {
        let nearest = spans.iter().find_map(|state| {
            state.touch();
            Enclosing::within(state.operations()?)?.thread
        });
        let scope = EventScope::new(session, nearest, self.fields.conversation_id.as_deref());
        let found = match self.address() {
            Some(address) => self.find(address, &scope, spans).map_err(Some),
            None => Err(None),
        };
        found.map_or_else(|reason| Resolved::Orphan(reason, scope.home()), Resolved::Found)
    }

    /// Returns the kind of operation that the instant is about. Returns `None` if its name is unknown.
    fn address(&self) -> Option<Address<'_>> {
        Some(match self.kind? {
            InstantKind::RuntimeStarted | InstantKind::RuntimeEnded | InstantKind::McpCorrelation => {
                Address::Tool(self.fields.tool_call_id.as_deref())
            }
            InstantKind::CellResponded | InstantKind::CellEnded => Address::Cell(self.fields.cell_id.as_deref()),
            InstantKind::CompactionInstalled | InstantKind::AgentResult => {
                Address::Turn(self.fields.turn_id.as_deref())
            }
            InstantKind::ProtocolEvent | InstantKind::Other => Address::Thread,
        })
    }

    fn find(
        &self,
        address: Address<'_>,
        scope: &EventScope<'_>,
        spans: &[Arc<SpanState>],
    ) -> Result<InstantTarget, NotFound> {
        let around = || spans.iter().filter_map(|state| state.operations());
        match address {
            // The span that the instant stands in comes first, of several operations with one id.
            Address::Tool(Some(id)) => {
                let own = around().filter_map(Operations::tool).find(|tool| tool.has_id(id)).cloned();
                own.map_or_else(|| scope.tool(id), Ok).map(InstantTarget::Tool)
            }
            Address::Cell(Some(id)) => {
                let own = around().filter_map(Operations::cell).find(|cell| cell.has_id(id)).cloned();
                own.map_or_else(|| scope.cell(id), Ok).map(InstantTarget::Cell)
            }
            Address::Turn(Some(id)) => scope.turn(id).map(|turn| self.in_turn(turn, spans)),
            Address::Turn(None) if scope.names_another_thread() => scope.turn_of_thread().map(InstantTarget::Turn),
            Address::Thread if scope.names_another_thread() => scope.thread().map(InstantTarget::Thread),
            Address::Tool(None) | Address::Cell(None) | Address::Turn(None) | Address::Thread => {
                around().find_map(|operations| self.target_in(address, operations)).ok_or(NotFound::Nothing)
            }
        }
    }

    /// Returns the operation of a span that the instant may be about.
    fn target_in(&self, address: Address<'_>, operations: &Operations) -> Option<InstantTarget> {
        match address {
            Address::Tool(_) => operations.tool().cloned().map(InstantTarget::Tool),
            Address::Cell(_) => operations.cell().cloned().map(InstantTarget::Cell),
            Address::Turn(_) => match operations.compaction() {
                Some(compaction) if self.kind == Some(InstantKind::CompactionInstalled) => {
                    Some(InstantTarget::Compaction(Arc::clone(compaction)))
                }
                Some(_) | None => Enclosing::within(operations)?.turn.map(InstantTarget::Turn),
            },
            Address::Thread => Enclosing::within(operations)?.thread.map(InstantTarget::Thread),
        }
    }

    /// Returns the compaction request around the instant if it is in this turn, otherwise the turn.
    fn in_turn(&self, turn: Arc<TurnOperation>, spans: &[Arc<SpanState>]) -> InstantTarget {
        let nearest = spans.iter().find_map(|state| state.operations().filter(|operations| !operations.is_empty()));
        let target = nearest.and_then(|operations| self.target_in(Address::Turn(None), operations));
        match target {
            Some(InstantTarget::Compaction(own)) if Arc::ptr_eq(own.turn(), &turn) => InstantTarget::Compaction(own),
            Some(_) | None => InstantTarget::Turn(turn),
        }
    }
}
