//! Reads items of the Responses API: the elements of `input`, `output_items` and `output`, and of a compaction
//! checkpoint.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{Object, list, text};
use super::part::{Content, Part};
use super::role_name::RoleName;
use super::tool::{CallArguments, ToolCall, ToolResult};

/// Types of calls of tools that the provider runs, or that have a schema of their own.
const HOSTED_CALLS: [&str; 23] = [
    "apply_patch_call",
    "code_execution_call",
    "code_interpreter_call",
    "computer_call",
    "file_search_call",
    "google_maps_call",
    "google_search_call",
    "image_generation_call",
    "local_shell_call",
    "mcp_approval_request",
    "mcp_call",
    "mcp_server_tool_call",
    "multi_agent_call",
    "processing_call",
    "program",
    "retrieval_call",
    "shell_call",
    "tool_search_call",
    "url_context_call",
    "view_image_call",
    "view_x_video_call",
    "web_search_call",
    "x_search_call",
];

/// Types of the outputs of such calls, and of tools that a server lists.
const HOSTED_OUTPUTS: [&str; 17] = [
    "apply_patch_call_output",
    "code_execution_result",
    "computer_call_output",
    "file_search_result",
    "google_maps_result",
    "google_search_result",
    "mcp_list_tools",
    "mcp_server_tool_result",
    "mcp_tool_call_output",
    "multi_agent_call_output",
    "processing_result",
    "program_output",
    "retrieval_result",
    "shell_call_output",
    "tool_search_output",
    "tool_search_result",
    "url_context_result",
];

/// Beginning of the types of items that are calls of OpenRouter's own tools, with their results.
const OPENROUTER_TOOLS: &str = "openrouter:";

/// The type of items that define tools.
pub(super) const ADDITIONAL_TOOLS: &str = "additional_tools";

/// Returns `true` if items of this type are calls of tools that the provider runs, or that have a schema of their own.
fn is_hosted_call(kind: &str) -> bool {
    HOSTED_CALLS.contains(&kind) || kind.starts_with(OPENROUTER_TOOLS)
}

/// An item.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    /// The fields of the item.
    pub(crate) object: Object<'a>,
    /// The type of the item. `None` if it has none; it is then a message or a reference.
    pub(crate) kind: Option<Cow<'a, str>>,
    pub(crate) content: ItemContent<'a>,
}

