//! Tells whether a request asks what the user said last.

use super::item::{Item, ItemContent};
use super::message::Message;
use super::part::PartContent;
use super::request::Request;
use super::role_name::RoleName;

/// Returns `true` if the conversation of a request ends in a message of the user: the user has the model's answer, and
/// asks the next question. Messages that carry results of tools do not count, though some APIs give them the role `user`.
///
/// The recorder calls it for the requests that follow an answer, and not for those that follow a tool.
pub(crate) fn ends_in_user_message(body: &[u8]) -> bool {
    let Some(request) = std::str::from_utf8(body).ok().and_then(Request::parse) else { return false };
    let Some(entries) = request.entries() else { return false };
    let Some(last) = entries.elements().pop() else { return false };
    if request.has_items() {
        // A text in place of the list is what the user said.
        return Item::read(last).is_none_or(
            |item| matches!(item.content, ItemContent::Message { role: RoleName::Named(role), .. } if role == "user"),
        );
    }
    let Some(message) = Message::read(last) else { return true };
    let is_user = match &message.role {
        RoleName::Named(role) => role == "user",
        RoleName::Absent => request.default_role() == Some("user"),
        RoleName::NotText => false,
    };
    is_user && !message.into_parts().iter().any(|part| matches!(part.content, PartContent::Result(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_of_the_user_is_found() {
        for body in [
            r#"{"input":"hi"}"#,
            r#"{"input":[{"type":"message","role":"assistant","content":"a"},{"role":"user","content":"b"}]}"#,
            r#"{"messages":[{"role":"assistant","content":"a"},{"role":"user","content":"b"}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"b"}]}]}"#,
            r#"{"contents":[{"role":"model","parts":[{"text":"a"}]},{"role":"user","parts":[{"text":"b"}]}]}"#,
            r#"{"contents":{"parts":[{"text":"b"}]}}"#,
            r#"{"messages":[{"role":"user","content":[{"text":"b"}]}],"modelId":"m"}"#,
            r#"{"gen_ai.input.messages":[{"role":"user","parts":[{"type":"text","content":"b"}]}]}"#,
        ] {
            assert!(ends_in_user_message(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn results_of_tools_and_other_roles_are_no_question() {
        for body in [
            r#"{"input":[{"role":"user","content":"b"},{"type":"function_call_output","call_id":"c","output":"o"}]}"#,
            r#"{"input":[{"role":"user","content":"b"},{"type":"message","role":"developer","content":"d"}]}"#,
            r#"{"messages":[{"role":"tool","tool_call_id":"c","content":"o"}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"o"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"o"}]}}]}]}"#,
            r#"{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"n","response":{}}}]}]}"#,
            r#"{"gen_ai.input.messages":[{"role":"user","parts":[{"type":"tool_call_response","id":"c","result":"o"}]}]}"#,
            r#"{"messages":[]}"#,
            "{}",
            "not JSON",
        ] {
            assert!(!ends_in_user_message(body.as_bytes()), "{body}");
        }
    }
}
