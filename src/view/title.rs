//! The title of a run: what its user asked for.

use crate::graph::{Graph, Item, ItemKind, Role, Thread};

/// Beginnings of messages that programs put before what a user wrote: surroundings, instructions of files, reminders.
const BOILERPLATE: [&str; 12] = [
    "<environment_context",
    "<user_instructions",
    "<environment_details",
    "<permissions",
    "<system-reminder",
    "<system_reminder",
    "<instructions",
    "<context",
    "<turn_aborted",
    "<user_shell_command",
    "# AGENTS.md",
    "# CLAUDE.md",
];

/// Returns the first message of a user in a run that no program wrote. Returns `None` if there is none.
pub(super) fn of_run(graph: &Graph) -> Option<String> {
    let root = graph.threads.get(&graph.root_thread_id);
    root.into_iter().chain(graph.threads.iter()).find_map(|thread| of_thread(graph, thread))
}

/// Returns the first message of a user in a thread. Inputs of turns come first: other messages may be history.
fn of_thread(graph: &Graph, thread: &Thread) -> Option<String> {
    let turns = thread.turn_ids.iter().filter_map(|id| graph.turns.get(id));
    let inputs = turns.flat_map(|turn| &turn.input_item_ids);
    let mut items = inputs.chain(&thread.item_ids).filter_map(|id| graph.item(*id));
    items.find_map(user_message)
}

/// Returns the messages of a user in this run that no program wrote.
pub(super) fn user_messages(graph: &Graph) -> impl Iterator<Item = String> {
    graph.items().filter_map(user_message)
}

/// Returns what a user wrote in a message. Returns `None` for other items, and if a program wrote the message.
pub(super) fn user_message(item: &Item) -> Option<String> {
    let content = &item.content;
    if content.role != Role::User || content.kind != ItemKind::Message {
        return None;
    }
    let text = message_text(&content.text());
    (!is_boilerplate(&text)).then_some(text)
}

/// Returns `true` if a message is blank or was written by a program.
fn is_boilerplate(text: &str) -> bool {
    let text = text.trim_start();
    text.is_empty() || BOILERPLATE.iter().any(|beginning| text.starts_with(beginning))
}

/// Returns the content of a message, without the JSON envelope in which agents send messages to one another.
pub(super) fn message_text(text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Envelope {
        #[serde(rename = "author")]
        _author: serde::de::IgnoredAny,
        content: String,
    }
    if !text.starts_with('{') {
        return text.to_owned();
    }
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |message: Envelope| message.content)
}