/// The content of an item.
#[derive(Debug)]
pub(crate) enum ItemContent<'a> {
    Message {
        role: RoleName<'a>,
        /// The phase of the turn in which the message was written.
        phase: Option<Cow<'a, str>>,
        content: Option<Content<'a>>,
    },
    Reasoning {
        texts: Vec<Part<'a>>,
        summaries: Vec<Part<'a>>,
        encrypted: Option<&'a RawValue>,
        /// The signature by which another provider recognizes its reasoning.
        signature: Option<&'a RawValue>,
    },
    FunctionCall(ToolCall<'a>),
    CustomToolCall(ToolCall<'a>),
    FunctionCallOutput(ToolResult<'a>),
    CustomToolCallOutput(ToolResult<'a>),
    /// A call of a tool that the provider runs, or that has a schema of its own.
    HostedCall {
        call_id: Option<&'a RawValue>,
    },
    /// The output of such a call, or what the provider adds to the conversation without a call.
    HostedCallOutput {
        call_id: Option<&'a RawValue>,
    },
    /// The user's decision on a call that waited for it.
    Approval,
    /// A summary of the conversation before it.
    Compaction {
        encrypted: Option<&'a RawValue>,
    },
    /// A message that another agent delivered.
    AgentMessage {
        author: Option<&'a RawValue>,
        recipient: Option<&'a RawValue>,
        content: Option<Content<'a>>,
    },
    /// An item that the provider stores, named by its id in place of its content.
    Reference,
    /// Tools that are defined in the conversation. Not a part of what is said in it.
    AdditionalTools {
        tools: Option<&'a RawValue>,
    },
    /// A directive of the client to the provider: to compact the conversation, or to reason with another effort from here
    /// on. Not a part of what is said in the conversation.
    Directive,
    /// An item of an unknown type.
    Unknown {
        call_id: Option<&'a RawValue>,
    },
}

impl<'a> Item<'a> {
    /// Reads an item. Returns `None` if the value is no object.
    pub(crate) fn read(raw: &'a RawValue) -> Option<Self> {
        let object = Object::from_value(raw)?;
        let kind = object.text("type");
        let call_id = object.non_null("call_id");
        let encrypted = object.get("encrypted_content");
        let content = match kind.as_deref() {
            Some("item_reference") => ItemContent::Reference,
            None if has_only_id(&object) => ItemContent::Reference,
            Some("message") | None => ItemContent::Message {
                role: RoleName::read(&object),
                phase: object.text("phase"),
                content: object.get("content").map(Content),
            },
            Some("reasoning") => ItemContent::Reasoning {
                texts: parts(&object, "content"),
                summaries: parts(&object, "summary"),
                encrypted,
                signature: object.non_null("signature"),
            },
            // Steps of Gemini's Interactions API, and parts of a message in place of a message.
            Some("user_input") => step_message("user", object.get("content").map(Content)),
            Some("model_output") => step_message("assistant", object.get("content").map(Content)),
            Some("text" | "image" | "audio" | "video" | "document") => step_message("user", Some(Content(raw))),
            Some("thought") => ItemContent::Reasoning {
                texts: Vec::new(),
                summaries: parts(&object, "summary"),
                encrypted,
                signature: object.non_null("signature"),
            },
            Some("function_result") => ItemContent::FunctionCallOutput(ToolResult {
                value: object.non_null("result"),
                is_error: object.number("is_error") == Some(true),
                ..output(&object)
            }),
            Some("function_call") => ItemContent::FunctionCall(call(&object, "arguments", CallArguments::Json)),
            Some("custom_tool_call") => ItemContent::CustomToolCall(call(&object, "input", CallArguments::Verbatim)),
            Some("function_call_output") => ItemContent::FunctionCallOutput(output(&object)),
            Some("custom_tool_call_output") => ItemContent::CustomToolCallOutput(output(&object)),
            Some("mcp_approval_response") => ItemContent::Approval,
            // The API documents the id of this output as that of the call.
            Some("local_shell_call_output") => {
                ItemContent::HostedCallOutput { call_id: object.first(&["call_id", "id"]) }
            }
            Some(kind) if is_hosted_call(kind) => ItemContent::HostedCall { call_id },
            Some(kind) if HOSTED_OUTPUTS.contains(&kind) => ItemContent::HostedCallOutput { call_id },
            Some("compaction" | "compaction_summary" | "context_compaction") => ItemContent::Compaction { encrypted },
            Some("agent_message") => ItemContent::AgentMessage {
                author: object.get("author"),
                recipient: object.get("recipient"),
                content: object.get("content").map(Content),
            },
            Some(ADDITIONAL_TOOLS) => ItemContent::AdditionalTools { tools: object.non_null("tools") },
            Some("compaction_trigger" | "configuration_update") => ItemContent::Directive,
            Some(_) => ItemContent::Unknown { call_id },
        };
        Some(Self { object, kind, content })
    }

    /// Returns `true` if a value in place of a list of items is one item.
    pub(crate) fn is_item(value: &RawValue) -> bool {
        Object::from_value(value).is_some_and(|item| item.first(&["type", "role"]).is_some())
    }

    /// Returns the id that the provider gave the item, which is not the id of a call. Returns `None` if the item has no
    /// id or an empty one.
    pub(crate) fn id(&self) -> Option<Cow<'a, str>> {
        id(&self.object)
    }

    /// Returns `true` if the item has an id and, beside its type, nothing else: the provider has its content, as that of
    /// an image that a request names by its id.
    pub(crate) fn has_only_id(&self) -> bool {
        has_only_id(&self.object)
    }

    /// Returns `true` if the item is a call, or of an unknown type that is named like one.
    pub(crate) fn is_call(&self) -> bool {
        use ItemContent::{CustomToolCall, FunctionCall, HostedCall};
        matches!(self.content, FunctionCall(_) | CustomToolCall(_) | HostedCall { .. }) || self.is_unknown("_call")
    }

    /// Returns `true` if the item is the output of a call, or of an unknown type that is named like one.
    pub(crate) fn is_output(&self) -> bool {
        use ItemContent::{CustomToolCallOutput, FunctionCallOutput, HostedCallOutput};
        matches!(self.content, FunctionCallOutput(_) | CustomToolCallOutput(_) | HostedCallOutput { .. })
            || self.is_unknown("_output")
    }

    /// Returns `true` if the type of the item is unknown and ends with `suffix`.
    fn is_unknown(&self, suffix: &str) -> bool {
        matches!(self.content, ItemContent::Unknown { .. })
            && self.kind.as_deref().is_some_and(|kind| kind.ends_with(suffix))
    }

    /// Returns the id of the call that the item is. Returns `None` if it is no call, or has no id or an empty one.
    pub(crate) fn call_id(&self) -> Option<String> {
        let id = call_id(&self.object).and_then(text).filter(|id| self.is_call() && !id.is_empty());
        id.map(Cow::into_owned)
    }

    /// Returns the namespace of the tool that the item calls, such as that of an MCP server. Returns `None` if the item
    /// is no call of a function or a custom tool, or has no namespace or an empty one.
    pub(crate) fn namespace(&self) -> Option<Cow<'a, str>> {
        let is_call = matches!(self.content, ItemContent::FunctionCall(_) | ItemContent::CustomToolCall(_));
        self.object.text("namespace").filter(|namespace| is_call && !namespace.is_empty())
    }
}

/// Returns the field `id` of an item. Returns `None` if the item has no id or an empty one.
fn id<'a>(item: &Object<'a>) -> Option<Cow<'a, str>> {
    item.text("id").filter(|id| !id.is_empty())
}

