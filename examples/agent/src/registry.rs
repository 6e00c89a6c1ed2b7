//! The agents of a run: who there is, how each stands, and what they tell each other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::message::Message;
use crate::stop::StopHandle;

/// As many agents as one run has at the same time.
const MAX_AGENTS: usize = 8;

/// Who an agent is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// `/root`, or its parent's path and its own name.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) role: &'static str,
    /// A UUID.
    pub(crate) thread_id: String,
}

/// How an agent stands, in the words of the bundle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Status {
    Running,
    Completed(String),
    Errored(String),
    Shutdown,
}

impl Status {
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Running => json!("running"),
            Self::Completed(text) => json!({"completed": text}),
            Self::Errored(text) => json!({"errored": text}),
            Self::Shutdown => json!("shutdown"),
        }
    }
}

/// What an agent itself holds of its place in the crew.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) inbox: mpsc::UnboundedReceiver<Message>,
    pub(crate) status: watch::Sender<Status>,
}

/// All agents of a run, by path.
#[derive(Debug, Default)]
pub(crate) struct AgentRegistry(Mutex<BTreeMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    identity: Identity,
    inbox_sender: mpsc::UnboundedSender<Message>,
    status: watch::Sender<Status>,
    stop_handle: StopHandle,
    /// None for the root agent, which is the program itself.
    task: Option<JoinHandle<()>>,
}

impl AgentRegistry {
    /// Takes an agent on board.
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

    /// The task that an agent lives in.
    pub(crate) fn set_task(&self, path: &str, task: JoinHandle<()>) {
        if let Some(entry) = self.entries().get_mut(path) {
            entry.task = Some(task);
        }
    }

    /// The agent that `from` means by this name, or path.
    pub(crate) fn find(&self, requester: &Identity, target: &str) -> Result<Identity> {
        let path = if target.starts_with('/') { target.to_owned() } else { format!("{}/{target}", requester.path) };
        ensure!(path != requester.path, "{target} is you");
        let entries = self.entries();
        let entry = entries.get(&path).with_context(|| format!("there is no agent {path}"))?;
        Ok(entry.identity.clone())
    }

    /// One that `from` spawned, directly or not.
    pub(crate) fn find_descendant(&self, requester: &Identity, target: &str) -> Result<Identity> {
        let found = self.find(requester, target)?;
        ensure!(is_descendant(&found.path, &requester.path), "{} was not spawned by you", found.path);
        Ok(found)
    }

    /// Those that `from` spawned, directly or not.
    pub(crate) fn descendants(&self, requester: &Identity) -> Vec<Identity> {
        let entries = self.entries();
        let spawned = entries.values().filter(|entry| is_descendant(&entry.identity.path, &requester.path));
        spawned.map(|entry| entry.identity.clone()).collect()
    }

    /// Puts a message into its recipient's inbox, and says how the recipient stands then.
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

    /// Waits until none of them is at work, or `patience` is over. Says how each stands then.
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

    /// Ends an agent and all below it, and says how it stood.
    pub(crate) async fn close(&self, path: &str, reason: &str) -> Option<Status> {
        let closed: Vec<_> = {
            let is_closed = |path_of_entry: &String| path_of_entry == path || is_descendant(path_of_entry, path);
            self.entries().extract_if(.., |path_of_entry, _| is_closed(path_of_entry)).collect()
        };
        let status = closed.first().map(|(_, entry)| entry.status.borrow().clone());
        // From below: who is above may still hear of it.
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
