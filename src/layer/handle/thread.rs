//! The handle of a thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Span, info_span};

use super::operation::impl_operation;
use super::span_handle::Handle;
use crate::bundle::Body;
use crate::event::{RawJson, Timestamp, ToolCallId};
use crate::layer::operation::{SessionMetadata, SessionSource, ThreadFacts, ThreadOperation};
use crate::layer::session::Session;
use crate::layer::span::callsites::HANDLE_TARGET;
use crate::layer::span::operations::{Enclosing, Operations};
use crate::layer::span::span_state::SpanState;

/// The handle of a thread: one agent's conversation.
///
/// A thread that is started inside the span of another thread is that thread's child, and is recorded in the same
/// bundle. Any other thread is a root thread: it creates a bundle, which ends when the thread ends.
///
/// ```
/// use otel_trace::{AgentThread, Json, Operation, ThreadMeta};
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
pub struct AgentThread(pub(super) Handle);

impl_operation!(AgentThread);

/// Attributes of a thread that starts. All of them are optional.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct ThreadMeta<'a> {
    id: Option<&'a str>,
    agent_path: Option<&'a str>,
    task_name: Option<&'a str>,
    agent_name: Option<&'a str>,
    agent_role: Option<&'a str>,
    session_source: Option<SessionSource<'a>>,
    cwd: Option<&'a str>,
    rollout_path: Option<&'a str>,
    model: Option<&'a str>,
    provider: Option<&'a str>,
    approval_policy: Option<&'a str>,
    sandbox_policy: Option<&'a str>,
    further: Option<&'a Map<String, Value>>,
}

impl<'a> ThreadMeta<'a> {
    /// Creates attributes without any value.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the thread's id, `gen_ai.conversation.id`. Default: a generated UUID, or, for the first root thread of a
    /// child process, the id that its parent generated.
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Sets the path of the agent among the agents of the run: `/root`, or `/root/<name>…` for a spawned agent.
    /// Default: `/root`, or a path made of the name of the task or agent.
    pub fn agent_path(self, path: &'a str) -> Self {
        Self { agent_path: Some(path), ..self }
    }

    /// Sets the name of the task that a spawned agent works on.
    pub fn task_name(self, name: &'a str) -> Self {
        Self { task_name: Some(name), ..self }
    }

    /// Sets the agent's name, `gen_ai.agent.name`.
    pub fn agent_name(self, name: &'a str) -> Self {
        Self { agent_name: Some(name), ..self }
    }

    /// Sets the agent's role.
    pub fn agent_role(self, role: &'a str) -> Self {
        Self { agent_role: Some(role), ..self }
    }

    /// Sets how the session was started: in one word, such as `cli`, or an object, such as `{"subagent": "review"}`.
    /// Default: `exec`, and for a spawned agent an object that names the thread that spawned it. A word is ignored for a
    /// spawned agent.
    pub fn session_source(self, source: impl Into<SessionSource<'a>>) -> Self {
        Self { session_source: Some(source.into()), ..self }
    }

    /// Sets the agent's working directory.
    pub fn cwd(self, directory: &'a str) -> Self {
        Self { cwd: Some(directory), ..self }
    }

    /// Sets the path of the file in which the program itself keeps the session.
    pub fn rollout_path(self, path: &'a str) -> Self {
        Self { rollout_path: Some(path), ..self }
    }

    /// Sets the model that the agent uses by default and its provider, `gen_ai.provider.name`.
    pub fn model(self, model: &'a str, provider: &'a str) -> Self {
        Self { model: Some(model), provider: Some(provider), ..self }
    }

    /// Sets the policy that decides when the agent must ask for approval before it acts.
    pub fn approval_policy(self, policy: &'a str) -> Self {
        Self { approval_policy: Some(policy), ..self }
    }

    /// Sets the policy that limits the files and resources that the agent's commands may access.
    pub fn sandbox_policy(self, policy: &'a str) -> Self {
        Self { sandbox_policy: Some(policy), ..self }
    }

    /// Sets further members of the `session_metadata` body, which format 1 does not define. A member that it defines is
    /// ignored.
    pub fn further(self, members: &'a Map<String, Value>) -> Self {
        Self { further: Some(members), ..self }
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
            rollout_path,
            model,
            provider,
            approval_policy,
            sandbox_policy,
            further,
        } = *self;
        ThreadFacts {
            id: owned(id),
            agent_path: owned(agent_path),
            metadata: SessionMetadata {
                task_name: owned(task_name),
                nickname: owned(agent_name),
                agent_role: owned(agent_role),
                session_source: session_source.map(SessionSource::to_value),
                cwd: owned(cwd),
                rollout_path: owned(rollout_path),
                model: owned(model),
                provider_name: owned(provider),
                approval_policy: owned(approval_policy),
                sandbox_policy: owned(sandbox_policy),
                further: further.cloned().unwrap_or_default(),
            },
            orphan: None,
            spawned_by,
            is_supplied: false,
        }
    }
}

