//! Folds threads: their executions, descriptions and origins.

use super::lifecycle::{AlreadyEnded, OperationEnd};
use crate::event::{AgentPath, ThreadEnded, ThreadId, ThreadStarted};
use crate::graph::{Code, Evidence, Execution, LiveSpan, Moment, Origin, Table, Thread, Totals, spawn_edge};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{Logged, Mention, Mentions, Payload, SessionMetadata, SpawnedBy, ThreadFact};
use crate::reduce::diagnostics::LogPosition;

/// Folds the facts of threads into a table. Includes threads without a start event that other events name.
pub(super) fn threads(
    facts: &[Logged<ThreadFact>],
    mentions: &Mentions,
    diagnostics: &mut Diagnostics,
) -> Table<ThreadId, Thread> {
    let mut started = Table::default();
    for at in facts {
        match &at.fact {
            ThreadFact::Started(event, metadata) => start(&mut started, at, event, metadata.as_ref(), diagnostics),
            ThreadFact::Ended(_) => {}
        }
    }
    let mut threads = with_implied(started, mentions, diagnostics);
    for at in facts {
        match &at.fact {
            ThreadFact::Started(..) => {}
            ThreadFact::Ended(event) => end(&mut threads, at, event, diagnostics),
        }
    }
    threads
}

/// Adds a thread at its start event, with the description from its metadata. Reports why if the event is left out.
fn start(
    threads: &mut Table<ThreadId, Thread>,
    at: &Logged<ThreadFact>,
    event: &ThreadStarted,
    metadata: Option<&Payload<SessionMetadata>>,
    diagnostics: &mut Diagnostics,
) {
    let ThreadStarted { thread_id, agent_path, metadata_payload, conversation_id } = event;
    let payload = metadata_payload.as_ref().map(|body| &body.raw_payload_id);
    if threads.contains(thread_id) {
        let message = format!("thread {thread_id} starts a second time; the first start is kept");
        diagnostics.add(at, Code::DuplicateStart, message, payload);
        return;
    }
    let metadata = match metadata {
        Some(Ok(metadata)) => Some(&**metadata),
        Some(Err(unusable)) => {
            let message = format!("the metadata of thread {thread_id} is treated as absent: {}", unusable.reason);
            diagnostics.add(at, unusable.code, message, payload);
            None
        }
        None => None,
    };
    let mut thread =
        new(thread_id.clone(), agent_path.clone(), at.when, LiveSpan::from_span_ref(at.context.span.as_ref()));
    thread.evidence = Evidence::new(at.when.seq, payload.cloned());
    thread.conversation_id.clone_from(conversation_id);
    if let Some(metadata) = metadata {
        describe(&mut thread, metadata);
    }
    threads.add(thread_id.clone(), thread);
}

/// Creates a thread that starts at `when` and is running.
fn new(thread_id: ThreadId, agent_path: AgentPath, when: Moment, span: LiveSpan) -> Thread {
    Thread {
        thread_id,
        agent_path,
        nickname: None,
        origin: Origin::Root,
        execution: Execution::open(when),
        default_model: None,
        source: None,
        conversation_id: None,
        item_ids: Vec::new(),
        totals: Totals::default(),
        end: None,
        span,
        turn_ids: Vec::new(),
        error: None,
        evidence: Evidence::new(when.seq, None),
    }
}

/// Sets the fields of a thread that its `session_metadata` payload provides.
fn describe(thread: &mut Thread, metadata: &SessionMetadata) {
    let SessionMetadata { agent_path, task_name, nickname, agent_role, model, source, spawned_by } = metadata;
    thread.nickname.clone_from(nickname);
    thread.source.clone_from(source);
    thread.default_model.clone_from(model);
    let spawn_path = spawned_by.as_ref().and_then(|spawn| spawn.agent_path.as_ref());
    if let Some(path) = spawn_path.or(agent_path.as_ref()) {
        thread.agent_path = AgentPath::from(path.as_str());
    }
    if let Some(spawn) = spawned_by {
        let SpawnedBy {
            parent_thread_id,
            agent_path: _,
            task_name: spawn_task,
            agent_role: spawn_role,
            tool_call_id: _,
        } = spawn;
        let last_segment = || thread.agent_path.as_str().rsplit('/').find(|part| !part.is_empty());
        let task_name = spawn_task.as_deref().or(task_name.as_deref()).or_else(last_segment);
        thread.origin = Origin::Spawned {
            parent_thread_id: parent_thread_id.clone(),
            spawn_edge_id: spawn_edge(parent_thread_id, &thread.thread_id),
            task_name: task_name.unwrap_or_default().to_owned(),
            agent_role: spawn_role.as_ref().or(agent_role.as_ref()).cloned().unwrap_or_default(),
        };
    }
}

/// Adds the threads without a start event that other events name, and orders all threads by start.
fn with_implied(
    started: Table<ThreadId, Thread>,
    mentions: &Mentions,
    diagnostics: &mut Diagnostics,
) -> Table<ThreadId, Thread> {
    let mut all: Vec<Thread> = Vec::new();
    for Mention { id, when, line } in &mentions.threads {
        let position = LogPosition { seq: Some(when.seq), line: *line, after: None };
        if let Some(thread) = started.get(id) {
            let seq = thread.execution.started.seq;
            diagnostics.use_before_start(position, seq, Code::ImpliedStart, &format!("thread {id}"));
        } else {
            let message = format!("the start of thread {id} was not recorded; the thread starts at its first mention");
            diagnostics.add(position, Code::ImpliedStart, message, None);
            all.push(new(id.clone(), AgentPath::from(id.as_str()), *when, LiveSpan::default()));
        }
    }
    all.extend(started.into_rows());
    all.sort_by_key(|thread| thread.execution.started.seq);
    let mut threads = Table::default();
    for thread in all {
        threads.add(thread.thread_id.clone(), thread);
    }
    threads
}

/// Records the end of a thread. Reports why if the event is left out.
fn end(
    threads: &mut Table<ThreadId, Thread>,
    at: &Logged<ThreadFact>,
    event: &ThreadEnded,
    diagnostics: &mut Diagnostics,
) {
    let ThreadEnded { thread_id, status, error, .. } = event;
    let Some(thread) = threads.get_mut(thread_id) else { return };
    thread.evidence.add(at.when.seq, None);
    thread.span.fill_from(at.context.span.as_ref());
    match thread.execution.end(OperationEnd { when: at.when, status: (*status).into() }, None) {
        Ok(()) => {
            thread.error.clone_from(error);
            thread.end = event.detail().boxed();
        }
        Err(AlreadyEnded) => {
            let message = format!("thread {thread_id} ends a second time; the first end is kept");
            diagnostics.add(at, Code::LateEnd, message, None);
        }
    }
}
