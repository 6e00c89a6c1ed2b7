//! The handle of a thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tracing::{Span, info_span};

use super::{HANDLE_TARGET, Handle, Turn, operation, within};
use crate::bundle::Body;
use crate::event::{RawJson, Timestamp, ToolCallId, TurnId};
use crate::layer::operation::{SessionMetadata, ThreadFacts, ThreadOperation};
use crate::layer::operations::{Enclosing, Operations};
use crate::layer::span_state::SpanState;

/// One agent's conversation. Opened inside another thread's span it is that thread's child, in the same bundle;
/// otherwise it makes a bundle of its own, which ends with it.
///
/// ```
/// use otel_trace::{Json, AgentThread, ThreadMeta, Operation};
/// use serde_json::json;
///
/// let thread = AgentThread::start(ThreadMeta::new().agent_name("coder").cwd("/repo").model("gpt-5-mini", "openai"));
/// let turn = thread.turn(Some("turn-1".into()));
/// thread.protocol_event("warning", Json(&json!({ "message": "the context is nearly full" })));
/// thread.other("feedback", "the user liked it", &json!({ "stars": 5 }));
/// turn.complete();
/// thread.complete();
/// ```
#[derive(Debug, Clone)]
pub struct AgentThread(Handle);

operation!(AgentThread);

/// What a program says of a thread. Nothing is required.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct ThreadMeta<'a> {
    id: Option<&'a str>,
    agent_path: Option<&'a str>,
    task_name: Option<&'a str>,
    agent_name: Option<&'a str>,
    agent_role: Option<&'a str>,
    session_source: Option<&'a str>,
    cwd: Option<&'a str>,
    model: Option<&'a str>,
    provider: Option<&'a str>,
    approval_policy: Option<&'a str>,
    sandbox_policy: Option<&'a str>,
}

impl<'a> ThreadMeta<'a> {
    /// Nothing said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The thread's id, `gen_ai.conversation.id`. A UUID is made where none is given, for the first root thread of a
    /// child process by its parent.
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The agent's place among the agents of the run: `/root`, or `/root/<name>…` for a spawned one.
    pub fn agent_path(self, path: &'a str) -> Self {
        Self { agent_path: Some(path), ..self }
    }

    /// What a spawned agent is to do.
    pub fn task_name(self, name: &'a str) -> Self {
        Self { task_name: Some(name), ..self }
    }

    /// The agent's name, `gen_ai.agent.name`.
    pub fn agent_name(self, name: &'a str) -> Self {
        Self { agent_name: Some(name), ..self }
    }

    /// The agent's role.
    pub fn agent_role(self, role: &'a str) -> Self {
        Self { agent_role: Some(role), ..self }
    }

    /// How the session came to be, one word: `cli`, `exec` …
    pub fn session_source(self, source: &'a str) -> Self {
        Self { session_source: Some(source), ..self }
    }

    /// The directory that the agent works in.
    pub fn cwd(self, directory: &'a str) -> Self {
        Self { cwd: Some(directory), ..self }
    }

    /// The model that the agent asks by default, and its provider, `gen_ai.provider.name`.
    pub fn model(self, model: &'a str, provider: &'a str) -> Self {
        Self { model: Some(model), provider: Some(provider), ..self }
    }

    /// When the agent must ask before it acts.
    pub fn approval_policy(self, policy: &'a str) -> Self {
        Self { approval_policy: Some(policy), ..self }
    }

    /// What the agent's commands may touch.
    pub fn sandbox_policy(self, policy: &'a str) -> Self {
        Self { sandbox_policy: Some(policy), ..self }
    }

    fn facts(&self, spawned_by: Option<ToolCallId>) -> ThreadFacts {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let Self {
            id,
            agent_path,
            task_name,
            agent_name,
            agent_role,
            session_source,
            cwd,
            model,
            provider,
            approval_policy,
            sandbox_policy,
        } = *self;
        ThreadFacts {
            id: owned(id),
            agent_path: owned(agent_path),
            metadata: SessionMetadata {
                task_name: owned(task_name),
                nickname: owned(agent_name),
                agent_role: owned(agent_role),
                session_source: owned(session_source),
                cwd: owned(cwd),
                model: owned(model),
                provider_name: owned(provider),
                approval_policy: owned(approval_policy),
                sandbox_policy: owned(sandbox_policy),
            },
            orphan: None,
            spawned_by,
        }
    }
}

impl AgentThread {
    /// Starts a thread in the current span.
    pub fn start(meta: ThreadMeta<'_>) -> Self {
        let span = info_span!(
            target: HANDLE_TARGET,
            "invoke_agent",
            otel_trace.kind = "thread",
            otel.name = meta.agent_name.map(|name| format!("invoke_agent {name}")),
            gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = meta.agent_name,
            gen_ai.conversation.id = meta.id,
            gen_ai.request.model = meta.model,
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        );
        Self::open(span, meta)
    }

    pub(super) fn start_under(parent: &Span, meta: ThreadMeta<'_>) -> Self {
        within(parent, || parent.in_scope(|| Self::start(meta)))
    }

    fn open(span: Span, meta: ThreadMeta<'_>) -> Self {
        Self(Handle::new(span, |state| open(state, meta)))
    }

    /// The directory of the bundle that this thread is recorded in; of the first, where several recorders do.
    pub fn bundle(&self) -> Option<PathBuf> {
        let threads = self.0.states().iter().filter_map(|state| state.operations()?.thread.as_ref());
        threads.filter_map(|thread| thread.bundle()).next()
    }

    /// Something that the program tells its own clients: `session_configured`, `error` … Never the deltas of a stream.
    pub fn protocol_event(&self, event_type: &str, body: impl Body) {
        self.each(|thread| thread.protocol_event(event_type, &body));
    }

    /// Something that nothing else says. `metadata` is any JSON. A strict reader of format 1 refuses it.
    pub fn other(&self, kind: &str, summary: &str, metadata: &impl Serialize) {
        if !self.0.is_recording() {
            return;
        }
        // A value that panics is not the host's problem.
        let metadata = catch_unwind(AssertUnwindSafe(|| RawJson::of(metadata))).unwrap_or_default();
        self.each(|thread| thread.other(kind, summary, metadata.clone()));
    }

    fn each(&self, act: impl Fn(&Arc<ThreadOperation>)) {
        self.0.each(|operations| operations.thread.as_ref(), act);
    }

    /// Starts a turn of this thread, with this id if one is given.
    pub fn turn(&self, id: Option<TurnId>) -> Turn {
        Turn::start(&self.0, id)
    }
}

fn open(state: &SpanState, meta: ThreadMeta<'_>) {
    let Enclosing { thread: parent, tool, .. } = state.surroundings();
    let facts = meta.facts(tool.and_then(|tool| tool.id().cloned()));
    let thread = ThreadOperation::new(Arc::clone(state.recorder()), parent, facts, state.live().clone());
    state.open(Operations { thread: Some(Arc::clone(&thread)), ..Operations::default() });
    thread.start(Timestamp::now());
}
