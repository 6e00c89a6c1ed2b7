//! The registry of the agents of a run: their identities, their statuses, and the delivery of messages between them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::message::Message;
use crate::stop::StopHandle;

/// Maximum number of agents that one run may have at the same time.
const MAX_AGENTS: usize = 8;

/// The identity of an agent.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The path of the agent: `/root`, or the path of the parent followed by the agent's own name.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) role: &'static str,
    /// The id of the recorded thread, a UUID.
    pub(crate) thread_id: String,
}

/// The status of an agent, with the variants that bundles use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Status {
    Running,
    Completed(String),
    Errored(String),
    Shutdown,
}

impl Status {
    /// Returns the status as JSON, as it appears in payloads.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Running => json!("running"),
            Self::Completed(text) => json!({"completed": text}),
            Self::Errored(text) => json!({"errored": text}),
            Self::Shutdown => json!("shutdown"),
        }
    }
}

/// The agent's own end of its registration: incoming messages and the status that it publishes.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) inbox: mpsc::UnboundedReceiver<Message>,
    pub(crate) status: watch::Sender<Status>,
}

/// The agents of a run, by path.
#[derive(Debug, Default)]
pub(crate) struct AgentRegistry(Mutex<BTreeMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    identity: Identity,
    inbox_sender: mpsc::UnboundedSender<Message>,
    status: watch::Sender<Status>,
    stop_handle: StopHandle,
    /// The task that runs the agent. `None` for the root agent, which runs in the main task.
    task: Option<JoinHandle<()>>,
}

impl AgentRegistry {
    /// Registers an agent. Returns an error if the run has too many agents or the path is taken.
    pub(crate) fn register(&self, identity: &Identity, stop_handle: StopHandle) -> Result<Mailbox> {
        let mut entries = self.entries();
        ensure!(entries.len() < MAX_AGENTS, "there are {MAX_AGENTS} agents already: close one first");
        ensure!(!entries.contains_key(&identity.path), "there is an agent {} already", identity.path);
        let (inbox_sender, inbox) = mpsc::unbounded_channel();
        let status = watch::Sender::new(Status::Running);
        let entry = Entry { identity: identity.clone(), inbox_sender, status: status.clone(), stop_handle, task: None };
        entries.insert(identity.path.clone(), entry);
        Ok(Mailbox { inbox, status })
    }

    /// Sets the task that runs the agent, so that closing the agent can wait for it.
    pub(crate) fn set_task(&self, path: &str, task: JoinHandle<()>) {
        if let Some(entry) = self.entries().get_mut(path) {
            entry.task = Some(task);
        }
    }

    /// Finds an agent by its path, or by the name that it has below `requester`.
    pub(crate) fn find(&self, requester: &Identity, target: &str) -> Result<Identity> {
        let path = if target.starts_with('/') { target.to_owned() } else { format!("{}/{target}", requester.path) };
        ensure!(path != requester.path, "{target} is you");
        let entries = self.entries();
        let entry = entries.get(&path).with_context(|| format!("there is no agent {path}"))?;
        Ok(entry.identity.clone())
    }

    /// Finds an agent that `requester` spawned, directly or indirectly.
    pub(crate) fn find_descendant(&self, requester: &Identity, target: &str) -> Result<Identity> {
        let entry = self.find(requester, target)?;
        ensure!(is_descendant(&entry.path, &requester.path), "{} was not spawned by you", entry.path);
        Ok(entry)
    }

    /// Returns the agents that `requester` spawned, directly or indirectly.
    pub(crate) fn descendants(&self, requester: &Identity) -> Vec<Identity> {
        let entries = self.entries();
        let spawned = entries.values().filter(|entry| is_descendant(&entry.identity.path, &requester.path));
        spawned.map(|entry| entry.identity.clone()).collect()
    }

    /// Delivers a message to the inbox of its recipient. Returns the status of the recipient after the delivery.
    pub(crate) fn send(&self, message: Message) -> Result<Status> {
        let entries = self.entries();
        let path = &message.recipient;
        let entry = entries.get(path).with_context(|| format!("there is no agent {path}"))?;
        if message.trigger_turn {
            entry.status.send_replace(Status::Running);
        }
        let status = entry.status.borrow().clone();
        entry.inbox_sender.send(message).ok().context("the agent is gone")?;
        Ok(status)
    }

    /// Waits until all `agents` are idle, or `timeout` has passed. Returns the status of each agent at that time.
    pub(crate) async fn wait(&self, agents: &[Identity], timeout: Duration) -> Vec<(String, Status)> {
        let statuses: Vec<_> = {
            let entries = self.entries();
            let entry = |agent: &Identity| Some((agent.path.clone(), entries.get(&agent.path)?.status.subscribe()));
            agents.iter().filter_map(entry).collect()
        };
        let all_idle = async {
            for (_, status) in &statuses {
                let _ = status.clone().wait_for(|status| *status != Status::Running).await;
            }
        };
        let _ = tokio::time::timeout(timeout, all_idle).await;
        statuses.into_iter().map(|(path, status)| (path, status.borrow().clone())).collect()
    }

    /// Stops an agent and all agents below it. Returns the status that the agent had before.
    pub(crate) async fn close(&self, path: &str, reason: &str) -> Option<Status> {
        let closed: Vec<_> = {
            let is_closed = |entry_path: &String| entry_path == path || is_descendant(entry_path, path);
            self.entries().extract_if(.., |entry_path, _| is_closed(entry_path)).collect()
        };
        let status = closed.first().map(|(_, entry)| entry.status.borrow().clone());
        // In reverse order of paths, so that children end first: a parent may still receive their messages.
        for (_, entry) in closed.into_iter().rev() {
            entry.stop_handle.stop(reason);
            if let Some(task) = entry.task {
                let _ = task.await;
            }
            entry.status.send_replace(Status::Shutdown);
        }
        status
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_descendant(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}
