//! Objects by their ids.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Objects of one kind in order of their start, found by id.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    rows: Vec<(K, V)>,
    places: HashMap<K, usize>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: Vec::new(), places: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The object with this id.
    pub fn get<Q: ?Sized + Eq + Hash>(&self, id: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(*self.places.get(id)?).map(|(_, row)| row)
    }

    /// Whether there is one with this id.
    pub fn contains<Q: ?Sized + Eq + Hash>(&self, id: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.places.contains_key(id)
    }

    /// All of them, in order of their start.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &V> {
        self.rows.iter().map(|(_, row)| row)
    }

    pub(crate) fn get_mut<Q: ?Sized + Eq + Hash>(&mut self, id: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.rows.get_mut(*self.places.get(id)?).map(|(_, row)| row)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.rows.iter_mut().map(|(_, row)| row)
    }

    pub(crate) fn into_rows(self) -> impl Iterator<Item = V> {
        self.rows.into_iter().map(|(_, row)| row)
    }

    /// Where the object with this id stands.
    pub(crate) fn place<Q: ?Sized + Eq + Hash>(&self, id: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        self.places.get(id).copied()
    }

    pub(crate) fn at(&self, place: usize) -> Option<&V> {
        self.rows.get(place).map(|(_, row)| row)
    }

    pub(crate) fn at_mut(&mut self, place: usize) -> Option<&mut V> {
        self.rows.get_mut(place).map(|(_, row)| row)
    }

    /// Adds a row and says where it stands; `None`, and nothing added, where the id is taken.
    pub(crate) fn add(&mut self, id: K, row: V) -> Option<usize> {
        let place = self.rows.len();
        match self.places.entry(id.clone()) {
            std::collections::hash_map::Entry::Occupied(_) => None,
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(place);
                self.rows.push((id, row));
                Some(place)
            }
        }
    }
}

impl<K: AsRef<str>, V> Table<K, V> {
    /// All of them, in ascending byte order of their ids.
    pub(crate) fn by_id(&self) -> Vec<(&K, &V)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(id, row)| (id, row)).collect();
        rows.sort_unstable_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
        rows
    }
}
