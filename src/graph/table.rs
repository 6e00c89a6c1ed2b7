//! A table of objects of one kind that are found by id.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// An insertion-ordered map from ids to objects of one kind. Tables of a [`Graph`](super::Graph) are in order of start.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    rows: Vec<(K, V)>,
    indices: HashMap<K, usize>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: Vec::new(), indices: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    /// Returns the number of objects.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns `true` if the table has no objects.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the object with the given id. Returns `None` if there is none.
    pub fn get<Q: ?Sized + Eq + Hash>(&self, id: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(*self.indices.get(id)?).map(|(_, row)| row)
    }

    /// Returns `true` if the table has an object with the given id.
    pub fn contains<Q: ?Sized + Eq + Hash>(&self, id: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.indices.contains_key(id)
    }

    /// Iterates over all objects, in order of their start.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &V> {
        self.rows.iter().map(|(_, row)| row)
    }

    pub(crate) fn get_mut<Q: ?Sized + Eq + Hash>(&mut self, id: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.rows.get_mut(*self.indices.get(id)?).map(|(_, row)| row)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.rows.iter_mut().map(|(_, row)| row)
    }

    pub(crate) fn into_rows(self) -> impl Iterator<Item = V> {
        self.rows.into_iter().map(|(_, row)| row)
    }

    /// Returns the index of the object with the given id, in order of insertion. Returns `None` if there is none.
    pub(crate) fn index_of<Q: ?Sized + Eq + Hash>(&self, id: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        self.indices.get(id).copied()
    }

    /// Returns the object at an index in order of insertion. Returns `None` if the index is out of bounds.
    pub(crate) fn get_index(&self, index: usize) -> Option<&V> {
        self.rows.get(index).map(|(_, row)| row)
    }

    /// Returns the object at an index in order of insertion, mutably. Returns `None` if the index is out of bounds.
    pub(crate) fn get_index_mut(&mut self, index: usize) -> Option<&mut V> {
        self.rows.get_mut(index).map(|(_, row)| row)
    }

    /// Adds an object at the end of the table and returns its index. Returns `None` and leaves the table unchanged if
    /// the id is taken.
    pub(crate) fn add(&mut self, id: K, row: V) -> Option<usize> {
        let index = self.rows.len();
        match self.indices.entry(id.clone()) {
            std::collections::hash_map::Entry::Occupied(_) => None,
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(index);
                self.rows.push((id, row));
                Some(index)
            }
        }
    }
}

impl<K: AsRef<str>, V> Table<K, V> {
    /// Returns all objects, in ascending byte order of their ids.
    pub(crate) fn by_id(&self) -> Vec<(&K, &V)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(id, row)| (id, row)).collect();
        rows.sort_unstable_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
        rows
    }
}
