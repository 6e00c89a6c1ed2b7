//! The agents of a run: who there is, how each stands, and what they tell each other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::message::Message;
use crate::stop::Stopper;

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
    pub(crate) fn wire(&self) -> Value {
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
pub(crate) struct Seat {
    pub(crate) inbox: mpsc::UnboundedReceiver<Message>,
    pub(crate) status: watch::Sender<Status>,
}

/// All agents of a run, by path.
#[derive(Debug, Default)]
pub(crate) struct Crew(Mutex<BTreeMap<String, Member>>);

#[derive(Debug)]
struct Member {
    identity: Identity,
    outbox: mpsc::UnboundedSender<Message>,
    status: watch::Sender<Status>,
    stopper: Stopper,
    /// None for the root agent, which is the program itself.
    task: Option<JoinHandle<()>>,
}

impl Crew {
    /// Takes an agent on board.
    pub(crate) fn join(&self, identity: &Identity, stopper: Stopper) -> Result<Seat> {
        let mut members = self.members();
        ensure!(members.len() < MAX_AGENTS, "there are {MAX_AGENTS} agents already: close one first");
        ensure!(!members.contains_key(&identity.path), "there is an agent {} already", identity.path);
        let (outbox, inbox) = mpsc::unbounded_channel();
        let status = watch::Sender::new(Status::Running);
        let member = Member { identity: identity.clone(), outbox, status: status.clone(), stopper, task: None };
        members.insert(identity.path.clone(), member);
        Ok(Seat { inbox, status })
    }

    /// The task that an agent lives in.
    pub(crate) fn lives_in(&self, path: &str, task: JoinHandle<()>) {
        if let Some(member) = self.members().get_mut(path) {
            member.task = Some(task);
        }
    }

    /// The agent that `from` means by this name, or path.
    pub(crate) fn find(&self, from: &Identity, target: &str) -> Result<Identity> {
        let path = if target.starts_with('/') { target.to_owned() } else { format!("{}/{target}", from.path) };
        ensure!(path != from.path, "{target} is you");
        let members = self.members();
        let member = members.get(&path).with_context(|| format!("there is no agent {path}"))?;
        Ok(member.identity.clone())
    }

    /// One that `from` spawned, directly or not.
    pub(crate) fn find_spawned(&self, from: &Identity, target: &str) -> Result<Identity> {
        let found = self.find(from, target)?;
        ensure!(is_below(&found.path, &from.path), "{} was not spawned by you", found.path);
        Ok(found)
    }

    /// Those that `from` spawned, directly or not.
    pub(crate) fn spawned_by(&self, from: &Identity) -> Vec<Identity> {
        let members = self.members();
        let spawned = members.values().filter(|member| is_below(&member.identity.path, &from.path));
        spawned.map(|member| member.identity.clone()).collect()
    }

    /// Puts a message into its recipient's inbox, and says how the recipient stands then.
    pub(crate) fn send(&self, message: Message) -> Result<Status> {
        let members = self.members();
        let path = &message.recipient;
        let member = members.get(path).with_context(|| format!("there is no agent {path}"))?;
        if message.trigger_turn {
            member.status.send_replace(Status::Running);
        }
        let status = member.status.borrow().clone();
        member.outbox.send(message).ok().context("the agent is gone")?;
        Ok(status)
    }

    /// Waits until none of them is at work, or `patience` is over. Says how each stands then.
    pub(crate) async fn wait(&self, agents: &[Identity], patience: Duration) -> Vec<(String, Status)> {
        let watched: Vec<_> = {
            let members = self.members();
            let member = |agent: &Identity| Some((agent.path.clone(), members.get(&agent.path)?.status.subscribe()));
            agents.iter().filter_map(member).collect()
        };
        let all_idle = async {
            for (_, status) in &watched {
                let _ = status.clone().wait_for(|status| *status != Status::Running).await;
            }
        };
        let _ = tokio::time::timeout(patience, all_idle).await;
        watched.into_iter().map(|(path, status)| (path, status.borrow().clone())).collect()
    }

    /// Ends an agent and all below it, and says how it stood.
    pub(crate) async fn close(&self, path: &str, reason: &str) -> Option<Status> {
        let leaving: Vec<_> = {
            let leaves = |place: &String| place == path || is_below(place, path);
            self.members().extract_if(.., |place, _| leaves(place)).collect()
        };
        let status = leaving.first().map(|(_, member)| member.status.borrow().clone());
        // From below: who is above may still hear of it.
        for (_, member) in leaving.into_iter().rev() {
            member.stopper.stop(reason);
            if let Some(task) = member.task {
                let _ = task.await;
            }
            member.status.send_replace(Status::Shutdown);
        }
        status
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}
