//! Per-conversation state of the server, and the failures that it simulates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::request::{ApiError, common_prefix};

/// State of all conversations, by key. Agents send requests concurrently, so no response may depend on their order.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    conversations: HashMap<String, ConversationState>,
}

/// State of one conversation: the number of requests, and the last prompt for the prompt cache.
#[derive(Debug, Default)]
pub(crate) struct ConversationState {
    is_first: bool,
    requests: usize,
    last_prompt: String,
}

pub(crate) type SharedMemory = Arc<Mutex<Memory>>;

pub(crate) fn lock(memory: &SharedMemory) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Counts a request and returns the state of its conversation.
    pub(crate) fn record_request(&mut self, conversation: &str) -> &mut ConversationState {
        let is_first = self.conversations.is_empty();
        let new = || ConversationState { is_first, ..ConversationState::default() };
        let state = self.conversations.entry(conversation.to_owned()).or_insert_with(new);
        state.requests += 1;
        state
    }
}

impl ConversationState {
    /// Rejects the very first request to the server with a rate limit.
    pub(crate) fn check_rate_limit(&self) -> Result<(), ApiError> {
        if self.is_first && self.requests == 1 { Err(rate_limited()) } else { Ok(()) }
    }

    /// Rejects two requests of the first conversation, so that each run has one rate limit and one overload.
    pub(crate) fn check_availability(&self) -> Result<(), ApiError> {
        self.check_rate_limit()?;
        if self.is_first && self.requests == 5 {
            return Err(ApiError::new(503, "server_error", "The server is overloaded: try again later."));
        }
        Ok(())
    }

    /// Returns how many bytes of the prompt are cached, and caches the whole prompt.
    pub(crate) fn cached_bytes(&mut self, prompt: &str) -> usize {
        let cached = common_prefix(prompt, &self.last_prompt);
        prompt.clone_into(&mut self.last_prompt);
        cached
    }
}

fn rate_limited() -> ApiError {
    ApiError {
        retry_after_ms: Some(50),
        ..ApiError::new(429, "rate_limit_exceeded", "Rate limit reached: try again in 50ms.")
    }
}
