//! Copies the records of a pack that no line references: what a process stored just before it was killed.

use std::io::{self, Write};

use super::{Conversion, TargetStore, numbered_path};
use crate::bundle::{BodyBuf, NamedPlaces, StorePlace, StoredBody, is_pack};
use crate::event::ThreadId;

impl Conversion<'_> {
    /// Copies the records of the pack that no line references. A file gets the first free number behind those of the
    /// payloads that were stored before, which tell a reader to which operation it may belong.
    pub(super) fn copy_unreferenced_records(&self) -> io::Result<()> {
        let mut numbers = self.numbers_by_offset();
        numbers.sort_unstable();
        let referenced: NamedPlaces = numbers.iter().map(|(offset, _)| StorePlace::Pack(*offset)).collect();
        let (mut earlier, mut last) = (numbers.into_iter().peekable(), 0);
        for record in self.bundle.unnamed_payloads(&referenced) {
            let StorePlace::Pack(offset) = record.place else { continue };
            while let Some((_, number)) = earlier.next_if(|(earlier, _)| *earlier < offset) {
                last = number.max(last);
            }
            let Ok(StoredBody { bytes, is_json, kind }) = self.bundle.stored_payload(&record.reference()) else {
                continue;
            };
            match &self.bodies {
                TargetStore::Files => last = self.write_numbered_file(last, &bytes, is_json)?,
                TargetStore::Pack(pack) => {
                    pack.put(0, &ThreadId::from(""), kind, &mut BodyBuf::from_bytes(bytes, is_json))?;
                }
            }
        }
        Ok(())
    }

    /// Returns the offset of each referenced record of the pack, and the number of its file in the copy, or 0.
    fn numbers_by_offset(&self) -> Vec<(u64, u64)> {
        let records = self.converted.iter().filter_map(|((path, offset, ..), converted)| {
            let in_pack = offset.filter(|_| path.to_str().is_some_and(is_pack))?;
            let number = converted.as_ref().and_then(|it| StorePlace::number_of_file(&it.location.path));
            Some((in_pack, number.unwrap_or_default()))
        });
        records.collect()
    }

    /// Writes a payload to a file with a number above `last`, if there is one that is free, and returns the number.
    fn write_numbered_file(&self, last: u64, bytes: &[u8], is_json: bool) -> io::Result<u64> {
        for number in last.saturating_add(1)..=u64::MAX {
            if let Some(mut file) = self.destination.create_payload_file(&numbered_path(number, is_json))? {
                file.write_all(bytes)?;
                return Ok(number);
            }
        }
        Ok(last)
    }
}
