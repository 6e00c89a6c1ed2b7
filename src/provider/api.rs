//! What a model API defines.

use serde_json::value::RawValue;

use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::history_edit::AppliedEdit;
use super::members::Members;
use super::object::Object;
use super::output::Output;
use super::part::{NonContentParts, Recognized};
use super::settings::Settings;
use super::sources::Source;
use super::stored_content::StoredContent;
use super::usage::{CountReader, TokenCounts};

/// A field of a body, at any depth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// JSON Pointer (RFC 6901) to the field.
    pub(super) pointer: &'static str,
}

impl Field {
    /// Returns the value of the field. Returns `None` if it is absent or null.
    fn value<'a>(&self, body: &Object<'a>) -> Option<&'a RawValue> {
        let mut names = self.pointer.split('/').skip(1);
        let value = body.non_null(names.next()?)?;
        names.try_fold(value, |value, name| Object::from_value(value)?.non_null(name))
    }
}

/// The field of a request that holds the conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListField {
    pub(super) name: &'static str,
    pub(super) format: EntryFormat,
    /// A body with the fields of several APIs belongs to the API with the lowest precedence.
    pub(super) precedence: u8,
}

/// A model API. Methods without a value of their own are for APIs that do not define the concept.
pub(super) trait Api: Sync {
    /// Returns the members of bodies that are known.
    fn members(&self) -> &'static Members;

    /// Returns the field of a request that holds the conversation. APIs may share a field.
    fn list_field(&self) -> ListField;

    /// Returns the fields of a request that may hold the instructions, the preferred one first.
    fn instructions(&self) -> &'static [Field] {
        &[]
    }

    /// Returns `true` if the instructions are the first message of the conversation.
    fn instructions_are_message(&self) -> bool {
        true
    }

    /// Returns `true` if content has the schema of the GenAI conventions.
    fn has_conventions_schema(&self) -> bool {
        false
    }

    /// Returns the fields of a request that may hold the tools, the preferred one first.
    fn tools(&self) -> &'static [Field] {
        &[]
    }

    /// Returns the content that the provider keeps and adds to the conversation of a request. Returns `None` if the
    /// request names none.
    fn server_side_content<'a>(&self, body: &Object<'a>) -> Option<StoredContent<'a>> {
        self.stored_prompt(body)
    }

    /// Returns the stored prompt of which a request without messages may consist. Returns `None` if the request names
    /// none.
    fn stored_prompt<'a>(&self, _body: &Object<'a>) -> Option<StoredContent<'a>> {
        None
    }

    /// Returns the field of a request that holds documents for the model to read, beside the conversation.
    fn documents(&self) -> Option<&'static str> {
        None
    }

    /// Returns the role of a message that has none. Returns `None` if every message has one.
    fn default_role(&self) -> Option<&'static str> {
        None
    }

    /// Returns the settings of a request.
    fn settings<'a>(&self, _body: &Object<'a>) -> Settings<'a> {
        Settings::default()
    }

    /// Adds the parts of a message that stand beside its content.
    fn add_parts_beside_content<'a>(&self, _message: &Object<'a>, _parts: &mut NonContentParts<'a>) {}

    /// Reads a part of a type that this API defines. `kind` is the part's type.
    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>>;

    /// Returns the output of a response. Returns `None` if the response is not of this API.
    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>>;

    /// Returns the reason why the provider stopped or withheld the answer, as a clause. Returns `None` if it reports
    /// none.
    fn answer_problem(&self, _body: &Object<'_>) -> Option<String> {
        None
    }

    /// Returns the changes of the conversation that the provider reports to have made before the model read it.
    fn applied_edits(&self, _body: &Object<'_>) -> Vec<AppliedEdit> {
        Vec::new()
    }

    /// Returns the paths to what a response of this API reports about the conversation, and no rule reads: answers
    /// beside the first, or requests that the provider made for itself.
    fn unread_output(&self, _body: &Object<'_>) -> Vec<&'static str> {
        Vec::new()
    }

    /// Returns what the provider found for the answer, as far as it stands beside the output.
    fn sources<'a>(&self, _body: &Object<'a>) -> Vec<Source<'a>> {
        Vec::new()
    }

    /// Returns the fields that mark a response of this API without output.
    fn fields_without_output(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the fields of a response that may hold its id.
    fn response_id_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the fields of a response that may hold the model.
    fn model_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the finish reasons that a response reports outside of its [`Choice`](super::Choice)s.
    fn finish_reasons(&self, _body: &Object<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Returns the token counts of a response, each read by `reader`. `usage` is the object in the body's field of that
    /// name. Returns `None` if the response does not have the token counts of this API.
    fn usage(&self, _body: &Object<'_>, _usage: Option<&Object<'_>>, _reader: &mut CountReader) -> Option<TokenCounts> {
        None
    }

    /// Returns the assembler of a streamed response of which `event` is an event. Returns `None` if the event is not of
    /// this API.
    fn assembler(&self, _event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        None
    }
}

/// Returns the first of these fields that is present and not null, with its value.
pub(super) fn first_field<'a>(
    fields: impl IntoIterator<Item = &'static Field>,
    body: &Object<'a>,
) -> Option<(&'static Field, &'a RawValue)> {
    fields.into_iter().find_map(|field| Some((field, field.value(body)?)))
}
