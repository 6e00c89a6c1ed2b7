//! Tells which tools a response asks the program to run.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::item::{Item, ItemContent};
use super::output::Output;
use super::response::Response;

/// Texts of which at least one is in every response that asks for a tool: parts of the names of members and of the types
/// of parts and items.
static MARKS: LazyLock<[Finder<'static>; 6]> = LazyLock::new(|| {
    ["\"tool_call", "_call\"", "functionCall\"", "tool_use\"", "toolUse\"", "approval_request\""].map(Finder::new)
});

/// Returns the ids of the calls of tools that a response asks the program to run. Returns `None` if it asks for none: a
/// tool that the provider runs does not count. The list lacks calls without an id, and is empty for a request for
/// approval, and for bytes that contain the name of a call and are not JSON: a stream.
///
/// The recorder calls it for each response. Most contain none of the names, and are not parsed.
pub(crate) fn requested_tools(body: &[u8]) -> Option<Vec<String>> {
    if !MARKS.iter().any(|mark| mark.find(body).is_some()) {
        return None;
    }
    let Some(response) = std::str::from_utf8(body).ok().and_then(Response::parse) else { return Some(Vec::new()) };
    let calls = response.calls();
    let asks = match response.output() {
        Output::Items(items) => items.iter().filter_map(|item| Item::read(item)).any(|item| asks_for_tool(&item)),
        Output::Unknown => true,
        Output::Choices(_) | Output::Content(_) | Output::AttributeMessages(_) | Output::Empty => !calls.is_empty(),
    };
    asks.then(|| calls.into_iter().map(|call| call.id).collect())
}

/// Returns `true` if an item is a call that the program runs, or waits for its approval. A call that the provider runs has
/// no id that an output could name.
fn asks_for_tool(item: &Item<'_>) -> bool {
    matches!(item.content, ItemContent::FunctionCall(_) | ItemContent::CustomToolCall(_))
        || item.call_id().is_some()
        || item.kind.as_deref() == Some("mcp_approval_request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_each_api_are_found() {
        for body in [
            r#"{"output":[{"type":"function_call","call_id":"c","name":"n","arguments":"{}"}]}"#,
            r#"{"output":[{"type":"custom_tool_call","call_id":"c","name":"n","input":"x"}]}"#,
            r#"{"output_items":[{"type":"local_shell_call","call_id":"c","action":{}}]}"#,
            r#"{"output":[{"type":"mcp_approval_request","id":"a","name":"n","arguments":"{}"}]}"#,
            r#"{"choices":[{"message":{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"n","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"message":{"role":"assistant","function_call":{"name":"n","arguments":"{}"}}}]}"#,
            r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"c","name":"n","input":{}}]}"#,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"n","args":{}}}]}}]}"#,
            r#"{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"n","input":{}}}]}}}"#,
            r#"{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"n","arguments":{}}}]},"done":true}"#,
            r#"{"gen_ai.output.messages":[{"role":"assistant","parts":[{"type":"tool_call","id":"c","name":"n","arguments":{}}]}]}"#,
            r#"{"gen_ai.output.messages":{"role":"assistant","parts":[{"type":"tool_call","id":"c","name":"n","arguments":{}}]}}"#,
            "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\"}}\n\n",
        ] {
            assert!(requested_tools(body.as_bytes()).is_some(), "{body}");
        }
    }

    #[test]
    fn answers_and_tools_of_the_provider_ask_for_nothing() {
        for body in [
            r#"{"output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"say \"tool_use\""}]}],"parallel_tool_calls":true,"tool_choice":"auto"}"#,
            r#"{"output":[{"type":"web_search_call","id":"w","status":"completed"},{"type":"message","role":"assistant","content":[]}]}"#,
            r#"{"choices":[{"message":{"role":"assistant","content":"a","tool_calls":null,"function_call":null}}]}"#,
            r#"{"choices":[{"message":{"role":"assistant","content":"a","tool_calls":[]}}]}"#,
            r#"{"type":"message","role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"text","text":"a"}]}"#,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]}}]}"#,
            r#"{"gen_ai.output.messages":[{"role":"assistant","parts":[{"type":"text","content":"a"}]}]}"#,
            "{}",
            "",
        ] {
            assert_eq!(requested_tools(body.as_bytes()), None, "{body}");
        }
    }
}
