//! Spans that other spans may link to, and their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::trace::SpanContext;

use crate::layer::live::Live;

/// When a live span's operation started, as an ordinal that counts the starts of a recorder's runs.
///
/// A link leads only to a span that started earlier *and* that existed earlier. A span exists at the latest when the
/// first operation inside it starts, which may be before its own operation starts. Parents exist before their children,
/// so parents and links together never close a cycle.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SpanOrder {
    /// 0 before the operation has started.
    started: u64,
    /// The lowest ordinal of a start in the span or in a live span inside it.
    existed: u64,
}

impl SpanOrder {
    /// Returns the ordinal of the start.
    pub(super) fn started(self) -> u64 {
        self.started
    }

    /// Returns the order of a span whose operation starts with this ordinal.
    pub(super) fn start(started: u64, earliest_start: &EarliestStart) -> Self {
        Self { started, existed: earliest_start.lower(started) }
    }

    /// Returns `true` if this span started and existed before the other one.
    pub(super) fn is_before(self, later: Self) -> bool {
        self.started < later.started && self.existed < later.existed
    }
}

/// The lowest ordinal of a start among a live span and the live spans inside it.
#[derive(Debug)]
pub(super) struct EarliestStart {
    ordinal: AtomicU64,
    /// The nearest live span around this one.
    enclosing: Live,
}

impl EarliestStart {
    pub(super) fn new(enclosing: Live) -> Arc<Self> {
        Arc::new(Self { ordinal: AtomicU64::new(u64::MAX), enclosing })
    }

    /// Lowers the ordinal to that of a start in this span or inside it, for the enclosing spans too. Returns the lowest
    /// ordinal so far.
    pub(super) fn lower(&self, started: u64) -> u64 {
        let before = self.ordinal.fetch_min(started, Ordering::Relaxed);
        // An enclosing span's ordinal is never above that of a span inside it.
        if started < before
            && let Some(enclosing) = &self.enclosing
        {
            enclosing.on_start_inside(started);
        }
        before.min(started)
    }
}

/// A span that other spans may link to.
#[derive(Debug, Clone)]
pub(super) struct LinkTarget {
    pub(super) span: SpanContext,
    pub(super) order: SpanOrder,
}
