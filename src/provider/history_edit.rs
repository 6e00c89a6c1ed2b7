//! Changes of the conversation that a provider makes before the model reads it: those that a response reports, and
//! those that a request permits.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{Object, is_null, list_or_one, text};

/// A change that the provider reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppliedEdit {
    /// The provider's name of the change, such as `clear_tool_uses_20250919`.
    pub(crate) name: Box<str>,
    /// The other members of the report, such as `cleared_tool_uses: 8`. `None` if there are none.
    pub(crate) report: Option<Box<str>>,
}

/// A change that a request permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PermittedEdit {
    /// The member of the request and its value, such as `truncation: auto`.
    pub(crate) name: Cow<'static, str>,
    /// `true` if the end of the response reports whether the provider made the change.
    pub(crate) is_reported: bool,
}

/// Maximum length of a name or of a report, in bytes.
const MAX_BYTES: usize = 500;

/// Maximum number of changes that are read of one body.
const MAX_EDITS: usize = 16;

/// The field of Anthropic's requests and responses with the changes, which gateways put into an extension.
const CONTEXT_MANAGEMENT: &str = "context_management";

/// Returns the changes that an object reports: a response of Anthropic, or the object in which a gateway passes on such
/// members of a response.
pub(super) fn applied(object: &Object<'_>) -> Vec<AppliedEdit> {
    let edits = object.object(CONTEXT_MANAGEMENT).and_then(|management| management.list("applied_edits"));
    let dropped = object.list("input_transformations").unwrap_or_default().into_iter().filter(|raw| is_dropped(raw));
    edits.unwrap_or_default().into_iter().chain(dropped).take(MAX_EDITS).map(applied_edit).collect()
}

/// Returns `true` if a block of the request was not shown to the model. Other reports are about blocks that it read.
fn is_dropped(transformation: &RawValue) -> bool {
    let kind = Object::from_value(transformation).and_then(|transformation| transformation.string("type"));
    kind.is_some_and(|kind| kind.ends_with("_dropped"))
}

/// Reads the report of one change.
fn applied_edit(raw: &RawValue) -> AppliedEdit {
    let edit = Object::from_value(raw).unwrap_or_default();
    let name = edit.text("type").unwrap_or(Cow::Borrowed("edit"));
    let plain = |value: &RawValue| text(value).map_or_else(|| value.get().to_owned(), Cow::into_owned);
    let others = edit.fields().filter(|(name, value)| *name != "type" && !is_null(value));
    let others: Vec<_> = others.map(|(name, value)| format!("{name}: {}", plain(value))).collect();
    let report = (!others.is_empty()).then(|| bounded(&others.join(", ")));
    AppliedEdit { name: bounded(&name), report }
}

/// Returns the beginning of a text.
fn bounded(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(MAX_BYTES)].into()
}

/// Returns the changes that a request permits. The members have one meaning in all APIs that have them. A response of
/// the Responses API repeats them.
pub(super) fn permitted(body: &Object<'_>) -> Vec<PermittedEdit> {
    let settings = [
        truncation(body),
        transforms(body),
        compressing_plugin(body),
        // Numbers of tokens to which vLLM and Fireworks cut a prompt.
        truncated_prompt(body, "truncate_prompt_tokens"),
        truncated_prompt(body, "prompt_truncate_len"),
        // Ollama cuts at the front if it is told to, and by default.
        body.number("truncate").filter(|truncate| *truncate).map(|_: bool| "truncate: true".into()),
    ];
    let unreported = settings.into_iter().flatten().map(|name| PermittedEdit { name, is_reported: false });
    unreported.chain(reported_later(body)).collect()
}

/// Returns the strategy by which the Responses API leaves out items that do not fit into the context window. Returns
/// `None` if it fails instead.
fn truncation(body: &Object<'_>) -> Option<Cow<'static, str>> {
    let strategy = body.text("truncation").or_else(|| body.object("truncation")?.text("type"))?;
    (strategy != "disabled").then(|| format!("truncation: {}", bounded(&strategy)).into())
}

/// Returns the transforms with which OpenRouter removes messages from the middle of a conversation that is too long.
fn transforms(body: &Object<'_>) -> Option<Cow<'static, str>> {
    let names: Vec<_> = body.list("transforms")?.into_iter().filter_map(text).collect();
    (!names.is_empty()).then(|| format!("transforms: {}", bounded(&names.join(", "))).into())
}

/// Returns the plugin of OpenRouter that does the same.
fn compressing_plugin(body: &Object<'_>) -> Option<Cow<'static, str>> {
    let is_compressing = |plugin: &RawValue| {
        Object::from_value(plugin).is_some_and(|plugin| {
            plugin.text("id").as_deref() == Some("context-compression") && plugin.number("enabled") != Some(false)
        })
    };
    let is_used = body.list("plugins")?.into_iter().any(is_compressing);
    is_used.then_some(Cow::Borrowed("plugins: context-compression"))
}

/// Returns the number of tokens to which a server cuts a prompt. Returns `None` if there is no limit but that of the
/// model.
fn truncated_prompt(body: &Object<'_>, name: &'static str) -> Option<Cow<'static, str>> {
    let limit: i64 = body.number(name)?;
    Some(format!("{name}: {limit}").into())
}

/// Returns the changes of which the response reports whether they were made: strategies of Anthropic, and the compaction
/// of the Responses API.
fn reported_later<'b>(body: &Object<'b>) -> impl Iterator<Item = PermittedEdit> + use<'b> {
    let of_anthropic = body.object(CONTEXT_MANAGEMENT).map(|management| list_or_one(&management, "edits"));
    let edits = of_anthropic.unwrap_or_else(|| list_or_one(body, CONTEXT_MANAGEMENT));
    edits.into_iter().take(MAX_EDITS).filter_map(|edit| {
        let kind = Object::from_value(edit)?.text("type")?;
        let name = format!("{CONTEXT_MANAGEMENT}: {}", bounded(&kind)).into();
        Some(PermittedEdit { name, is_reported: true })
    })
}
