//! What is open inside of a thread: [`InsideThread`].

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Weak};

use smallvec::SmallVec;

use super::end::End;
use super::findable::FindableOperations;
use super::kept_handles::KeptHandles;
use super::last_inside::LastInside;
use super::settled::SettledSpans;
use crate::event::{Timestamp, TurnId};
use crate::layer::session::reentrancy::lock;

/// A turn, as far as its thread knows it.
pub(super) trait TurnInside: Any + Debug + Send + Sync {
    /// Returns `true` if no span of the program opened the turn.
    fn is_implicit(&self) -> bool;

    /// Returns `true` if a span of an agent opened the turn, and the agent has not given its answer yet.
    fn is_agent_at_work(&self) -> bool;

    /// Ends the turn because its thread ends.
    fn end_with_thread(self: Arc<Self>, end: End, at: Timestamp);
}

/// A code cell, as far as its thread knows it.
pub(super) trait CellInside: Debug + Send + Sync {
    /// Returns the address of the cell's turn.
    fn turn_address(&self) -> usize;

    /// Ends the cell because its turn or thread ends.
    fn end_with_turn(self: Arc<Self>, end: &End, at: Timestamp);
}

/// The open turns of one id, in the order of their starts.
type TurnsOfId = SmallVec<[Weak<dyn TurnInside>; 1]>;

/// The open turns and the running code cells of a thread, and how its last turn ended.
#[derive(Debug, Default)]
pub(super) struct InsideThread {
    /// Open turns, by the id by which spans refer to them.
    turns: Mutex<HashMap<TurnId, TurnsOfId>>,
    /// The turn that ended last, with the id by which spans refer to it, until the thread ends.
    ended_turn: Mutex<Option<(TurnId, Arc<dyn TurnInside>)>>,
    /// Code cells that may still run.
    cells: Mutex<Vec<Weak<dyn CellInside>>>,
    /// The tool calls that events find by id.
    pub(super) tools: FindableOperations,
    /// The code cells that events find by id.
    pub(super) cells_by_id: FindableOperations,
    /// The last turn.
    pub(super) last_turn: LastInside,
    /// Spans of operations that have settled.
    pub(super) settled: SettledSpans,
    /// Handles that the program keeps open without holding one.
    pub(super) kept: KeptHandles,
}

impl InsideThread {
    /// Adds a turn that has started.
    pub(super) fn add_turn<T: TurnInside>(&self, id: TurnId, turn: &Arc<T>) {
        self.last_turn.start(&**turn);
        let turn: Weak<T> = Arc::downgrade(turn);
        lock(&self.turns).entry(id).or_default().push(turn);
    }

    /// Removes a turn that has ended from the open ones, with the operations that only events find by id.
    pub(super) fn end_turn<T: TurnInside>(&self, id: &TurnId, turn: &Arc<T>) {
        let mut turns = lock(&self.turns);
        if let Some(of_id) = turns.get_mut(id) {
            of_id.retain(|open| !std::ptr::addr_eq(open.as_ptr(), Arc::as_ptr(turn)));
            if of_id.is_empty() {
                turns.remove(id);
            }
        }
        drop(turns);
        let address = Arc::as_ptr(turn).addr();
        self.tools.end_turn(address);
        self.cells_by_id.end_turn(address);
        let ended: Arc<T> = Arc::clone(turn);
        let before = lock(&self.ended_turn).replace((id.clone(), ended));
        drop(before);
    }

    /// Forgets the turn that ended last, because the thread has ended.
    pub(super) fn forget_ended_turn(&self) {
        let forgotten = lock(&self.ended_turn).take();
        drop(forgotten);
    }

    /// Returns `true` if a turn is open.
    pub(super) fn has_open_turn(&self) -> bool {
        lock(&self.turns).values().flatten().any(|turn| turn.strong_count() > 0)
    }

    /// Returns `true` if an agent is at work in an open turn.
    pub(super) fn has_agent_at_work(&self) -> bool {
        let turns: Vec<_> = lock(&self.turns).values().flatten().filter_map(Weak::upgrade).collect();
        turns.iter().any(|turn| turn.is_agent_at_work())
    }

    /// Returns the open turn to which spans refer by `id`, the latest one of several. Returns `None` if there is none.
    pub(super) fn turn<T: TurnInside>(&self, id: &str) -> Option<Arc<T>> {
        let turn: Arc<dyn Any + Send + Sync> = lock(&self.turns).get(id)?.iter().rev().find_map(Weak::upgrade)?;
        turn.downcast().ok()
    }

    /// Returns the turn to which an event refers by `id`: an open one, or the one that ended last.
    pub(super) fn turn_of_event<T: TurnInside>(&self, id: &str) -> Option<Arc<T>> {
        let ended = || {
            let ended = lock(&self.ended_turn);
            ended.as_ref().filter(|(ended, _)| ended.as_str() == id).map(|(_, turn)| Arc::clone(turn))
        };
        let downcast = |turn: Arc<dyn Any + Send + Sync>| turn.downcast().ok();
        self.turn(id).or_else(|| downcast(ended()?))
    }

    /// Returns the only open turn, or if none is open, the turn that ended last.
    pub(super) fn only_turn<T: TurnInside>(&self) -> Option<Arc<T>> {
        let open: Vec<_> = lock(&self.turns).values().flatten().filter_map(Weak::upgrade).collect();
        let turn: Arc<dyn Any + Send + Sync> = match <[_; 1]>::try_from(open) {
            Ok([only]) => only,
            Err(several) if several.is_empty() => {
                Arc::clone(&lock(&self.ended_turn).as_ref()?.1) as Arc<dyn TurnInside>
            }
            Err(_) => return None,
        };
        turn.downcast().ok()
    }

    /// Ends the open turns that no span of the program opened.
    pub(super) fn end_implicit_turns(&self, end: &End, at: Timestamp) {
        let turns: Vec<_> = lock(&self.turns).values().flatten().filter_map(Weak::upgrade).collect();
        turns.into_iter().filter(|turn| turn.is_implicit()).for_each(|turn| turn.end_with_thread(end.clone(), at));
    }

    /// Adds a code cell that has started.
    pub(super) fn add_cell<T: CellInside + 'static>(&self, cell: &Arc<T>) {
        let cell: Weak<T> = Arc::downgrade(cell);
        let mut cells = lock(&self.cells);
        // Checks the reference count only. A look at a cell's state would wait for a start event that is being written.
        cells.retain(|cell| cell.strong_count() > 0);
        cells.push(cell);
    }

    /// Ends the code cells that still run.
    pub(super) fn end_cells(&self, end: &End, at: Timestamp) {
        self.running_cells().into_iter().for_each(|cell| cell.end_with_turn(end, at));
    }

    /// Ends the code cells that still run in `turn`.
    pub(super) fn end_cells_of<T>(&self, turn: &T, end: &End, at: Timestamp) {
        let address = std::ptr::from_ref(turn).addr();
        let cells = self.running_cells().into_iter().filter(|cell| cell.turn_address() == address);
        cells.for_each(|cell| cell.end_with_turn(end, at));
    }

    fn running_cells(&self) -> Vec<Arc<dyn CellInside>> {
        lock(&self.cells).iter().filter_map(Weak::upgrade).collect()
    }
}
