//! Losses: events and payloads that could not be recorded, and counters of those that were recorded or lost.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{EventKind, PayloadKind};

/// A loss: an event or payload that could not be recorded. Passed to [`OnLoss`](crate::bundle::OnLoss).
#[derive(Debug, Clone)]
pub struct Loss {
    /// Kind of the loss.
    pub kind: Lost,
    /// Human-readable reason.
    pub reason: String,
}

/// The kind of a [`Loss`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lost {
    /// An event that could not be written to the log.
    Event(EventKind),
    /// A payload that could not be stored.
    Payload(PayloadKind),
    /// A body that could not be encoded or redacted. Its event is written, and the payload holds the reason.
    Body(PayloadKind),
    /// A text of an event that could not be redacted, or that was too long for a line. The event is written, and the text
    /// holds the reason, or its own beginning.
    Text(EventKind),
    /// A bundle that could not be created, in which case nothing of its thread is recorded, or that was deleted while
    /// it was being written.
    Bundle,
    /// Written events and payloads that could not be synced to the disk. They are lost only if the machine crashes.
    Unsynced,
    /// An event or payload that was recorded after the shutdown.
    Late,
    /// An event of the program that is about no recorded operation, or that cannot tell which. It is kept in the log if
    /// it stands in a span of a bundle or a single bundle is open.
    OrphanEvent,
}

impl Lost {
    /// Returns the wire name of the lost event or payload, or `bundle`, `unsynced`, `late` or
    /// `orphan_event`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event(kind) | Self::Text(kind) => kind.name(),
            Self::Payload(kind) | Self::Body(kind) => kind.name(),
            Self::Bundle => "bundle",
            Self::Unsynced => "unsynced",
            Self::Late => "late",
            Self::OrphanEvent => "orphan_event",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Lost::Event(kind) => write!(f, "cannot write a `{}` event: {}", kind.name(), self.reason),
            Lost::Payload(kind) => write!(f, "cannot store a `{}` payload: {}", kind.name(), self.reason),
            Lost::Body(kind) => {
                write!(f, "a `{}` payload was replaced by an error message: {}", kind.name(), self.reason)
            }
            Lost::Text(kind) => {
                write!(f, "a text of a `{}` event was replaced: {}", kind.name(), self.reason)
            }
            Lost::Bundle => write!(f, "a run is not recorded: {}", self.reason),
            Lost::Unsynced => write!(f, "recorded data may not survive a crash of the machine: {}", self.reason),
            Lost::Late => write!(f, "recorded after the shutdown: {}", self.reason),
            Lost::OrphanEvent => write!(f, "an event names no operation: {}", self.reason),
        }
    }
}

/// Counters of events and payloads that were written or lost, by kind. Several writers can share one tally.
#[derive(Debug)]
pub struct Tally {
    events: CountsByKind<{ EventKind::ALL.len() }>,
    payloads: CountsByKind<{ PayloadKind::ALL.len() }>,
    lost_events: CountsByKind<{ EventKind::ALL.len() }>,
    lost_payloads: CountsByKind<{ PayloadKind::ALL.len() }>,
    lost_bodies: CountsByKind<{ PayloadKind::ALL.len() }>,
    lost_texts: CountsByKind<{ EventKind::ALL.len() }>,
    lost_bundles: AtomicU64,
    unsynced: AtomicU64,
    late: AtomicU64,
    orphan_events: AtomicU64,
    removed_bundles: AtomicU64,
}

/// Counters by kind of event or payload, indexed by the discriminant of the kind.
#[derive(Debug)]
struct CountsByKind<const N: usize>([AtomicU64; N]);

impl<const N: usize> CountsByKind<N> {
    fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    fn add(&self, index: usize) {
        if let Some(count) = self.0.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the counts above 0, by wire name. `name` converts an index to the wire name.
    fn named(&self, name: impl Fn(usize) -> &'static str) -> BTreeMap<&'static str, u64> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        counts.filter(|(_, count)| *count > 0).map(|(index, count)| (name(index), count)).collect()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            events: CountsByKind::new(),
            payloads: CountsByKind::new(),
            lost_events: CountsByKind::new(),
            lost_payloads: CountsByKind::new(),
            lost_bodies: CountsByKind::new(),
            lost_texts: CountsByKind::new(),
            lost_bundles: AtomicU64::new(0),
            unsynced: AtomicU64::new(0),
            late: AtomicU64::new(0),
            orphan_events: AtomicU64::new(0),
            removed_bundles: AtomicU64::new(0),
        }
    }
}

impl Tally {
    pub(super) fn count_event(&self, kind: EventKind) {
        self.events.add(kind as usize);
    }

    pub(super) fn count_payload(&self, kind: PayloadKind) {
        self.payloads.add(kind as usize);
    }

