//! Reads calls of tools and their results.

use serde_json::value::RawValue;

use super::object::Object;

/// A call of a tool.
#[derive(Debug)]
pub(crate) struct ToolCall<'a> {
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) name: Option<&'a RawValue>,
    pub(crate) arguments: CallArguments<'a>,
    /// The object that holds the name and the arguments. `None` if the part or the item holds them.
    pub(crate) called: Option<Object<'a>>,
}

/// The arguments of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallArguments<'a> {
    /// JSON, given as text or as a value, or other text.
    Json(&'a RawValue),
    /// The input of a custom tool: a text that is not JSON, even if it looks like it.
    Verbatim(&'a RawValue),
    /// The API omits empty arguments.
    Empty,
    /// The call contains no arguments.
    Missing,
}

impl<'a> CallArguments<'a> {
    /// Returns the arguments as the body spells them.
    pub(crate) fn raw(self) -> Option<&'a RawValue> {
        match self {
            Self::Json(arguments) | Self::Verbatim(arguments) => Some(arguments),
            Self::Empty | Self::Missing => None,
        }
    }
}

/// Fields that may hold the arguments of a call.
pub(super) const ARGUMENT_FIELDS: [&str; 3] = ["arguments", "input", "args"];

/// Fields that are read from the object that holds a call's name and arguments, except for the name.
#[cfg(feature = "otlp")]
pub(crate) const CALL_FIELDS: [&str; 4] = ["arguments", "input", "args", "toolUseId"];

impl<'a> ToolCall<'a> {
    /// Reads a call. The name and the arguments are inside `function` or `custom`, or beside the id.
    pub(super) fn read(call: &Object<'a>) -> Self {
        let id = call.non_null("id");
        if let Some(custom) = call.object("custom") {
            let arguments = custom.non_null("input").map_or(CallArguments::Missing, CallArguments::Verbatim);
            return Self { id, name: custom.non_null("name"), arguments, called: Some(custom) };
        }
        let function = call.object("function");
        let called = function.as_ref().unwrap_or(call);
        let arguments = called.first(&ARGUMENT_FIELDS).map_or(CallArguments::Missing, CallArguments::Json);
        Self { id, name: called.non_null("name"), arguments, called: function }
    }

    /// Reads a call of Gemini, which omits empty arguments.
    pub(super) fn read_gemini(call: Object<'a>) -> Self {
        let arguments = call.first(&ARGUMENT_FIELDS).map_or(CallArguments::Empty, CallArguments::Json);
        Self { id: call.non_null("id"), name: call.non_null("name"), arguments, called: Some(call) }
    }
}

/// The result of a call.
#[derive(Debug)]
pub(crate) struct ToolResult<'a> {
    pub(crate) call_id: Option<&'a RawValue>,
    /// The name of the tool, where the API repeats it.
    pub(crate) name: Option<&'a RawValue>,
    /// `true` if the result reports that the tool failed.
    pub(crate) is_error: bool,
    pub(crate) value: Option<&'a RawValue>,
    /// `true` if the value is content, whose parts are read if it is a list. Otherwise a list is a value like others.
    pub(crate) is_content: bool,
    /// The object that holds the id and the value. `None` if the part or the item holds them.
    pub(crate) response: Option<Object<'a>>,
}

/// Returns `true` if a result, or the message that is one, reports that the tool failed: in `is_error`, or in `status`.
pub(super) fn reports_error(result: &Object<'_>) -> bool {
    result.number("is_error") == Some(true) || result.text("status").as_deref() == Some("error")
}

/// Fields of a part that may hold the id of a call, or the value of its result.
pub(super) const RESPONSE_FIELDS: [&str; 3] = ["id", "response", "result"];

/// Fields that are read from the object that holds a result.
#[cfg(feature = "otlp")]
pub(crate) const RESULT_FIELDS: [&str; 5] = ["id", "response", "result", "toolUseId", "content"];

impl<'a> ToolResult<'a> {
    /// Reads a result that may be any value.
    pub(super) fn read_value(response: &Object<'a>) -> Self {
        Self {
            call_id: response.non_null("id"),
            name: response.non_null("name"),
            is_error: reports_error(response),
            value: response.first(&["response", "result"]),
            is_content: false,
            response: None,
        }
    }
}
