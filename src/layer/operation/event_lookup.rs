//! Finds the operations to which events refer by id: [`EventScope`].

use std::sync::Arc;

use super::code_cell::CodeCellOperation;
use super::findable::{Findable, FindableOperations, Found};
use super::inside_thread::InsideThread;
use super::thread::ThreadOperation;
use super::tool::ToolCallOperation;
use super::turn::TurnOperation;
use crate::layer::session::Session;

/// The threads in which an event looks for an operation: first in the one that it stands in, then in the one that it names,
/// then in all threads of its bundle.
#[derive(Debug)]
pub(in crate::layer) struct EventScope<'a> {
    session: &'a Session,
    /// The thread of the nearest span around the event.
    nearest: Option<Arc<ThreadOperation>>,
    /// The id of the thread that the event names.
    named: Option<&'a str>,
}

/// The reason why an event finds no operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layer) enum NotFound {
    Nothing,
    /// Several operations, of which none comes before the others.
    Several,
}

impl NotFound {
    /// Returns the name of the reason in the log.
    pub(in crate::layer) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "not_found",
            Self::Several => "ambiguous",
        }
    }
}

impl<'a> EventScope<'a> {
    pub(in crate::layer) fn new(
        session: &'a Session,
        nearest: Option<Arc<ThreadOperation>>,
        named: Option<&'a str>,
    ) -> Self {
        Self { session, nearest, named }
    }

    /// Returns the thread in whose bundle an event is kept that finds no operation: the nearest one, otherwise the root
    /// thread of the only open bundle.
    pub(in crate::layer) fn home(&self) -> Option<Arc<ThreadOperation>> {
        self.nearest.clone().or_else(|| self.session.open_bundles().only_root())
    }

    /// Returns `true` if the event names a thread, and not the one that it stands in.
    pub(in crate::layer) fn names_another_thread(&self) -> bool {
        self.named.is_some_and(|id| !self.nearest.as_ref().is_some_and(|nearest| nearest.has_id(id)))
    }

    /// Returns the thread that the event names.
    pub(in crate::layer) fn thread(&self) -> Result<Arc<ThreadOperation>, NotFound> {
        let id = self.named.ok_or(NotFound::Nothing)?;
        self.direct().find(|thread| thread.has_id(id)).map_or_else(
            // The id in the log may be another one than the id that the program gave.
            || only(self.bundle().into_iter().filter(|thread| thread.has_id(id))),
            Ok,
        )
    }

    /// Returns the tool call with this id.
    pub(in crate::layer) fn tool(&self, id: &str) -> Result<Arc<ToolCallOperation>, NotFound> {
        self.find(id, |inside| &inside.tools)
    }

    /// Returns the code cell with this id.
    pub(in crate::layer) fn cell(&self, id: &str) -> Result<Arc<CodeCellOperation>, NotFound> {
        self.find(id, |inside| &inside.cells_by_id)
    }

    /// Returns the turn with this id.
    pub(in crate::layer) fn turn(&self, id: &str) -> Result<Arc<TurnOperation>, NotFound> {
        let find = |thread: Arc<ThreadOperation>| {
            let operation: Arc<TurnOperation> = thread.inside().turn_of_event(id)?;
            Some(Found { is_open: !operation.is_ended(), operation })
        };
        self.first(find)
    }

    /// Returns the turn of the thread that the event names: its only open one, or the one that ended last.
    pub(in crate::layer) fn turn_of_thread(&self) -> Result<Arc<TurnOperation>, NotFound> {
        self.thread()?.inside().only_turn().ok_or(NotFound::Nothing)
    }

    fn find<T: Findable>(
        &self,
        id: &str,
        table: impl Fn(&InsideThread) -> &FindableOperations,
    ) -> Result<Arc<T>, NotFound> {
        self.first(|thread| table(thread.inside()).find(id))
    }

    /// Returns the operation that `find` finds in the first thread, or the only one that it finds in the bundle.
    fn first<T>(&self, find: impl Fn(Arc<ThreadOperation>) -> Option<Found<T>>) -> Result<Arc<T>, NotFound> {
        if let Some(found) = self.direct().find_map(&find) {
            return Ok(found.operation);
        }
        let (open, ended): (Vec<_>, Vec<_>) =
            self.bundle().into_iter().filter_map(&find).partition(|found| found.is_open);
        let best = if open.is_empty() { ended } else { open };
        only(best.into_iter().map(|found| found.operation))
    }

    /// Returns the nearest thread, and the one that the event names.
    fn direct(&self) -> impl Iterator<Item = Arc<ThreadOperation>> + '_ {
        let named = || self.named.and_then(|id| ThreadOperation::find(self.session, id));
        self.nearest.clone().into_iter().chain(std::iter::once_with(named).flatten())
    }

    /// Returns the open threads of the bundle of the nearest thread, otherwise of the only open bundle.
    fn bundle(&self) -> Vec<Arc<ThreadOperation>> {
        let bundle = self.home().and_then(|home| Some(home.started()?.bundle_address()));
        bundle.map(|bundle| self.session.open_bundles().threads(bundle)).unwrap_or_default()
    }
}

/// Returns the only element.
fn only<T>(mut elements: impl Iterator<Item = T>) -> Result<T, NotFound> {
    let first = elements.next().ok_or(NotFound::Nothing)?;
    match elements.next() {
        None => Ok(first),
        Some(_) => Err(NotFound::Several),
    }
}