    pub(crate) fn count_removed_bundles(&self, count: u64) {
        self.removed_bundles.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds one loss to the counter of its kind.
    pub fn lost(&self, what: Lost) {
        match what {
            Lost::Event(kind) => self.lost_events.add(kind as usize),
            Lost::Payload(kind) => self.lost_payloads.add(kind as usize),
            Lost::Body(kind) => self.lost_bodies.add(kind as usize),
            Lost::Text(kind) => self.lost_texts.add(kind as usize),
            Lost::Bundle => drop(self.lost_bundles.fetch_add(1, Ordering::Relaxed)),
            Lost::Unsynced => drop(self.unsynced.fetch_add(1, Ordering::Relaxed)),
            Lost::Late => drop(self.late.fetch_add(1, Ordering::Relaxed)),
            Lost::OrphanEvent => drop(self.orphan_events.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Returns a snapshot of all counters.
    pub fn stats(&self) -> Stats {
        let event = |index: usize| EventKind::ALL.get(index).map_or("", |kind| kind.name());
        let payload = |index: usize| PayloadKind::ALL.get(index).map_or("", |kind| kind.name());
        Stats {
            events: self.events.named(event),
            payloads: self.payloads.named(payload),
            lost_events: self.lost_events.named(event),
            lost_payloads: self.lost_payloads.named(payload),
            lost_bodies: self.lost_bodies.named(payload),
            lost_texts: self.lost_texts.named(event),
            lost_bundles: self.lost_bundles.load(Ordering::Relaxed),
            unsynced: self.unsynced.load(Ordering::Relaxed),
            late: self.late.load(Ordering::Relaxed),
            orphan_events: self.orphan_events.load(Ordering::Relaxed),
            removed_bundles: self.removed_bundles.load(Ordering::Relaxed),
        }
    }
}

/// Numbers of events and payloads that were written or lost. The keys of the maps are wire names, such as
/// `tool_call_started`; names with a count of 0 are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Numbers of events written, by kind of event.
    pub events: BTreeMap<&'static str, u64>,
    /// Numbers of payloads stored, by kind of payload.
    pub payloads: BTreeMap<&'static str, u64>,
    /// Numbers of events that could not be written, by kind of event.
    pub lost_events: BTreeMap<&'static str, u64>,
    /// Numbers of payloads that could not be stored, by kind of payload.
    pub lost_payloads: BTreeMap<&'static str, u64>,
    /// Numbers of payloads, by kind, that hold a reason in place of a body that could not be encoded or redacted.
    pub lost_bodies: BTreeMap<&'static str, u64>,
    /// Numbers of event texts, by kind of event, that hold a reason because they could not be redacted.
    pub lost_texts: BTreeMap<&'static str, u64>,
    /// Number of bundles that could not be created, or were deleted while they were being written.
    pub lost_bundles: u64,
    /// Number of failed syncs of written events and payloads to the disk. Periodic retries that keep failing count
    /// once. The events and payloads are lost only if the machine crashes.
    pub unsynced: u64,
    /// Number of events and payloads that were recorded after the shutdown, and ignored.
    pub late: u64,
    /// Number of events of the program that are about no recorded operation. They are in the log, as `other` events of
    /// kind `orphan_event`, unless no bundle or several were open.
    pub orphan_events: u64,
    /// Number of bundles of other runs that were removed by the retention of the root directory
    /// ([`Limits::root`](crate::Limits::root)).
    pub removed_bundles: u64,
}

impl Stats {
    /// Returns the total number of losses, without late and unsynced events and payloads, and
    /// without orphan events.
    pub fn lost(&self) -> u64 {
        let sum = |counts: &BTreeMap<&'static str, u64>| counts.values().sum::<u64>();
        let events = sum(&self.lost_events) + sum(&self.lost_texts);
        events + sum(&self.lost_payloads) + sum(&self.lost_bodies) + self.lost_bundles
    }
}

impl fmt::Display for Stats {
    /// Formats the losses as counts with wire names, such as `2 inference_started, 1 tool_result`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lost: BTreeMap<&str, u64> = BTreeMap::new();
        let named = [&self.lost_events, &self.lost_texts, &self.lost_payloads, &self.lost_bodies].into_iter().flatten();
        for (name, count) in named.chain(&BTreeMap::from([("bundle", self.lost_bundles)])) {
            *lost.entry(name).or_default() += count;
        }
        let parts = lost.iter().filter(|(_, count)| **count > 0).map(|(name, count)| format!("{count} {name}"));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// The losses of a bundle that have not been written to its log yet.
#[derive(Debug, Default)]
pub(super) struct Gap {
    by_kind: BTreeMap<&'static str, u64>,
}

impl Gap {
    pub(super) fn add(&mut self, what: Lost) {
        *self.by_kind.entry(what.name()).or_default() += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (name, count) in other.by_kind {
            *self.by_kind.entry(name).or_default() += count;
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.by_kind.values().sum()
    }

    pub(super) fn by_kind(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_kind
    }
}
