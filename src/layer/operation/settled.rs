//! Spans that may stay open although their operation has settled: [`SettledSpan`], [`SettledSpans`].

use std::fmt::Debug;
use std::sync::{Arc, Mutex, Weak};

use crate::layer::session::reentrancy::lock;

/// A span whose operation has an answer or a result, while no thread is inside the span.
pub(in crate::layer) trait SettledSpan: Debug + Send + Sync {
    /// Ends the operation at the time it settled. Does nothing if something was recorded in the span since and a thread
    /// is inside.
    fn release(&self);
}

/// The span of one operation, once the operation has settled.
#[derive(Debug, Default)]
pub(super) struct SettledSlot(Mutex<Option<Weak<dyn SettledSpan>>>);

impl SettledSlot {
    /// Sets the span.
    pub(super) fn set(&self, span: Weak<dyn SettledSpan>) {
        *lock(&self.0) = Some(span);
    }

    /// Releases the span, if it has settled.
    pub(super) fn release(&self) {
        let span = lock(&self.0).as_ref().and_then(Weak::upgrade);
        if let Some(span) = span {
            span.release();
        }
    }
}

/// The settled spans of a thread, with the address of the turn of each.
#[derive(Debug, Default)]
pub(super) struct SettledSpans(Mutex<Vec<(usize, Weak<dyn SettledSpan>)>>);

impl SettledSpans {
    /// Adds a span that has settled, unless it is known.
    pub(super) fn add(&self, turn: usize, span: &Weak<dyn SettledSpan>) {
        let mut spans = lock(&self.0);
        if !spans.iter().any(|(_, known)| Weak::ptr_eq(known, span)) {
            spans.push((turn, Weak::clone(span)));
        }
    }

    /// Removes a span that has ended.
    pub(super) fn remove(&self, span: &Weak<dyn SettledSpan>) {
        let mut spans = lock(&self.0);
        if let Some(index) = spans.iter().rposition(|(_, known)| Weak::ptr_eq(known, span)) {
            spans.swap_remove(index);
        }
    }

    /// Releases all spans.
    pub(super) fn release_all(&self) {
        let spans = std::mem::take(&mut *lock(&self.0));
        release(spans.into_iter().map(|(_, span)| span));
    }

    /// Releases the spans of the turn at this address.
    pub(super) fn release_turn(&self, turn: usize) {
        let spans: Vec<_> = lock(&self.0).extract_if(.., |(address, _)| *address == turn).collect();
        release(spans.into_iter().map(|(_, span)| span));
    }
}

/// Releases spans, while no lock is held.
fn release(spans: impl Iterator<Item = Weak<dyn SettledSpan>>) {
    let spans: Vec<Arc<_>> = spans.filter_map(|span| span.upgrade()).collect();
    spans.iter().for_each(|span| span.release());
}
