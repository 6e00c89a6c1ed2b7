//! The threads that a recorder finds by id, and the conversations that it opens.

use super::Recorder;
use crate::layer::handle::{AgentThread, ThreadMeta};

impl Recorder {
    /// Returns the latest open thread with this id, as the program or the log has it: of a handle, of a span, or one that
    /// the layer supplied for a span with its `gen_ai.conversation.id`. Returns `None` if there is none. Its turns, tool
    /// calls and code cells are found through it.
    ///
    /// A handle that is found is a clone of the one that opened the operation. An operation that no handle has opened stays
    /// open when the found handle is dropped, and [`Operation::span`](crate::layer::Operation::span) is then a disabled
    /// span; what the program opens with the found handle is inside of the operation all the same.
    ///
    /// ```
    /// use otel_trace::{AgentThread, Operation, Recorder, ThreadMeta, ToolCallMeta};
    /// # use tracing_subscriber::prelude::*;
    ///
    /// /// Begins a tool call that the user must approve. Only the ids of the operations are kept, by the user's browser.
    /// fn ask_for_approval(conversation: &str, call_id: &str) {
    ///     let thread = AgentThread::start(ThreadMeta::new().id(conversation));
    ///     let turn = thread.turn(None);
    ///     let tool = turn.tool_call(ToolCallMeta::new("delete_file").id(call_id));
    ///     thread.keep_open();
    ///     turn.keep_open();
    ///     tool.keep_open();
    /// }
    ///
    /// /// Handles the request with which the user approves the call.
    /// fn approve(recorder: &Recorder, conversation: &str, call_id: &str) -> Option<()> {
    ///     let thread = recorder.find_thread(conversation)?;
    ///     let tool = thread.find_tool_call(call_id)?;
    ///     // … delete the file …
    ///     tool.output("deleted");
    ///     tool.complete();
    ///     // What was kept inside of the thread ends with it.
    ///     thread.complete();
    ///     Some(())
    /// }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let (recorder, _guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    /// # let subscriber = tracing_subscriber::registry().with(recorder.layer());
    /// # tracing::subscriber::with_default(subscriber, || {
    /// ask_for_approval("conversation-7", "call_1");
    /// assert_eq!(approve(&recorder, "conversation-7", "call_1"), Some(()));
    /// assert_eq!(approve(&recorder, "conversation-7", "call_1"), None);
    /// # });
    /// ```
    pub fn find_thread(&self, id: &str) -> Option<AgentThread> {
        AgentThread::find(&self.0, id)
    }

    /// Returns the open thread of the conversation `id`, or else starts one: a root thread with a bundle of its own,
    /// whatever the current span is. `meta` is ignored if the thread is open.
    ///
    /// The thread stays open although the program drops its handles, so that a server can call this for each request. It
    /// ends, completed, when nothing has happened in it for
    /// [`RecorderBuilder::conversation_idle`](crate::layer::RecorderBuilder::conversation_idle): no turn was open in it, and
    /// the program held no handle of it. What comes later is a new thread of the same id in a new bundle;
    /// `otel-trace reduce <root>` joins the bundles of a conversation.
    ///
    /// ```
    /// use otel_trace::{Operation, Recorder, ThreadMeta};
    ///
    /// fn answer(recorder: &Recorder, conversation: &str, question: &str) -> String {
    ///     let thread = recorder.conversation(conversation, ThreadMeta::new().agent_name("support"));
    ///     let turn = thread.turn(None);
    ///     // … ask the model …
    ///     turn.complete();
    ///     format!("the answer to {question}")
    /// }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let (recorder, _guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    /// # answer(&recorder, "c", "q");
    /// ```
    pub fn conversation(&self, id: &str, meta: ThreadMeta<'_>) -> AgentThread {
        AgentThread::conversation(&self.0, id, meta)
    }
}
