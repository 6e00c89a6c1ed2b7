//! Tests of the reducer: each rule in the smallest bundle that shows it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod agents;
mod bad_log;
mod bad_payloads;
mod bad_values;
mod bodies;
mod case;
mod cells;
mod check;
mod compaction;
mod conformance;
mod conversation;
mod damage;
mod items;
mod join;
mod lifecycle;
mod linear;
mod processes;
mod producer;
mod producer_agents;
mod producer_items;
mod producer_tools;
mod producer_words;
mod random;
mod references;
mod reused_call_ids;
mod server_conversations;
mod shapes;
mod shapes_anthropic;
mod shapes_any;
mod shapes_chat;
mod shapes_chat_reasoning;
mod shapes_cohere;
mod shapes_converse;
mod shapes_gemini;
mod shapes_gen_ai;
mod shapes_ollama;
mod sources;
mod strict;
mod terminals;
mod tools;
mod turn_inputs;
mod unread_fields;
mod usage;
