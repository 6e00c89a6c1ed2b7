//! What items say, each kept once however often bodies repeat it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::xxh3_128;

use super::content_hash::Hashes;
use super::draft::Why;
use crate::graph::Content;

/// One reading of an item. Handles of one reduction are equal where all of what items say is equal. They are given in
/// the order that threads get to them, so nothing may depend on which is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::reduce) struct ContentId(u32);

/// An item that could be read.
#[derive(Debug, Clone)]
pub(in crate::reduce) struct Known {
    pub(in crate::reduce) content: Arc<Content>,
    /// Equal for items with the same content.
    pub(in crate::reduce) same: u128,
    /// Its type, where that is not one of format 1.
    pub(in crate::reduce) unknown_type: Option<Box<str>>,
}

/// What was made of an item's text.
pub(super) type Reading = Result<(Content, Hashes, Option<Box<str>>), Why>;

/// Readings of items, found by the item's text. Shared by the threads that decode.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Contents {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_text: HashMap<u128, ContentId>,
    by_content: HashMap<u128, ContentId>,
    readings: Vec<Result<Known, Why>>,
    listed: u64,
}

impl Contents {
    /// The readings of a body's items. Each text is read by `read` once, however many bodies repeat it.
    pub(super) fn read_all<'t>(
        &self,
        texts: impl IntoIterator<Item = &'t str>,
        read: impl Fn(&'t str) -> Reading,
    ) -> Vec<ContentId> {
        let texts: Vec<(&str, u128)> = texts.into_iter().map(|text| (text, xxh3_128(text.as_bytes()))).collect();
        let known: Vec<Option<ContentId>> = {
            let mut kept = self.lock();
            kept.listed += texts.len() as u64;
            texts.iter().map(|(_, hash)| kept.by_text.get(hash).copied()).collect()
        };
        let new = |(text, hash): (&'t str, u128)| {
            let reading = read(text);
            self.lock().keep(hash, reading)
        };
        texts.into_iter().zip(known).map(|(text, known)| known.unwrap_or_else(|| new(text))).collect()
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
    fn keep(&mut self, text: u128, reading: Reading) -> ContentId {
        let next = ContentId(u32::try_from(self.readings.len()).unwrap_or(u32::MAX));
        let id = match reading {
            Ok((content, Hashes { exact, same }, unknown_type)) => *self.by_content.entry(exact).or_insert_with(|| {
                self.readings.push(Ok(Known { content: Arc::new(content), same, unknown_type }));
                next
            }),
            Err(why) => match self.by_text.get(&text) {
                Some(&id) => id,
                None => {
                    self.readings.push(Err(why));
                    next
                }
            },
        };
        self.by_text.insert(text, id);
        id
    }
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
