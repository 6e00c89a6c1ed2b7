//! What we keep in a span's extensions.

use std::sync::Arc;

use smallvec::SmallVec;
use tracing_subscriber::registry::ExtensionsMut;

use super::implicit::Supplied;
use super::recorder::RecorderId;
use super::span_state::SpanState;

/// The only type of ours in a span's extensions: what the span is to each recorder whose layer sees it. Two recorders
/// in one subscriber don't disturb each other, and nothing is ever inserted twice.
#[derive(Debug, Default)]
pub(super) struct PerSpan(SmallVec<[PerRecorder; 1]>);

#[derive(Debug)]
struct PerRecorder {
    recorder: RecorderId,
    state: Option<Arc<SpanState>>,
    /// What was supplied because nothing above has it. Only at the top of a scope.
    supplied: Option<Arc<Supplied>>,
}

impl PerSpan {
    /// What the span is to this recorder.
    pub(super) fn state(&self, recorder: RecorderId) -> Option<&Arc<SpanState>> {
        self.0.iter().find(|entry| entry.recorder == recorder)?.state.as_ref()
    }

    /// What the span is to all recorders.
    pub(super) fn states(&self) -> impl Iterator<Item = &Arc<SpanState>> {
        self.0.iter().filter_map(|entry| entry.state.as_ref())
    }

    /// Removes what the span is to this recorder.
    pub(super) fn take(&mut self, recorder: RecorderId) -> (Option<Arc<SpanState>>, Option<Arc<Supplied>>) {
        match self.0.iter().position(|entry| entry.recorder == recorder) {
            Some(index) => {
                let PerRecorder { state, supplied, .. } = self.0.swap_remove(index);
                (state, supplied)
            }
            None => (None, None),
        }
    }

    pub(super) fn insert(extensions: &mut ExtensionsMut<'_>, recorder: RecorderId, state: Arc<SpanState>) {
        Self::entry(extensions, recorder, |entry| entry.state = Some(state));
    }

    /// What is supplied at this span for this recorder; made of `fresh` where there is nothing yet.
    pub(super) fn supplied(
        extensions: &mut ExtensionsMut<'_>,
        recorder: RecorderId,
        fresh: Arc<Supplied>,
    ) -> Arc<Supplied> {
        Self::entry(extensions, recorder, |entry| Arc::clone(entry.supplied.get_or_insert(fresh)))
    }

    fn entry<T>(
        extensions: &mut ExtensionsMut<'_>,
        recorder: RecorderId,
        change: impl FnOnce(&mut PerRecorder) -> T,
    ) -> T {
        if extensions.get_mut::<Self>().is_none() {
            extensions.insert(Self::default());
        }
        let mut absent = PerRecorder { recorder, state: None, supplied: None };
        let Some(Self(entries)) = extensions.get_mut::<Self>() else { return change(&mut absent) };
        if let Some(entry) = entries.iter_mut().find(|entry| entry.recorder == recorder) {
            return change(entry);
        }
        let changed = change(&mut absent);
        entries.push(absent);
        changed
    }
}

impl Drop for PerSpan {
    /// The span is gone. What is left is that of layers that nobody told, because they were taken out of the subscriber
    /// while it was open.
    fn drop(&mut self) {
        for PerRecorder { state, supplied, .. } in self.0.drain(..) {
            if let Some(state) = state {
                state.outlive();
            }
            if let Some(supplied) = supplied {
                supplied.end();
            }
        }
    }
}
