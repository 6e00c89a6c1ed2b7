//! What the server remembers, and what mood that puts it in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::request::{Refusal, common_prefix};

/// What the server remembers of each conversation. Agents ask at the same time, so nothing may depend on who comes first.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    conversations: HashMap<String, Remembered>,
}

/// How often it was asked, and the last prompt, for its cache.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    is_first: bool,
    requests: usize,
    last_prompt: String,
}

pub(crate) type Shared = Arc<Mutex<Memory>>;

pub(crate) fn locked(memory: &Shared) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Takes note of a request.
    pub(crate) fn asked(&mut self, conversation: &str) -> &mut Remembered {
        let is_first = self.conversations.is_empty();
        let new = || Remembered { is_first, ..Remembered::default() };
        let remembered = self.conversations.entry(conversation.to_owned()).or_insert_with(new);
        remembered.requests += 1;
        remembered
    }
}

impl Remembered {
    /// The first request of all is one too many.
    pub(crate) fn is_in_a_hurry(&self) -> Result<(), Refusal> {
        if self.is_first && self.requests == 1 { Err(rate_limited()) } else { Ok(()) }
    }

    /// Every run meets both kinds of bad day, once each, in its first conversation.
    pub(crate) fn mood(&self) -> Result<(), Refusal> {
        self.is_in_a_hurry()?;
        if self.is_first && self.requests == 5 {
            return Err(Refusal::new(503, "server_error", "The server is overloaded: try again later."));
        }
        Ok(())
    }

    /// How many bytes of the prompt are in the cache, which then has all of it.
    pub(crate) fn cached(&mut self, prompt: &str) -> usize {
        let cached = common_prefix(prompt, &self.last_prompt);
        prompt.clone_into(&mut self.last_prompt);
        cached
    }
}

fn rate_limited() -> Refusal {
    Refusal {
        retry_after_ms: Some(50),
        ..Refusal::new(429, "rate_limit_exceeded", "Rate limit reached: try again in 50ms.")
    }
}
