//! The conversations whose threads the layer supplies, and their end once they are idle: [`Conversations`].

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::reentrancy::lock;
use super::threads::ThreadTable;

/// Time without an open turn after which a conversation ends by default.
pub(in crate::layer) const CONVERSATION_IDLE: Duration = Duration::from_secs(30 * 60);

/// The thread of a conversation, as far as a session knows it.
pub(in crate::layer) trait ConversationThread: Any + Debug + Send + Sync {
    /// Returns `true` if a turn is open in the thread or in a thread of an agent that it spawned, if the program holds a
    /// handle of the thread, and before the first turn of a thread that the layer supplied.
    fn is_busy(&self) -> bool;

    /// Ends the thread as completed, because nothing has happened in it for long.
    fn end_idle(self: Arc<Self>);
}

/// The threads of conversations by id. A thread ends when no turn has been open in it for a time, and at the shutdown.
#[derive(Debug)]
pub(in crate::layer) struct Conversations {
    /// Time without an open turn after which a conversation ends.
    idle: Duration,
    /// Shared with the thread that ends idle conversations, which is started with the first conversation.
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when the session is shut down.
    closed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    threads: HashMap<String, Conversation>,
    has_timer: bool,
    /// `true` after the shutdown. A thread that was added then would never be dropped, and it holds the session.
    is_closed: bool,
}

#[derive(Debug)]
struct Conversation {
    thread: Arc<dyn ConversationThread>,
    /// The last time at which a span referred to the conversation, or at which a turn was seen open in it.
    used: Instant,
}

impl Conversations {
    /// Creates the table of a session whose conversations end when no turn has been open in them for `idle`.
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, shared: Arc::default() }
    }

    /// Returns the thread of a conversation, which then counts as used.
    pub(in crate::layer) fn get<T: ConversationThread>(&self, id: &str) -> Option<Arc<T>> {
        lock(&self.shared.state).get(id)
    }

    /// Returns the thread of a conversation, or adds the one that `make` creates. The thread `ended` is replaced. After
    /// the shutdown no thread is added.
    pub(in crate::layer) fn get_or_add<T: ConversationThread>(
        &self,
        threads: &Arc<ThreadTable>,
        id: &str,
        ended: Option<&Arc<T>>,
        make: impl FnOnce() -> Arc<T>,
    ) -> Arc<T> {
        let mut state = lock(&self.shared.state);
        let is_ended = |thread: &Arc<T>| ended.is_some_and(|ended| Arc::ptr_eq(ended, thread));
        if let Some(known) = state.get(id).filter(|thread| !is_ended(thread)) {
            return known;
        }
        let thread = make();
        if !state.is_closed {
            let added: Arc<T> = Arc::clone(&thread);
            state.threads.insert(id.to_owned(), Conversation { thread: added, used: Instant::now() });
            if !std::mem::replace(&mut state.has_timer, true) {
                self.start_timer(threads);
            }
        }
        thread
    }

    /// Removes the thread of a conversation that the program has ended.
    pub(in crate::layer) fn remove<T: ?Sized>(&self, id: &str, thread: &T) {
        let _removed = {
            let mut state = lock(&self.shared.state);
            let known = state.threads.get(id).filter(|known| std::ptr::addr_eq(Arc::as_ptr(&known.thread), thread));
            if known.is_some() { state.threads.remove(id) } else { None }
        };
    }

    /// Starts the thread that ends idle conversations. If it cannot be started, they end at the shutdown.
    fn start_timer(&self, threads: &Arc<ThreadTable>) {
        let (shared, threads, idle) = (Arc::clone(&self.shared), Arc::clone(threads), self.idle);
        let run = move || shared.end_idle_conversations(&threads, idle);
        let _ = thread::Builder::new().name("otel-trace-idle".to_owned()).spawn(run);
    }

    /// Removes all threads, and adds no further one.
    pub(super) fn close(&self) {
        let threads = {
            let mut state = lock(&self.shared.state);
            state.is_closed = true;
            std::mem::take(&mut state.threads)
        };
        self.shared.closed.notify_all();
        // Dropped behind the lock: the last owner of a thread may be this table.
        drop(threads);
    }
}

impl State {
    fn get<T: ConversationThread>(&mut self, id: &str) -> Option<Arc<T>> {
        let conversation = self.threads.get_mut(id)?;
        conversation.used = Instant::now();
        let thread: Arc<dyn Any + Send + Sync> = Arc::<dyn ConversationThread>::clone(&conversation.thread);
        thread.downcast().ok()
    }
}

impl Shared {
    /// Ends conversations that are idle, until the session is shut down. Looks eight times in the time after which one is
    /// idle, so that it costs little however many there are.
    fn end_idle_conversations(&self, threads: &ThreadTable, idle: Duration) {
        let interval = (idle / 8).max(Duration::from_millis(1));
        let mut state = lock(&self.state);
        while !state.is_closed {
            let waited = self.closed.wait_timeout(state, interval);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let ended = state.remove_idle(threads, idle);
            drop(state);
            ended.into_iter().for_each(ConversationThread::end_idle);
            state = lock(&self.state);
        }
    }
}

impl State {
    /// Removes and returns the threads of conversations that are idle, also from the table of threads by id: no span
    /// finds one while it ends.
    fn remove_idle(&mut self, threads: &ThreadTable, idle: Duration) -> Vec<Arc<dyn ConversationThread>> {
        let now = Instant::now();
        // A turn that has just ended was seen open an interval ago.
        let limit = idle.saturating_add(idle / 8);
        let is_idle = |_: &String, conversation: &mut Conversation| {
            if conversation.thread.is_busy() {
                conversation.used = now;
            }
            now.saturating_duration_since(conversation.used) >= limit
        };
        let idle = self.threads.extract_if(is_idle);
        // The id of a conversation is that of its thread.
        let idle = idle.inspect(|(id, conversation)| threads.remove(id, &*conversation.thread));
        idle.map(|(_, conversation)| conversation.thread).collect()
    }
}
