//! What items say, each kept once however often bodies repeat it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::xxh3_128;

use super::content_hash::Hashes;
use super::oddity::Oddity;
use super::read_as::ReadAs;
use super::reading::Reading;
use super::why::Why;
use crate::graph::Content;

/// One reading of an item. Handles of one reduction are equal where all of what items say, and what is odd about them,
/// is equal. They are given in the order that threads get to them, so nothing may depend on which is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::reduce) struct ContentId(u32);

/// An item that could be read.
#[derive(Debug, Clone)]
pub(in crate::reduce) struct Known {
    pub(in crate::reduce) content: Arc<Content>,
    /// Equal for items with the same content.
    pub(in crate::reduce) same: u128,
    /// What is to be told of it.
    pub(in crate::reduce) oddity: Option<Oddity>,
}

/// Readings of items, found by the item's text. Shared by the threads that decode.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Contents {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_text: HashMap<(ReadAs, u128), Place>,
    /// By what it says and what is odd about it.
    by_content: HashMap<(u128, Option<Oddity>), ContentId>,
    /// The items of all texts, one text's after the other's.
    items: Vec<ContentId>,
    readings: Vec<Result<Known, Why>>,
    listed: u64,
}

/// Where the items of one text are.
#[derive(Debug, Clone, Copy)]
struct Place {
    first: u32,
    count: u32,
}

impl Contents {
    /// The items of a body's texts. Each text is read once, however many bodies repeat it.
    pub(super) fn read_all<'t>(&self, texts: impl IntoIterator<Item = &'t str>, read_as: ReadAs) -> Vec<ContentId> {
        let key = |text: &str| (read_as, xxh3_128(text.as_bytes()));
        let texts: Vec<_> = texts.into_iter().map(|text| (text, key(text))).collect();
        let known: Vec<Option<Place>> = {
            let kept = self.lock();
            texts.iter().map(|(_, key)| kept.by_text.get(key).copied()).collect()
        };
        let new = |(text, key)| {
            let readings = read_as.read(text);
            self.lock().keep(key, readings)
        };
        let places: Vec<Place> =
            texts.into_iter().zip(known).map(|(text, known)| known.unwrap_or_else(|| new(text))).collect();
        let mut kept = self.lock();
        let items: Vec<ContentId> = places.into_iter().flat_map(|place| kept.at(place)).copied().collect();
        kept.listed += items.len() as u64;
        items
    }

    /// The reading behind a handle; why there is none where the item can't be read.
    pub(in crate::reduce) fn into_readings(self) -> Readings {
        let Kept { readings, listed, .. } = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        Readings { readings, listed }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Keeps what a text says, where no other thread came first.
    fn keep(&mut self, text: (ReadAs, u128), readings: Vec<Reading>) -> Place {
        if let Some(&place) = self.by_text.get(&text) {
            return place;
        }
        let place = Place { first: index(self.items.len()), count: index(readings.len()) };
        for reading in readings {
            let item = self.keep_item(reading);
            self.items.push(item);
        }
        self.by_text.insert(text, place);
        place
    }

    fn keep_item(&mut self, reading: Reading) -> ContentId {
        let next = ContentId(index(self.readings.len()));
        match reading {
            Ok((content, Hashes { exact, same }, oddity)) => {
                *self.by_content.entry((exact, oddity.clone())).or_insert_with(|| {
                    self.readings.push(Ok(Known { content: Arc::new(content), same, oddity }));
                    next
                })
            }
            Err(why) => {
                self.readings.push(Err(why));
                next
            }
        }
    }

    fn at(&self, place: Place) -> &[ContentId] {
        let first = place.first as usize;
        self.items.get(first..first.saturating_add(place.count as usize)).unwrap_or_default()
    }
}

fn index(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// All readings, once decoding is done.
#[derive(Debug)]
pub(in crate::reduce) struct Readings {
    readings: Vec<Result<Known, Why>>,
    listed: u64,
}

impl Readings {
    /// What an item says, or why that can't be told.
    pub(in crate::reduce) fn get(&self, id: ContentId) -> Result<&Known, Why> {
        match self.readings.get(id.0 as usize) {
            Some(Ok(known)) => Ok(known),
            Some(Err(why)) => Err(why),
            None => Err("it was not read"),
        }
    }

    /// How many different ones there are.
    pub(in crate::reduce) fn len(&self) -> usize {
        self.readings.len()
    }

    /// How many items bodies listed.
    pub(in crate::reduce) fn listed(&self) -> u64 {
        self.listed
    }
}
