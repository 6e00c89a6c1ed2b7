//! The operations of a thread that events find by id: [`FindableOperations`].

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Weak};

use smallvec::SmallVec;

use crate::layer::session::reentrancy::lock;

/// Maximum number of ended operations of one kind that stay findable in a thread.
const MAX_ENDED: usize = 1024;

/// An operation, as far as the table knows it.
pub(super) trait Findable: Any + Debug + Send + Sync {
    /// Returns the address of the operation's turn.
    fn turn_address(&self) -> usize;
}

/// The operations of one kind in a thread, by id. An operation is added when it starts. After its end it stays until its
/// turn ends, so that an event which comes late still finds it; of these, the last 1,024 are kept.
#[derive(Debug, Default)]
pub(super) struct FindableOperations(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// The operations of each id, in the order of their starts.
    by_id: HashMap<Arc<str>, SmallVec<[Entry; 1]>>,
    /// The ended operations, in the order of their ends.
    ended: VecDeque<EndedEntry>,
}

#[derive(Debug)]
struct Entry {
    address: usize,
    operation: Kept,
}

/// Where an ended operation is in the table.
#[derive(Debug)]
struct EndedEntry {
    id: Arc<str>,
    address: usize,
    /// Address of its turn.
    turn: usize,
}

/// An operation in the table. The table keeps an ended operation, which nothing else may keep.
#[derive(Debug)]
enum Kept {
    Open(Weak<dyn Findable>),
    Ended(Arc<dyn Findable>),
}

/// An operation that an event has found.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) operation: Arc<T>,
    pub(super) is_open: bool,
}

impl FindableOperations {
    /// Adds an operation that has started.
    pub(super) fn add<T: Findable>(&self, id: Arc<str>, operation: &Arc<T>) {
        let address = Arc::as_ptr(operation).addr();
        let operation: Weak<T> = Arc::downgrade(operation);
        lock(&self.0).by_id.entry(id).or_default().push(Entry { address, operation: Kept::Open(operation) });
    }

    /// Keeps an operation that has ended, or removes it if its turn `is_over`.
    pub(super) fn end<T: Findable>(&self, id: &Arc<str>, operation: &Arc<T>, is_over: impl Fn() -> bool) {
        let (address, turn) = (Arc::as_ptr(operation).addr(), operation.turn_address());
        // Dropped behind the lock.
        let _removed = {
            let mut entries = lock(&self.0);
            if let Some(entry) = entries.entry(id, address) {
                let operation: Arc<T> = Arc::clone(operation);
                entry.operation = Kept::Ended(operation);
                entries.ended.push_back(EndedEntry { id: Arc::clone(id), address, turn });
            }
            // Asked while the operation is in the table: a turn that ends later removes it.
            match is_over() {
                true => {
                    entries.ended.retain(|ended| ended.address != address);
                    entries.remove(id, address)
                }
                false => entries.remove_oldest(),
            }
        };
    }

    /// Removes the ended operations of the turn at this address, which has ended.
    pub(super) fn end_turn(&self, turn: usize) {
        // Dropped behind the lock.
        // Declared before the lock, so that the operations are dropped behind it.
        let mut removed = Vec::new();
        let mut entries = lock(&self.0);
        if entries.ended.is_empty() {
            return;
        }
        let Entries { by_id, ended } = &mut *entries;
        by_id.retain(|_, operations| {
            operations.retain(|entry| {
                let ended = entry.ended().filter(|operation| operation.turn_address() == turn);
                let is_kept = ended.is_none();
                removed.extend(ended);
                is_kept
            });
            !operations.is_empty()
        });
        ended.retain(|ended| ended.turn != turn);
    }

    /// Returns the operation with this id: an open one before those that have ended, the latest first.
    pub(super) fn find<T: Findable>(&self, id: &str) -> Option<Found<T>> {
        let (operation, is_open) = {
            let entries = lock(&self.0);
            let entries = entries.by_id.get(id)?;
            let open = entries.iter().rev().find_map(Entry::open).map(|operation| (operation, true));
            open.or_else(|| entries.iter().rev().find_map(Entry::ended).map(|operation| (operation, false)))?
        };
        let operation: Arc<dyn Any + Send + Sync> = operation;
        Some(Found { operation: operation.downcast().ok()?, is_open })
    }
}

