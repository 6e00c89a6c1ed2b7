//! Reads responses.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::api::Api;
use super::apis::{APIS, ApiSet};
use super::entries::{Entries, EntryFormat};
use super::history_edit::{self, AppliedEdit, PermittedEdit};
use super::object::{Object, text};
use super::output::{Output, error_message};
use super::role_name::RoleName;
use super::sources::Source;
use super::truncated::TruncatedBody;
use super::unread_fields::{UnreadField, unread_fields};
use super::usage::{CountReader, ReportedUsage, UsageProblem};
use super::{error_body, gen_ai, responses, wrapper};
use crate::semconv;

/// The field in which APIs report an error in place of a response.
const ERROR_FIELD: &str = "error";

/// A response. The API that it belongs to is recognized by the first field that only one API has.
pub(crate) struct Response<'a> {
    body: Object<'a>,
    /// The recognized API. `None` if the response does not contain output of a known API.
    api: Option<&'static dyn Api>,
    output: Output<'a>,
    /// The body in which the response is wrapped. `None` if the response is the body.
    wrapper: Option<Object<'a>>,
}

impl<'a> Response<'a> {
    /// Parses a response. Returns `None` if the text is not a JSON object.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let whole = Object::parse(text)?;
        let (body, wrapper) = match wrapper::response(&whole) {
            Some(wrapped) => (wrapped, Some(whole)),
            None => (whole, None),
        };
        // The message of an error may look like that of a model.
        let is_error = error_body::is_error(&body);
        let (api, output) = APIS
            .into_iter()
            .filter(|_| !is_error)
            .find_map(|api| Some((Some(api), api.output(&body)?)))
            .or_else(|| empty_output(&body))
            .unwrap_or((None, Output::Unknown));
        Some(Self { body, api, output, wrapper })
    }

    /// Returns the id of the response.
    pub(crate) fn id(&self) -> Option<Cow<'a, str>> {
        self.first_text(|api| api.response_id_fields())
    }

    /// Returns the id of the conversation that the provider keeps and has added the output to. Returns `None` if the
    /// response names none, or is not of the Responses API.
    pub(crate) fn conversation_id(&self) -> Option<Cow<'a, str>> {
        if matches!(self.output, Output::Items(_)) { responses::conversation_id(&self.body) } else { None }
    }

    /// Returns the model that responded.
    pub(crate) fn model(&self) -> Option<Cow<'a, str>> {
        self.first_text(|api| api.model_fields())
    }

    /// Returns the output.
    pub(crate) fn output(&self) -> &Output<'a> {
        &self.output
    }

    /// Returns the JSON Pointer (RFC 6901) to the instructions that the provider made of a stored prompt. Returns
    /// `None` if the response has none: other instructions are those of the request.
    pub(crate) fn rendered_instructions(&self) -> Option<&'static str> {
        let rendered = self.body.non_null("prompt").and(self.body.non_null("instructions"));
        rendered.filter(|_| matches!(self.output, Output::Items(_))).map(|_| "/instructions")
    }

    /// Returns what the provider found for the answer, as far as it stands beside the output.
    pub(crate) fn sources(&self) -> Vec<Source<'a>> {
        self.api.map(|api| api.sources(&self.body)).unwrap_or_default()
    }

    /// Returns the role of the message that the response is.
    pub(crate) fn message_role(&self) -> RoleName<'a> {
        RoleName::read(&self.body)
    }

    /// Returns `true` if the output was recorded, even if its type is unknown. A response without fields, or with
    /// nothing but span attributes such as an id and token counts, was not recorded.
    pub(crate) fn is_recorded(&self) -> bool {
        !matches!(self.output, Output::Unknown) || !self.body.fields().all(|(name, _)| gen_ai::is_metadata(name))
    }

    /// Returns `true` if there is output of a known API. The body of an HTTP error has none.
    pub(crate) fn has_output(&self) -> bool {
        !matches!(self.output, Output::Empty | Output::Unknown)
    }

    /// Returns the finish reason of each alternative, in the provider's terms.
    pub(crate) fn finish_reasons(&self) -> Vec<String> {
        match (&self.output, self.api) {
            (Output::Choices(choices), _) => {
                let reasons = choices.iter().filter_map(|choice| text(choice.finish_reason?));
                reasons.map(Cow::into_owned).collect()
            }
            (Output::Unknown, _) | (_, None) => gen_ai::GenAi.finish_reasons(&self.body),
            (Output::Items(_) | Output::Content(_) | Output::AttributeMessages(_) | Output::Empty, Some(api)) => {
                api.finish_reasons(&self.body)
            }
        }
    }

    /// Returns the finish reason of the message that the response is.
    pub(crate) fn stop_reason(&self) -> Option<&'a RawValue> {
        self.body.non_null("stop_reason")
    }

    /// Returns the error that the provider reports in the response, or the reason why it blocked the prompt or stopped
    /// the answer. Returns `None` if it reports none.
    pub(crate) fn error(&self) -> Option<String> {
        let error = self.body.non_null(ERROR_FIELD).map(error_message);
        let in_place_of_output = || error_body::message(&self.body).filter(|_| matches!(self.output, Output::Unknown));
        error.or_else(|| self.api?.answer_problem(&self.body)).or_else(in_place_of_output)
    }

    /// Returns the changes of the conversation that the provider reports to have made before the model read it.
    pub(crate) fn applied_edits(&self) -> Vec<AppliedEdit> {
        self.api.map(|api| api.applied_edits(&self.body)).unwrap_or_default()
    }

    /// Returns the changes of the conversation that the request permitted, as far as the response repeats the request.
    pub(crate) fn permitted_edits(&self) -> Vec<PermittedEdit> {
        if matches!(self.output, Output::Items(_)) { history_edit::permitted(&self.body) } else { Vec::new() }
    }

    /// Returns the status of the response if the provider had not finished it when it was received, or if it was
    /// cancelled. Returns `None` for other APIs than Responses.
    pub(crate) fn unfinished_status(&self) -> Option<Cow<'a, str>> {
        if matches!(self.output, Output::Items(_)) { responses::unfinished_status(&self.body) } else { None }
    }

    /// Returns the reason why the response is incomplete, otherwise its status.
    pub(crate) fn status(&self) -> Option<String> {
        responses::status(&self.body)
    }

    /// Returns the token usage. Of a response of which only head and tail were stored, returns the usage in them.
    pub(crate) fn usage(&self) -> ReportedUsage {
        let Some(truncated) = TruncatedBody::read(&self.body) else { return reported_usage(&self.body) };
        let mut reported = reported_usage(&truncated.members());
        reported.problems.extend(reported.usage.map(|_| UsageProblem::Truncated));
        reported
    }

    /// Returns the APIs to which the response may belong: one, or none if it is not recognized.
    pub(crate) fn api_set(&self) -> ApiSet {
        ApiSet::of(|api| self.api.is_some_and(|own| std::ptr::eq(own.members(), api.members())))
    }

    /// Returns the members of the response that its API does not know, and other output that no rule reads, such as
    /// alternative messages. Messages in a span attribute are not compared.
    pub(crate) fn unread_fields(&self) -> Vec<UnreadField> {
        let shapes = || self.api_set().iter().map(|api| &api.members().response);
        let mut found = unread_fields(&self.body, shapes());
        let wrapper = self.wrapper.iter();
        found.extend(wrapper.flat_map(|body| unread_fields(body, std::iter::once(&wrapper::RESPONSE_WRAPPER))));
        if let Some(api) = self.api {
            let paths = api.unread_output(&self.body).into_iter();
            found.extend(paths.map(|path| UnreadField::of_body(&api.members().response, path)));
        }
        found
    }

    /// Returns the messages in a span attribute, and its name. Returns `None` for other output.
    pub(crate) fn attribute_messages(&self) -> Option<(&'static str, Entries<'a>)> {
        match self.output {
            Output::AttributeMessages(messages) => {
                Some((semconv::OUTPUT_MESSAGES, Entries::read(messages, EntryFormat::AttributeMessages)))
            }
            Output::Items(_) | Output::Choices(_) | Output::Content(_) | Output::Empty | Output::Unknown => None,
        }
    }

    /// Returns the text of the first of the fields that each API defines.
    fn first_text(&self, fields: impl Fn(&dyn Api) -> &'static [&'static str]) -> Option<Cow<'a, str>> {
        APIS.into_iter().flat_map(fields).find_map(|name| self.body.text(name))
    }
}