/// Returns `true` if the item has an id and no other field except its type, its agent and empty ones, such as the
/// `summary` of reasoning that the provider stores.
fn has_only_id(item: &Object<'_>) -> bool {
    let is_empty = |value: &RawValue| matches!(value.get(), "null" | "[]");
    let mut others =
        item.fields().filter(|(name, value)| !matches!(*name, "id" | "type" | "agent") && !is_empty(value));
    id(item).is_some() && others.next().is_none()
}

/// Reads the parts in a list. A value in place of a list is the only part.
fn parts<'a>(item: &Object<'a>, name: &str) -> Vec<Part<'a>> {
    let parts = item.non_null(name).map(|value| list(value).unwrap_or_else(|| vec![value]));
    parts.unwrap_or_default().into_iter().map(Part::read).collect()
}

/// Creates the message that a step is.
fn step_message<'a>(role: &'static str, content: Option<Content<'a>>) -> ItemContent<'a> {
    ItemContent::Message { role: RoleName::Named(role.into()), phase: None, content }
}

/// Returns the id of the call that an item is. A function call whose arguments are an object is a step of Gemini's
/// Interactions API, where the id of the step is that of the call.
fn call_id<'a>(item: &Object<'a>) -> Option<&'a RawValue> {
    let is_step = || item.text("type").as_deref() == Some("function_call") && item.object("arguments").is_some();
    item.non_null("call_id").or_else(|| item.non_null("id").filter(|_| is_step()))
}

/// Reads a call.
fn call<'a>(item: &Object<'a>, field: &str, arguments: impl FnOnce(&'a RawValue) -> CallArguments<'a>) -> ToolCall<'a> {
    ToolCall {
        id: call_id(item),
        name: item.non_null("name"),
        arguments: item.non_null(field).map_or(CallArguments::Missing, arguments),
        called: None,
    }
}

/// Reads the output of a call.
fn output<'a>(item: &Object<'a>) -> ToolResult<'a> {
    ToolResult {
        call_id: item.non_null("call_id"),
        name: item.non_null("name"),
        is_error: false,
        value: item.non_null("output"),
        is_content: true,
        response: None,
    }
}
