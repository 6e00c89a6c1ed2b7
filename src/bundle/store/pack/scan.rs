//! Finds the records of a pack that no event names.

use std::fs::File;

use super::header::{BASE_FIELDS, FILE_HEADER, Header, MAX_HEADER};
use super::pack_reader::PackReader;
use super::{Location, PACK};
use crate::bundle::read::{NamedPlaces, StorePlace, UnnamedPayload};

/// Lengths of the headers of records: of a whole payload, and of a delta.
const HEADER_SIZES: [u64; 2] = [(MAX_HEADER - BASE_FIELDS) as u64, MAX_HEADER as u64];

/// A record of a pack, and where its stored bytes begin.
struct Record {
    offset: u64,
    header: Header,
}

impl Record {
    /// Returns the place behind the record, at which the next one may begin.
    fn end(&self) -> u64 {
        self.offset + u64::from(self.header.stored())
    }
}

impl PackReader {
    /// Returns the payloads that are not at one of these places, in order of their offsets. Reads the headers of all
    /// records, and no payload.
    pub(super) fn unnamed(&self, named: &NamedPlaces) -> Vec<UnnamedPayload> {
        let Ok(file) = self.file() else { return Vec::new() };
        let end = file.metadata().map_or(0, |metadata| metadata.len());
        let mut unnamed = Vec::new();
        let mut at = FILE_HEADER.len() as u64;
        while at < end {
            if let Some(record) = self.record_at(file, at, end) {
                at = record.end();
                if !named.contains(&StorePlace::Pack(record.offset)) {
                    unnamed.push(record.into_unnamed());
                }
                continue;
            }
            // The record here was not written completely, or its header is damaged.
            let mut later = named.range(StorePlace::Pack(at + 1)..);
            let Some(&StorePlace::Pack(offset)) = later.next() else { break };
            at = self.header(file, offset, end).map_or(offset, |header| Record { offset, header }.end());
        }
        unnamed
    }

    /// Returns the record whose header begins at a place. Returns `None` if there is none.
    fn record_at(&self, file: &File, at: u64, end: u64) -> Option<Record> {
        HEADER_SIZES.into_iter().find_map(|size| {
            let offset = at + size;
            let header = self.header(file, offset, end).ok()?;
            (header.size() as u64 == size).then_some(Record { offset, header })
        })
    }
}

impl Record {
    fn into_unnamed(self) -> UnnamedPayload {
        let Self { offset, header: Header { kind, length, hash, .. } } = self;
        let location = Location {
            path: PACK.to_owned(),
            offset: Some(offset),
            length: Some(u64::from(length)),
            hash: Some(format!("{hash:032x}").into()),
        };
        UnnamedPayload { place: StorePlace::Pack(offset), kind, location }
    }
}