/// Members of a response that hold its usage, in one API or another.
const USAGE_FIELDS: [&str; 4] = ["usage", "usageMetadata", "usage_metadata", "token_usage"];

/// Returns the token usage in a response, in the terms of the first API whose counts the response has.
fn reported_usage(body: &Object<'_>) -> ReportedUsage {
    let usage = body.object("usage");
    let recorded = CountReader::read(|reader| responses::token_usage(body, reader));
    let of_apis = APIS.iter().map(|api| CountReader::read(|reader| api.usage(body, usage.as_ref(), reader)));
    let mut without_counts = None;
    for reported in std::iter::once(recorded).chain(of_apis) {
        if reported.usage.is_some() {
            return reported;
        }
        without_counts = without_counts.or(Some(reported).filter(|reported| !reported.problems.is_empty()));
    }
    let no_usage = || {
        let fields = USAGE_FIELDS.iter().filter_map(|name| Some((name, body.non_null(name)?)));
        let mut others = fields.filter(|(_, value)| !value.get().starts_with('{'));
        others.next().map(|(name, value)| CountReader::no_usage(name, value))
    };
    without_counts.or_else(no_usage).unwrap_or_default()
}

/// Returns the output of a response that only has fields of responses without output.
fn empty_output<'a>(body: &Object<'a>) -> Option<(Option<&'static dyn Api>, Output<'a>)> {
    let is_marked = |api: &&dyn Api| api.fields_without_output().iter().any(|name| body.get(name).is_some());
    let marked = APIS.into_iter().find(is_marked).map(|api| (Some(api), Output::Empty));
    marked.or_else(|| body.non_null(ERROR_FIELD).map(|_| (None, Output::Empty)))
}
