//! The data that the recorders of a subscriber keep in the extensions of a span: [`SpanExtension`].

use std::sync::Arc;

use smallvec::SmallVec;
use tracing_subscriber::registry::ExtensionsMut;

use super::implicit::ImplicitOperations;
use super::span_state::SpanState;
use crate::layer::session::ids::SessionId;

/// The only type of this crate in the extensions of a span: one entry per recorder whose layer observes the span. Two
/// recorders in one subscriber therefore do not disturb each other, and no type is inserted twice.
#[derive(Debug, Default)]
pub(in crate::layer) struct SpanExtension(SmallVec<[SessionEntry; 1]>);

/// The data that one recorder keeps for a span.
#[derive(Debug)]
struct SessionEntry {
    session: SessionId,
    state: Option<Arc<SpanState>>,
    /// Implicit threads and turns, which no span of the program opened. Set only on root spans.
    implicit: Option<Arc<ImplicitOperations>>,
}

impl SpanExtension {
    /// Returns the state that `session` keeps for the span. Returns `None` if it keeps none.
    pub(super) fn state(&self, session: SessionId) -> Option<&Arc<SpanState>> {
        self.0.iter().find(|entry| entry.session == session)?.state.as_ref()
    }

    /// Returns the implicit operations that `session` keeps at the span. Returns `None` if it keeps none.
    pub(super) fn supplied(&self, session: SessionId) -> Option<Arc<ImplicitOperations>> {
        self.0.iter().find(|entry| entry.session == session)?.implicit.clone()
    }

    /// Returns the states that all recorders keep for the span.
    pub(in crate::layer) fn states(&self) -> impl Iterator<Item = &Arc<SpanState>> {
        self.0.iter().filter_map(|entry| entry.state.as_ref())
    }

    /// Removes and returns the data that `session` keeps for the span.
    pub(super) fn take(&mut self, session: SessionId) -> (Option<Arc<SpanState>>, Option<Arc<ImplicitOperations>>) {
        match self.0.iter().position(|entry| entry.session == session) {
            Some(index) => {
                let SessionEntry { state, implicit, .. } = self.0.swap_remove(index);
                (state, implicit)
            }
            None => (None, None),
        }
    }

    /// Stores the state that `session` keeps for the span.
    pub(super) fn insert(extensions: &mut ExtensionsMut<'_>, session: SessionId, state: Arc<SpanState>) {
        Self::entry(extensions, session, |entry| entry.state = Some(state));
    }

    /// Returns the implicit operations that `session` keeps at this span, or stores and returns `fresh` if there are
    /// none.
    pub(super) fn implicit(
        extensions: &mut ExtensionsMut<'_>,
        session: SessionId,
        fresh: Arc<ImplicitOperations>,
    ) -> Arc<ImplicitOperations> {
        Self::entry(extensions, session, |entry| Arc::clone(entry.implicit.get_or_insert(fresh)))
    }

    /// Calls `change` with the entry of `session`, which is created if absent.
    fn entry<T>(
        extensions: &mut ExtensionsMut<'_>,
        session: SessionId,
        change: impl FnOnce(&mut SessionEntry) -> T,
    ) -> T {
        if extensions.get_mut::<Self>().is_none() {
            extensions.insert(Self::default());
        }
        let mut absent = SessionEntry { session, state: None, implicit: None };
        let Some(Self(entries)) = extensions.get_mut::<Self>() else { return change(&mut absent) };
        if let Some(entry) = entries.iter_mut().find(|entry| entry.session == session) {
            return change(entry);
        }
        let changed = change(&mut absent);
        entries.push(absent);
        changed
    }
}

impl Drop for SpanExtension {
    /// Closes the entries of layers that did not observe the close of the span, because they were removed from the
    /// subscriber while it was open.
    fn drop(&mut self) {
        for SessionEntry { state, implicit, .. } in self.0.drain(..) {
            if let Some(state) = state {
                state.close_abandoned();
            }
            if let Some(implicit) = implicit {
                implicit.end();
            }
        }
    }
}
