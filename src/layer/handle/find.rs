//! Handles that are found by an id: threads through their recorder, and turns, tool calls and code cells through their
//! threads.

use std::sync::Arc;

use super::code_cell::CodeCell;
use super::span_handle::Handle;
use super::thread::{AgentThread, ThreadMeta};
use super::tool::ToolCall;
use super::turn::Turn;
use crate::layer::operation::{AnyHandle, CodeCellOperation, ThreadOperation, ToolCallOperation, TurnOperation};
use crate::layer::session::Session;
use crate::layer::span::operations::{ChildOperation, Operations};

impl AgentThread {
    /// Returns the handle of the latest open thread of a session with this id.
    pub(in crate::layer) fn find(session: &Arc<Session>, id: &str) -> Option<Self> {
        Some(Self::found(&ThreadOperation::find(session, id)?))
    }

    /// Returns the handle of the open thread of a conversation, or opens it.
    pub(in crate::layer) fn conversation(session: &Arc<Session>, id: &str, meta: ThreadMeta<'_>) -> Self {
        if let Some(thread) = Self::find(session, id) {
            return thread;
        }
        let opened = Self::open_conversation(session, id, meta.id(id));
        // The thread of another caller may have been opened first. There is none if the recorder is not in the subscriber.
        let Some(thread) = ThreadOperation::find(session, id) else { return opened };
        let found = Self::found(&thread);
        if let Some(handle) = found.0.to_kept() {
            thread.keep(handle);
        }
        found
    }

    /// Returns the handle of a thread that was found.
    fn found(thread: &Arc<ThreadOperation>) -> Self {
        let operations = || Operations { thread: Some(Arc::clone(thread)), ..Operations::default() };
        Self(Handle::found(thread.session(), thread.link(), operations))
    }

    /// Returns the open turn of this thread with this id, as the program or the log has it. Returns `None` if there is
    /// none, or if the thread is not recorded. If several recorders record the thread, the turn is that of the first one
    /// that has it.
    pub fn find_turn(&self, id: &str) -> Option<Turn> {
        self.threads().find_map(|thread| Some(Turn::found(&TurnOperation::find(thread, id)?)))
    }

    /// Returns the tool call of this thread with this id, as the program or the log has it: an open one before those that
    /// have ended, the latest first. A call that has ended is found until its turn ends, for what is recorded late. Returns
    /// `None` if there is none, or if the thread is not recorded.
    pub fn find_tool_call(&self, id: &str) -> Option<ToolCall> {
        self.threads().find_map(|thread| Some(ToolCall::found(&ToolCallOperation::find(thread, id)?)))
    }

    /// Returns the code cell of this thread with this id, as the program or the log has it: an open one before those that
    /// have ended, the latest first. A cell that has ended is found until its turn ends. Returns `None` if there is none,
    /// or if the thread is not recorded.
    pub fn find_code_cell(&self, id: &str) -> Option<CodeCell> {
        self.threads().find_map(|thread| Some(CodeCell::found(&CodeCellOperation::find(thread, id)?)))
    }

    /// Keeps the thread open although the program drops its handles: until a handle ends it that was
    /// [found](crate::Recorder::find_thread) later, until the thread ends that spawned it, or until the recording ends.
    /// A program that keeps only ids of what it has opened calls this before it drops the handle.
    pub fn keep_open(&self) {
        self.0.keep_open(|operations| operations.thread.as_ref(), ThreadOperation::keep);
    }

    fn threads(&self) -> impl Iterator<Item = &Arc<ThreadOperation>> {
        self.0.states().iter().filter_map(|state| state.operations()?.thread.as_ref())
    }
}

impl Turn {
    /// Returns the handle of a turn that was found.
    fn found(turn: &Arc<TurnOperation>) -> Self {
        let operations = || Operations { turn: Some(Arc::clone(turn)), ..Operations::default() };
        Self(Handle::found(turn.thread().session(), turn.link(), operations))
    }

    /// Keeps the turn open although the program drops its handles: until a handle ends it that was
    /// [found](AgentThread::find_turn) later, or until its thread ends.
    pub fn keep_open(&self) {
        self.0.keep_open(|operations| operations.turn.as_ref(), TurnOperation::keep);
    }
}

impl ToolCall {
    /// Returns the handle of a tool call that was found.
    fn found(tool: &Arc<ToolCallOperation>) -> Self {
        let operations = || ChildOperation::Tool(Arc::clone(tool)).into();
        Self(Handle::found(tool.turn().thread().session(), tool.link(), operations))
    }

    /// Keeps the tool call open although the program drops its handles: until a handle ends it that was
    /// [found](AgentThread::find_tool_call) later, or until its turn ends. It then ends with the result that was recorded,
    /// or is cancelled.
    pub fn keep_open(&self) {
        self.0.keep_open(Operations::tool, |tool, handle| tool.keep(handle));
    }
}

impl CodeCell {
    /// Returns the handle of a code cell that was found.
    fn found(cell: &Arc<CodeCellOperation>) -> Self {
        let operations = || ChildOperation::Cell(Arc::clone(cell)).into();
        Self(Handle::found(cell.turn().thread().session(), cell.link(), operations))
    }

    /// Keeps the code cell open although the program drops its handles: until a handle ends it that was
    /// [found](AgentThread::find_code_cell) later, or until its turn ends. A script that has yielded runs on without this.
    pub fn keep_open(&self) {
        self.0.keep_open(Operations::cell, |cell, handle| cell.keep(handle));
    }
}

impl Handle {
    /// Keeps a clone of the handle with the operation that `pick` selects, for each recorder that has one. Does nothing for
    /// a handle that leaves its operation open anyway.
    fn keep_open<W>(&self, pick: impl Fn(&Operations) -> Option<&Arc<W>>, keep: impl Fn(&Arc<W>, AnyHandle)) {
        self.for_each(pick, |operation| {
            if let Some(handle) = self.to_kept() {
                keep(operation, handle);
            }
        });
    }
}
