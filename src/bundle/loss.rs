//! What was written and what was not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{EventKind, PayloadKind};

/// Something observed is not in the bundle.
#[derive(Debug, Clone)]
pub struct Loss {
    /// What.
    pub what: Lost,
    /// Why, for a person.
    pub reason: String,
}

/// What is not in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lost {
    /// A line of the log.
    Event(EventKind),
    /// A body, because it could not be stored.
    Payload(PayloadKind),
    /// A body, because it could not be serialised. Its event stands, with the reason as the body.
    Body(PayloadKind),
    /// A text of an event, because it could not be masked. Its event stands, with the reason as the text.
    Text(EventKind),
    /// A bundle could not be made: nothing of its thread is recorded.
    Bundle,
    /// Nothing yet: what was written could not be forced to the disk, and may not survive the death of the machine.
    Unsynced,
    /// Something was said after recording had been shut down.
    Late,
}

impl Lost {
    /// A word for it: the wire name of an event or payload, or what it is.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event(kind) | Self::Text(kind) => kind.name(),
            Self::Payload(kind) | Self::Body(kind) => kind.name(),
            Self::Bundle => "bundle",
            Self::Unsynced => "unsynced",
            Self::Late => "late",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Lost::Event(kind) => write!(f, "an event `{}` could not be written: {}", kind.name(), self.reason),
            Lost::Payload(kind) => write!(f, "a body `{}` could not be stored: {}", kind.name(), self.reason),
            Lost::Body(kind) => write!(f, "a body `{}` is replaced by its reason: {}", kind.name(), self.reason),
            Lost::Text(kind) => write!(f, "a text of `{}` is replaced by its reason: {}", kind.name(), self.reason),
            Lost::Bundle => write!(f, "a run is not recorded: {}", self.reason),
            Lost::Unsynced => write!(f, "what is recorded may not survive the death of the machine: {}", self.reason),
            Lost::Late => write!(f, "something came after recording was shut down: {}", self.reason),
        }
    }
}

/// Counts by kind, kept by whoever owns the writers.
#[derive(Debug)]
pub struct Tally {
    events: Counts<{ EventKind::ALL.len() }>,
    payloads: Counts<{ PayloadKind::ALL.len() }>,
    lost_events: Counts<{ EventKind::ALL.len() }>,
    lost_payloads: Counts<{ PayloadKind::ALL.len() }>,
    lost_bodies: Counts<{ PayloadKind::ALL.len() }>,
    lost_texts: Counts<{ EventKind::ALL.len() }>,
    lost_bundles: AtomicU64,
    unsynced: AtomicU64,
    late: AtomicU64,
    removed_bundles: AtomicU64,
}

#[derive(Debug)]
struct Counts<const N: usize>([AtomicU64; N]);

impl<const N: usize> Counts<N> {
    fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    fn add(&self, index: usize) {
        if let Some(count) = self.0.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn named(&self, name: impl Fn(usize) -> &'static str) -> BTreeMap<&'static str, u64> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        counts.filter(|(_, count)| *count > 0).map(|(index, count)| (name(index), count)).collect()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            events: Counts::new(),
            payloads: Counts::new(),
            lost_events: Counts::new(),
            lost_payloads: Counts::new(),
            lost_bodies: Counts::new(),
            lost_texts: Counts::new(),
            lost_bundles: AtomicU64::new(0),
            unsynced: AtomicU64::new(0),
            late: AtomicU64::new(0),
            removed_bundles: AtomicU64::new(0),
        }
    }
}

impl Tally {
    pub(super) fn wrote_event(&self, kind: EventKind) {
        self.events.add(kind as usize);
    }

    pub(super) fn wrote_payload(&self, kind: PayloadKind) {
        self.payloads.add(kind as usize);
    }

    pub(super) fn removed_bundles(&self, count: u64) {
        self.removed_bundles.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts one loss.
    pub fn lost(&self, what: Lost) {
        match what {
            Lost::Event(kind) => self.lost_events.add(kind as usize),
            Lost::Payload(kind) => self.lost_payloads.add(kind as usize),
            Lost::Body(kind) => self.lost_bodies.add(kind as usize),
            Lost::Text(kind) => self.lost_texts.add(kind as usize),
            Lost::Bundle => drop(self.lost_bundles.fetch_add(1, Ordering::Relaxed)),
            Lost::Unsynced => drop(self.unsynced.fetch_add(1, Ordering::Relaxed)),
            Lost::Late => drop(self.late.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The counts now.
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
            removed_bundles: self.removed_bundles.load(Ordering::Relaxed),
        }
    }
}

/// What was written and what was lost, by the wire names of events and payloads. Only names with a count are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Lines written.
    pub events: BTreeMap<&'static str, u64>,
    /// Bodies stored.
    pub payloads: BTreeMap<&'static str, u64>,
    /// Lines that could not be written.
    pub lost_events: BTreeMap<&'static str, u64>,
    /// Bodies that could not be stored.
    pub lost_payloads: BTreeMap<&'static str, u64>,
    /// Bodies that could not be serialised; the reason is stored in their place.
    pub lost_bodies: BTreeMap<&'static str, u64>,
    /// Texts of events that could not be masked; the reason stands in their place.
    pub lost_texts: BTreeMap<&'static str, u64>,
    /// Bundles that could not be made.
    pub lost_bundles: u64,
    /// How often what was written could not be forced to the disk; where it is tried again and again, once until it
    /// could be. Nothing is lost while the machine goes on.
    pub unsynced: u64,
    /// What came after the shutdown, and was ignored.
    pub late: u64,
    /// Bundles of other runs that were removed, as the bounds of the root ([`Limits::root`](super::Limits::root)) want it.
    pub removed_bundles: u64,
}

impl Stats {
    /// Everything lost; what came late or is not yet forced to the disk aside.
    pub fn lost(&self) -> u64 {
        let sum = |counts: &BTreeMap<&'static str, u64>| counts.values().sum::<u64>();
        let events = sum(&self.lost_events) + sum(&self.lost_texts);
        events + sum(&self.lost_payloads) + sum(&self.lost_bodies) + self.lost_bundles
    }
}

impl fmt::Display for Stats {
    /// What was lost, by kind: `2 inference_started, 1 tool_result`.
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

/// What a bundle could not say yet.
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

    pub(super) fn lost(&self) -> u64 {
        self.by_kind.values().sum()
    }

    pub(super) fn by_kind(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_kind
    }
}
