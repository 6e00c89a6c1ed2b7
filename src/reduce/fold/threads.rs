//! Threads: who they are, and where they come from.

use super::lifecycle::{End, Late};
use crate::event::{AgentPath, ThreadEnded, ThreadId, ThreadStarted};
use crate::graph::{Code, Evidence, Execution, LiveSpan, Moment, Origin, Table, Thread, Totals, spawn_edge};
use crate::reduce::Problems;
use crate::reduce::decode::{At, Body, Mention, Mentions, SessionMetadata, SpawnedBy, ThreadFact};
use crate::reduce::problems::Place;

/// All threads, those whose start was not seen too.
pub(super) fn threads(
    facts: &[At<ThreadFact>],
    mentions: &Mentions,
    problems: &mut Problems,
) -> Table<ThreadId, Thread> {
    let mut started = Table::default();
    for at in facts {
        match &at.fact {
            ThreadFact::Started(event, metadata) => start(&mut started, at, event, metadata.as_ref(), problems),
            ThreadFact::Ended(_) => {}
        }
    }
    let mut threads = with_implied(started, mentions, problems);
    for at in facts {
        match &at.fact {
            ThreadFact::Started(..) => {}
            ThreadFact::Ended(event) => end(&mut threads, at, event, problems),
        }
    }
    threads
}

fn start(
    threads: &mut Table<ThreadId, Thread>,
    at: &At<ThreadFact>,
    event: &ThreadStarted,
    metadata: Option<&Body<SessionMetadata>>,
    problems: &mut Problems,
) {
    let ThreadStarted { thread_id, agent_path, metadata_payload } = event;
    let payload = metadata_payload.as_ref().map(|body| &body.raw_payload_id);
    if threads.contains(thread_id) {
        let message = format!("thread {thread_id} starts a second time; the first start stands");
        problems.add(at, Code::DuplicateStart, message, payload);
        return;
    }
    let metadata = match metadata {
        Some(Ok(metadata)) => Some(&**metadata),
        Some(Err(unread)) => {
            let message = format!("the metadata of thread {thread_id} counts as absent: {}", unread.why);
            problems.add(at, unread.code, message, payload);
            None
        }
        None => None,
    };
    let mut thread = new(thread_id.clone(), agent_path.clone(), at.when, LiveSpan::of(at.context.span.as_ref()));
    thread.evidence = Evidence::of(at.when.seq, payload.cloned());
    if let Some(metadata) = metadata {
        describe(&mut thread, metadata);
    }
    threads.add(thread_id.clone(), thread);
}

fn new(thread_id: ThreadId, agent_path: AgentPath, when: Moment, span: LiveSpan) -> Thread {
    Thread {
        thread_id,
        agent_path,
        nickname: None,
        origin: Origin::Root,
        execution: Execution::open(when),
        default_model: None,
        item_ids: Vec::new(),
        totals: Totals::default(),
        span,
        turn_ids: Vec::new(),
        error: None,
        evidence: Evidence::of(when.seq, None),
    }
}

fn describe(thread: &mut Thread, metadata: &SessionMetadata) {
    let SessionMetadata { agent_path, task_name, nickname, agent_role, model, spawned_by } = metadata;
    thread.nickname.clone_from(nickname);
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

/// Adds the threads that are only named, in order of start.
fn with_implied(
    started: Table<ThreadId, Thread>,
    mentions: &Mentions,
    problems: &mut Problems,
) -> Table<ThreadId, Thread> {
    let mut all: Vec<Thread> = Vec::new();
    for Mention { named, when, line } in &mentions.threads {
        let place = Place { seq: Some(when.seq), line: *line, after: None };
        if let Some(thread) = started.get(named) {
            let seq = thread.execution.started.seq;
            problems.use_before_start(place, seq, Code::ImpliedStart, &format!("thread {named}"));
        } else {
            let message = format!("the start of thread {named} was not seen; it starts here, where it is named first");
            problems.add(place, Code::ImpliedStart, message, None);
            all.push(new(named.clone(), AgentPath::from(named.as_str()), *when, LiveSpan::default()));
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

fn end(threads: &mut Table<ThreadId, Thread>, at: &At<ThreadFact>, event: &ThreadEnded, problems: &mut Problems) {
    let ThreadEnded { thread_id, status, error } = event;
    let Some(thread) = threads.get_mut(thread_id) else { return };
    thread.evidence.add(at.when.seq, None);
    thread.span.learn(at.context.span.as_ref());
    match thread.execution.end(End { when: at.when, status: (*status).into() }, None) {
        Ok(()) => thread.error.clone_from(error),
        Err(Late) => {
            let message = format!("thread {thread_id} ends a second time; the first end stands");
            problems.add(at, Code::LateEnd, message, None);
        }
    }
}