impl Entries {
    fn entry(&mut self, id: &str, address: usize) -> Option<&mut Entry> {
        self.by_id.get_mut(id)?.iter_mut().rev().find(|entry| entry.address == address)
    }

    /// Removes an operation, which the caller drops behind the lock.
    fn remove(&mut self, id: &str, address: usize) -> Option<Entry> {
        let entries = self.by_id.get_mut(id)?;
        let index = entries.iter().rposition(|entry| entry.address == address)?;
        let removed = entries.remove(index);
        if entries.is_empty() {
            self.by_id.remove(id);
        }
        Some(removed)
    }

    /// Removes the operation that ended first if more have ended than are kept.
    fn remove_oldest(&mut self) -> Option<Entry> {
        let EndedEntry { id, address, turn: _ } =
            (self.ended.len() > MAX_ENDED).then(|| self.ended.pop_front()).flatten()?;
        self.remove(&id, address)
    }
}

impl Entry {
    fn open(&self) -> Option<Arc<dyn Findable>> {
        let Kept::Open(operation) = &self.operation else { return None };
        operation.upgrade()
    }

    fn ended(&self) -> Option<Arc<dyn Findable>> {
        let Kept::Ended(operation) = &self.operation else { return None };
        Some(Arc::clone(operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Operation {
        turn: usize,
    }

    impl Findable for Operation {
        fn turn_address(&self) -> usize {
            self.turn
        }
    }

    /// Adds an operation of this turn to the table.
    fn start(table: &FindableOperations, id: &str, turn: usize) -> Arc<Operation> {
        let operation = Arc::new(Operation { turn });
        table.add(id.into(), &operation);
        operation
    }

    fn end(table: &FindableOperations, id: &str, operation: &Arc<Operation>) {
        table.end(&id.into(), operation, || false);
    }

    /// Asserts that the id finds this operation, or none.
    fn check(table: &FindableOperations, id: &str, expected: Option<&Arc<Operation>>) {
        let found = table.find::<Operation>(id).map(|found| Arc::as_ptr(&found.operation));
        assert_eq!(found, expected.map(Arc::as_ptr));
    }

    #[test]
    fn open_operations_come_before_ended_ones_and_later_before_earlier() {
        let table = FindableOperations::default();
        let [first, second, third] = [(); 3].map(|()| start(&table, "c", 1));
        check(&table, "c", Some(&third));
        end(&table, "c", &third);
        check(&table, "c", Some(&second));
        end(&table, "c", &second);
        end(&table, "c", &first);
        check(&table, "c", Some(&third));
        check(&table, "d", None);
    }

    #[test]
    fn ended_operations_stay_until_their_turn_ends() {
        let table = FindableOperations::default();
        let [first, second] = [1, 2].map(|turn| start(&table, "c", turn));
        let open = start(&table, "open", 1);
        end(&table, "c", &first);
        end(&table, "c", &second);
        table.end_turn(2);
        check(&table, "c", Some(&first));
        table.end_turn(1);
        check(&table, "c", None);
        assert_eq!([&first, &second].map(Arc::strong_count), [1, 1]);
        check(&table, "open", Some(&open));
        table.end(&"open".into(), &open, || true);
        check(&table, "open", None);
        let entries = lock(&table.0);
        assert!(entries.by_id.is_empty() && entries.ended.is_empty());
    }

    #[test]
    fn only_the_last_ended_operations_stay() {
        let table = FindableOperations::default();
        let operations: Vec<_> = (0..=MAX_ENDED).map(|number| start(&table, &number.to_string(), 1)).collect();
        for (number, operation) in operations.iter().enumerate() {
            end(&table, &number.to_string(), operation);
        }
        check(&table, "0", None);
        check(&table, "1", Some(&operations[1]));
        check(&table, &MAX_ENDED.to_string(), Some(&operations[MAX_ENDED]));
        assert_eq!(lock(&table.0).by_id.len(), MAX_ENDED);
    }
}
