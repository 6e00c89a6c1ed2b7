//! Payloads that are in the stores of a bundle, and that no event of its log names.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use crate::bundle::manifest::Manifest;
use crate::bundle::store::{Location, is_pack};
use crate::event::{PayloadKind, PayloadRef, RawPayloadId, ReferencedKind};

/// The place of a payload in its store. A store is given its payloads in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StorePlace {
    /// Number of a payload that is a file.
    File(u64),
    /// Offset of a payload in the pack.
    Pack(u64),
}

impl StorePlace {
    /// Returns the place of a payload that an event names. Returns `None` if its path is none that a writer chooses.
    pub(crate) fn of(reference: &PayloadRef) -> Option<Self> {
        if is_pack(&reference.path) {
            return reference.offset.map(Self::Pack);
        }
        Self::number_of_file(&reference.path).map(Self::File)
    }

    /// Returns the number of the payload in the file at this path. Returns `None` for a path that no writer chooses.
    pub(crate) fn number_of_file(path: &str) -> Option<u64> {
        let mut steps = Path::new(path).components().filter(|step| *step != Component::CurDir);
        let (directory, file) = (steps.next()?, steps.next()?);
        let is_stored = directory == Component::Normal(Manifest::PAYLOADS.as_ref()) && steps.next().is_none();
        file_number(file.as_os_str().to_str()?).filter(|_| is_stored)
    }
}

/// Returns the number of the payload in the file with this name. Returns `None` for other files.
pub(in crate::bundle) fn file_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".json").or_else(|| name.strip_suffix(".bin"))?;
    number.parse().ok().filter(|parsed: &u64| parsed.to_string() == number)
}

/// A payload that no event names.
#[derive(Debug)]
pub(crate) struct UnnamedPayload {
    pub(crate) place: StorePlace,
    /// Kind of the payload. `None` if its store does not record it.
    pub(crate) kind: Option<PayloadKind>,
    pub(in crate::bundle) location: Location,
}

impl UnnamedPayload {
    /// Returns a reference to the payload, as an event could have named it. Its kind is known if the store records it.
    pub(crate) fn reference(&self) -> PayloadRef {
        let Location { path, offset, length, hash } = self.location.clone();
        let raw_payload_id = match self.place {
            StorePlace::File(number) => RawPayloadId::numbered(number),
            // A pack does not record the numbers of payloads.
            StorePlace::Pack(offset) => RawPayloadId::from(format!("raw_payload:{path}:{offset}")),
        };
        let kind = self.kind.map_or_else(|| ReferencedKind::Unknown("unknown".into()), ReferencedKind::from);
        PayloadRef { raw_payload_id, kind, path, offset, length, hash, truncated: None }
    }
}

/// The places of the payloads that events name.
pub(crate) type NamedPlaces = BTreeSet<StorePlace>;
