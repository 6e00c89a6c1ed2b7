//! A flight recorder for LLM agents.

pub mod bundle;
pub mod event;
