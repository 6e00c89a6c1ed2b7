//! The threads of conversations and of the agents in them, which spans and handles find by id or by name.

use std::sync::{Arc, Weak};

use super::end::End;
use super::thread::ThreadOperation;
use crate::event::Timestamp;
use crate::layer::session::Session;
use crate::layer::session::conversations::ConversationThread;
use crate::layer::session::reentrancy::lock;

impl ThreadOperation {
    /// Returns `true` if a span in this thread that names `agent` is of another agent's thread: the layer has supplied this
    /// thread, and for an agent of another name.
    pub(in crate::layer) fn is_of_another_agent(&self, agent: &str) -> bool {
        self.facts.is_supplied && self.facts.metadata.nickname.as_deref().is_some_and(|own| own != agent)
    }

    /// Returns `true` if the layer has supplied this thread for an agent that spans in the thread `other` name.
    pub(in crate::layer) fn is_agent_of(&self, other: &Arc<Self>) -> bool {
        let is_supplied_for_agent = self.facts.is_supplied && self.facts.spawned_by.is_none();
        is_supplied_for_agent && self.parent().is_some_and(|parent| Arc::ptr_eq(parent, other))
    }

    /// Returns the name of the thread's agent.
    pub(in crate::layer) fn agent_name(&self) -> Option<&str> {
        self.facts.metadata.nickname.as_deref()
    }

    /// Returns the first thread of the agent `name` that this thread has spawned, and that `may_be` accepts. Such a thread
    /// ends with this one. `make` creates it if there is none.
    pub(in crate::layer) fn agent(
        &self,
        name: &str,
        may_be: impl Fn(&Arc<Self>) -> bool,
        make: impl FnOnce() -> Arc<Self>,
    ) -> Arc<Self> {
        let mut agents = lock(&self.agents);
        let known = agents.get(name).into_iter().flatten().filter_map(Weak::upgrade).find(may_be);
        known.unwrap_or_else(|| {
            let thread = make();
            agents.entry(name.to_owned()).or_default().push(Arc::downgrade(&thread));
            thread
        })
    }

    /// Returns `true` if an agent is at work in the thread, which the layer has supplied: another run of an agent with the
    /// same name at the same time is a conversation of its own.
    pub(in crate::layer) fn has_agent_at_work(&self) -> bool {
        self.facts.is_supplied && self.inside().has_agent_at_work()
    }

    /// Returns `true` if the program holds a handle of the thread.
    fn is_held(&self) -> bool {
        let handles = self.link().count_handles();
        handles > usize::from(self.kept_with().contains(std::ptr::from_ref(self).addr()))
    }

    /// Returns the latest open thread of a session to which spans and handles refer by `id`.
    pub(in crate::layer) fn find(session: &Session, id: &str) -> Option<Arc<Self>> {
        // A conversation that is found counts as used. It may not have started.
        let conversation = session.conversations().get(id).filter(|thread: &Arc<Self>| !thread.lifecycle.is_ended());
        session.threads().get(id).or(conversation)
    }

    /// Returns the thread of a conversation, or the one that `make` creates. A thread that has ended is replaced: the
    /// program has ended it, or there was no room on the disk for its bundle.
    pub(in crate::layer) fn of_conversation(
        session: &Session,
        id: &str,
        make: impl FnOnce() -> Arc<Self>,
    ) -> Arc<Self> {
        // Checked without holding the lock of all conversations, because the start of this thread may be on its way to
        // the disk.
        let ended = session.conversations().get(id).filter(|thread: &Arc<Self>| thread.lifecycle.is_ended());
        session.conversations().get_or_add(session.threads(), id, ended.as_ref(), make)
    }
}

impl ConversationThread for ThreadOperation {
    fn is_busy(&self) -> bool {
        // A thread that the layer has just supplied has no turn yet.
        let is_new = self.facts.is_supplied && !self.inside().last_turn.has_started() && !self.lifecycle.is_ended();
        is_new || self.is_held() || self.started().is_some_and(|recording| recording.bundle.has_open_turn())
    }

    fn end_idle(self: Arc<Self>) {
        self.end(End::ClosedOk, Timestamp::now());
    }
}