/// Creates the span of a thread, as a child of the current span unless a parent is given.
macro_rules! thread_span {
    ($meta:ident $(, parent: $parent:expr)?) => {
        info_span!(
            target: HANDLE_TARGET,
            $(parent: $parent,)?
            "invoke_agent",
            otel_trace.kind = "thread",
            otel.name = $meta.agent_name.map(|name| format!("invoke_agent {name}")),
            gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = $meta.agent_name,
            gen_ai.conversation.id = $meta.id,
            gen_ai.request.model = $meta.model,
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        )
    };
}

impl AgentThread {
    /// Starts a thread, as a child of the current span.
    pub fn start(meta: ThreadMeta<'_>) -> Self {
        Self(Handle::new(thread_span!(meta), |state| open(state, meta)))
    }

    /// Starts a root thread, whatever the current span is. Inside of the span of another thread, [`start`](Self::start)
    /// would make the new thread that one's child: use this where a program runs independent agents inside of one another,
    /// such as an agent that tests agents.
    ///
    /// ```
    /// use otel_trace::{AgentThread, Operation, ThreadMeta};
    ///
    /// let tester = AgentThread::start(ThreadMeta::new().agent_name("tester"));
    /// tester.span().in_scope(|| {
    ///     // A run of its own, with a bundle of its own.
    ///     let tested = AgentThread::start_root(ThreadMeta::new().agent_name("coder"));
    ///     tested.complete();
    /// });
    /// tester.complete();
    /// ```
    pub fn start_root(meta: ThreadMeta<'_>) -> Self {
        Self(Handle::new(thread_span!(meta, parent: Span::none()), |state| open(state, meta)))
    }

    /// Starts a thread, as a child of the operation `parent`.
    pub(super) fn start_inside(parent: &Handle, meta: ThreadMeta<'_>) -> Self {
        Self(Handle::new_inside(parent, || thread_span!(meta, parent: parent.span()), |state| open(state, meta)))
    }

    /// Returns the directory of the bundle that this thread is recorded in. If several recorders record the thread, it
    /// is the bundle of the first. Returns `None` if the thread is not recorded.
    pub fn bundle(&self) -> Option<PathBuf> {
        let threads = self.0.states().iter().filter_map(|state| state.operations()?.thread.as_ref());
        threads.filter_map(|thread| thread.bundle_path()).next()
    }

    /// Records an event that the program sends to its own clients, such as `session_configured` or `error`. Do not call
    /// this for the deltas of a stream.
    pub fn protocol_event(&self, event_type: &str, body: impl Body) {
        self.for_each(|thread| thread.record_protocol_event(event_type, &body));
    }

    /// Records an event that no other method covers. `metadata` may be any JSON value. Strict readers of format 1
    /// reject this event.
    pub fn other(&self, kind: &str, summary: &str, metadata: &impl Serialize) {
        if !self.0.is_recording() {
            return;
        }
        // A value that panics is not the host's problem.
        let metadata = catch_unwind(AssertUnwindSafe(|| RawJson::from_value(metadata))).unwrap_or_default();
        self.for_each(|thread| thread.record_other(kind, summary, metadata.clone()));
    }

    /// Opens a conversation: a root thread that `session` finds by `meta.id` and that stays open although its handles are
    /// dropped. If another caller has opened the conversation in the meantime, nothing is opened.
    pub(super) fn open_conversation(session: &Arc<Session>, id: &str, meta: ThreadMeta<'_>) -> Self {
        let span = thread_span!(meta, parent: Span::none());
        Self(Handle::new(span, |state| {
            let thread = new_thread(state, meta);
            // The thread is known to be held before the conversation is found, so that it cannot be idle.
            state.open(Operations { thread: Some(Arc::clone(&thread)), ..Operations::default() });
            let opened = || ThreadOperation::of_conversation(session, id, || Arc::clone(&thread));
            if !Arc::ptr_eq(session, state.session()) || Arc::ptr_eq(&opened(), &thread) {
                thread.start(Timestamp::now());
            }
        }))
    }

    fn for_each(&self, act: impl Fn(&Arc<ThreadOperation>)) {
        self.0.for_each(|operations| operations.thread.as_ref(), act);
    }
}

/// Opens and starts the thread in the state that one recorder keeps for its span.
fn open(state: &SpanState, meta: ThreadMeta<'_>) {
    let thread = new_thread(state, meta);
    state.open(Operations { thread: Some(Arc::clone(&thread)), ..Operations::default() });
    thread.start(Timestamp::now());
}

/// Creates the thread of a span, inside of the operations around the span.
fn new_thread(state: &SpanState, meta: ThreadMeta<'_>) -> Arc<ThreadOperation> {
    let Enclosing { thread: parent, tool, .. } = state.enclosing();
    let facts = meta.facts(tool.and_then(|tool| tool.id().cloned()));
    ThreadOperation::new(Arc::clone(state.session()), parent, facts, state.live().clone())
}
