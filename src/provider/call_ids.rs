//! The ids that link calls to their outputs, without the content of either. Some APIs give calls no ids; the name of
//! the tool links them then.

use serde_json::value::RawValue;

use super::entries::{Entries, EntryFormat};
use super::item::{Item, ItemContent};
use super::message::Message;
use super::object::text;
use super::output::Output;
use super::part::{Part, PartContent};
use super::request::Request;
use super::response::Response;
use super::role_name::RoleName;
use crate::keyed_hash::keyed_hash;

/// A call that a response requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallWithId {
    /// Id of the call, else the name of the tool.
    pub(crate) id: String,
    /// Name of the called tool. `None` if the call has none.
    pub(crate) name: Option<String>,
    /// Namespace of the called tool. `None` if the call has none.
    pub(crate) namespace: Option<String>,
}

impl Response<'_> {
    /// Returns the tool calls that the response requests. Of alternative messages only the first counts, because the
    /// conversation continues with it. Calls with neither an id nor a name are left out.
    pub(crate) fn calls(&self) -> Vec<CallWithId> {
        match self.output() {
            Output::Items(items) => items.iter().filter_map(|item| call_of_item(item)).collect(),
            Output::Choices(choices) => {
                choices.first().and_then(|choice| choice.message).map(calls_of_message).unwrap_or_default()
            }
            Output::Content(content) => calls_of_parts(content.parts()),
            Output::AttributeMessages(messages) => {
                let messages = Entries::read(messages, EntryFormat::AttributeMessages);
                messages.elements().into_iter().flat_map(calls_of_message).collect()
            }
            Output::Empty | Output::Unknown => Vec::new(),
        }
    }
}

fn call_of_item(raw: &RawValue) -> Option<CallWithId> {
    let item = Item::read(raw)?;
    let namespace = item.namespace().map(Into::into);
    let name = item.object.string("name");
    let by_name = || name.clone().filter(|_| item.is_call() && non_empty(item.object.get("call_id")).is_none());
    Some(CallWithId { id: item.call_id().or_else(by_name)?, name, namespace })
}

fn calls_of_message(message: &RawValue) -> Vec<CallWithId> {
    Message::read(message).map(|message| calls_of_parts(message.into_parts())).unwrap_or_default()
}

fn calls_of_parts(parts: Vec<Part<'_>>) -> Vec<CallWithId> {
    let call = |part: Part<'_>| {
        let PartContent::Call(call) = part.content else { return None };
        let (id, name) = (non_empty(call.id), non_empty(call.name));
        Some(CallWithId { id: id.or_else(|| name.clone())?, name, namespace: None })
    };
    parts.into_iter().filter_map(call).collect()
}

/// The outputs at the end of a conversation, behind everything that the model wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastOutputs {
    /// The ids of their calls, the last one first. An id of several outputs occurs several times.
    pub(crate) ids: Vec<String>,
    /// Hash of what follows the model's last words, and of the number of entries before it. A request that repeats another
    /// one has the same hash.
    pub(crate) hash: u128,
}

impl Request<'_> {
    /// Returns the outputs that stand at the end of the conversation, behind everything that the model wrote.
    pub(crate) fn last_outputs(&self) -> LastOutputs {
        let Some(entries) = self.entries() else { return LastOutputs::default() };
        let read = |raw| if self.has_items() { outputs_of_item(raw) } else { outputs_of_message(raw) };
        let elements = entries.elements();
        let mut hash = keyed_hash(self.previous_response_id().unwrap_or_default().as_bytes());
        let mut ids = Vec::new();
        for raw in elements.iter().rev().copied() {
            let Some(outputs) = read(raw) else { break };
            hash = hash.rotate_left(1) ^ keyed_hash(raw.get().as_bytes());
            ids.extend(outputs);
        }
        LastOutputs { ids, hash: hash ^ elements.len() as u128 }
    }
}

/// Returns the id of the call that an item answers, if it is an output. Returns `None` if the model may have written
/// the item.
fn outputs_of_item(raw: &RawValue) -> Option<Vec<String>> {
    let Some(item) = Item::read(raw) else { return Some(Vec::new()) };
    if item.is_output() {
        return Some(non_empty(item.object.get("call_id")).into_iter().collect());
    }
    match &item.content {
        ItemContent::Message { role, .. } => (!is_model(role)).then(Vec::new),
        ItemContent::AgentMessage { .. }
        | ItemContent::Approval
        | ItemContent::AdditionalTools { .. }
        | ItemContent::Directive => Some(Vec::new()),
        ItemContent::Reasoning { .. }
        | ItemContent::FunctionCall(_)
        | ItemContent::CustomToolCall(_)
        | ItemContent::FunctionCallOutput(_)
        | ItemContent::CustomToolCallOutput(_)
        | ItemContent::HostedCall { .. }
        | ItemContent::HostedCallOutput { .. }
        | ItemContent::Compaction { .. }
        | ItemContent::Reference
        | ItemContent::Unknown { .. } => None,
    }
}

/// Returns the ids of the calls that a message answers. Returns `None` if the model wrote the message.
fn outputs_of_message(raw: &RawValue) -> Option<Vec<String>> {
    let Some(message) = Message::read(raw) else { return Some(Vec::new()) };
    if is_model(&message.role) {
        return None;
    }
    let is_output = is_tool(&message.role) && !message.has_marked_parts;
    let of_message = non_empty(message.call_id).or_else(|| non_empty(message.name.filter(|_| is_output)));
    let of_part = |part: Part<'_>| {
        let PartContent::Result(result) = part.content else { return None };
        non_empty(result.call_id).or_else(|| non_empty(result.name))
    };
    Some(of_message.into_iter().chain(message.into_parts().into_iter().filter_map(of_part)).collect())
}

/// Returns `true` if the role is that of the model.
fn is_model(role: &RoleName<'_>) -> bool {
    matches!(role, RoleName::Named(name) if matches!(&**name, "assistant" | "model"))
}

/// Returns `true` if the role is that of a tool.
fn is_tool(role: &RoleName<'_>) -> bool {
    matches!(role, RoleName::Named(name) if matches!(&**name, "tool" | "function"))
}

/// Returns a text. Returns `None` for other values and for empty text.
fn non_empty(value: Option<&RawValue>) -> Option<String> {
    value.and_then(text).filter(|text| !text.is_empty()).map(|text| text.into_owned())
}
