//! Reads requests.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::anthropic;
use super::api::{Api, ListField, first_field};
use super::apis::{APIS, ApiSet};
use super::completions::{self, PROMPT};
use super::defined_tools::{DefinedTools, is_empty_list};
use super::entries::{Entries, EntryFormat};
use super::gemini::Gemini;
use super::history_edit::{self, PermittedEdit};
use super::interactions;
use super::object::{Object, list};
use super::object_with_lists::{self, Lists};
use super::part::Content;
use super::responses::{self, Responses};
use super::settings::Settings;
use super::stored_content::StoredContent;
use super::unread_fields::{UnreadField, unread_fields};
use super::wrapper;
use crate::semconv;

/// A request. The API that it belongs to is recognized by the field that holds the conversation.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    body: Object<'a>,
    lists: Lists<'a>,
    /// The field that holds the conversation. `None` if no API is recognized.
    list_field: Option<ListField>,
    /// The body in which the request is wrapped. `None` if the request is the body.
    wrapper: Option<Object<'a>>,
}

/// The instructions of a request.
#[derive(Debug)]
pub(crate) struct Instructions<'a> {
    /// JSON Pointer (RFC 6901) to the instructions.
    pub(crate) pointer: Cow<'static, str>,
    pub(crate) content: Content<'a>,
    /// `true` if the instructions are the first message of the conversation.
    pub(crate) is_message: bool,
    /// `true` if the content has the schema of the GenAI conventions.
    pub(crate) has_conventions_schema: bool,
}

impl<'a> Request<'a> {
    /// Parses a request, which may be wrapped. Returns `None` if the text is not a JSON object.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let request = Self::parse_unwrapped(text)?;
        let wrapped = request.body.get(wrapper::REQUEST).filter(|_| request.list_field.is_none());
        match wrapped.and_then(|wrapped| Self::parse_unwrapped(wrapped.get())).filter(Self::may_be_wrapped) {
            Some(wrapped) => Some(Self { wrapper: Some(request.body), ..wrapped }),
            None => Some(request),
        }
    }

    /// Returns `true` for a request of Gemini.
    fn may_be_wrapped(&self) -> bool {
        self.list_field.is_some_and(|field| field.name == Gemini.list_field().name)
    }

    fn parse_unwrapped(text: &'a str) -> Option<Self> {
        let names = APIS.map(|api| api.list_field().name).into_iter().filter(|name| *name != PROMPT);
        let (body, lists) = object_with_lists::parse(text, &names.collect::<Vec<_>>())?;
        let may_be_list = |name: &str| name != PROMPT || body.get(name).is_some_and(completions::is_prompt);
        let is_given = |name: &str| lists.contains_key(name) || body.non_null(name).is_some_and(|_| may_be_list(name));
        // A null list counts as an empty one if the body has no other list.
        let is_present = |name: &str| body.get(name).is_some() && may_be_list(name);
        let list_field = detect(is_given).or_else(|| detect(is_present));
        Some(Self { body, lists, list_field, wrapper: None })
    }

    /// Returns the JSON Pointer (RFC 6901) to a field of the request in the body.
    fn pointer(&self, pointer: &'static str) -> Cow<'static, str> {
        match self.wrapper {
            Some(_) => format!("/{}{pointer}", wrapper::REQUEST).into(),
            None => pointer.into(),
        }
    }

    /// Returns `true` if the request has no fields, or none but settings in span attributes: its body was not recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.body.fields().all(|(name, _)| semconv::REQUEST_SETTINGS.contains(&name))
    }

    /// Returns the conversation. Returns `None` if no API is recognized.
    pub(crate) fn entries(&self) -> Option<Entries<'a>> {
        let ListField { name, format, .. } = self.list_field?;
        match self.lists.get(name) {
            Some(list) => Some(Entries::List(list.clone())),
            None => self.body.get(name).map(|value| Entries::read(value, format)),
        }
    }

    /// Returns `true` if the conversation is a list of items of the Responses API.
    pub(crate) fn has_items(&self) -> bool {
        self.list_field.is_some_and(|field| field.format == EntryFormat::Items)
    }

    /// Returns `true` if messages have the schema of the GenAI conventions.
    pub(crate) fn has_conventions_schema(&self) -> bool {
        self.apis().any(Api::has_conventions_schema)
    }

    /// Returns the role of messages that have none. Returns `None` if every message must have one.
    pub(crate) fn default_role(&self) -> Option<&'static str> {
        self.apis().find_map(|api| api.default_role())
    }

    /// Returns the instructions in the fields of the recognized API, or of the Responses API if none is recognized.
    pub(crate) fn instructions(&self) -> Option<Instructions<'a>> {
        let of_api = |api: &dyn Api| {
            let (field, value) = first_field(api.instructions(), &self.body)?;
            Some(Instructions {
                pointer: self.pointer(field.pointer),
                content: Content(value),
                is_message: api.instructions_are_message(),
                has_conventions_schema: api.has_conventions_schema(),
            })
        };
        match self.list_field {
            Some(_) => self.apis().find_map(of_api),
            None => of_api(&Responses),
        }
    }

    /// Returns the documents that the model reads beside the conversation: a list, or one of them. Returns `None` if there
    /// are none.
    pub(crate) fn documents(&self) -> Option<&'a RawValue> {
        let documents = self.apis().find_map(|api| self.body.non_null(api.documents()?))?;
        Some(documents).filter(|documents| list(documents).is_none_or(|documents| !documents.is_empty()))
    }

    /// Returns the JSON Pointer (RFC 6901) to the tools, and the tools: those of the body, else those of the first item
    /// that defines some.
    pub(crate) fn tools(&self) -> Option<(Cow<'static, str>, &'a RawValue)> {
        let fields = APIS.into_iter().flat_map(|api| api.tools());
        let of_body = first_field(fields, &self.body).map(|(field, tools)| (self.pointer(field.pointer), tools));
        match of_body {
            Some((_, tools)) if !is_empty_list(tools) => of_body,
            Some(_) | None => {
                let list = self.item_list();
                let in_items = list.and_then(|(name, items)| Some((name, DefinedTools::in_items(items).next()?)));
                in_items.map(|(name, defined)| (defined.pointer(name).into(), defined.tools)).or(of_body)
            }
        }
    }

    /// Returns the members of items that define other tools than those that [`Request::tools`] returns.
    fn unread_tools(&self) -> Vec<UnreadField> {
        let Some((name, items)) = self.item_list() else { return Vec::new() };
        let read = self.tools().map(|(_, tools)| tools.get());
        let others = DefinedTools::in_items(items).filter(|defined| Some(defined.tools.get()) != read);
        others.map(|defined| UnreadField::of_body(&Responses.members().request, &defined.path(name))).collect()
    }

    /// Returns the JSON Pointer (RFC 6901) to the developer message that directly follows an item that defines tools.
    /// Clients that define tools in this way put their instructions there. Returns `None` if there is no such message.
    pub(crate) fn instructions_in_items(&self) -> Option<String> {
        let (name, items) = self.item_list()?;
        DefinedTools::in_items(items).find_map(|defined| defined.instructions_pointer(name))
    }

    /// Returns the list of items, and the field that contains it. Returns `None` for any other conversation.
    fn item_list(&self) -> Option<(&'static str, Vec<&'a RawValue>)> {
        let name = self.list_field.filter(|field| field.format == EntryFormat::Items)?.name;
        match self.entries()? {
            Entries::List(items) => Some((name, items)),
            Entries::One(_) | Entries::Text(_) | Entries::Embedded(_) | Entries::Null | Entries::Other(_) => None,
        }
    }

    /// Returns the id of the response that the request continues: the request has only what is new.
    pub(crate) fn previous_response_id(&self) -> Option<Cow<'a, str>> {
        let in_thread = || anthropic::continued_message(&self.body).filter(|_| !self.has_items());
        let fields = ["previous_response_id", interactions::PREVIOUS_INTERACTION];
        fields.into_iter().find_map(|field| self.body.text(field)).or_else(in_thread)
    }

    /// Returns the id of the conversation that the provider keeps: the request adds its items to it, and the model sees
    /// what it contains. Returns `None` if the request names none, or has the messages of an API without conversations.
    pub(crate) fn conversation_id(&self) -> Option<Cow<'a, str>> {
        let may_have_items = self.list_field.is_none_or(|field| field.format == EntryFormat::Items);
        if may_have_items { responses::conversation_id(&self.body) } else { None }
    }

    /// Returns the changes of the conversation that the request permits.
    pub(crate) fn permitted_edits(&self) -> Vec<PermittedEdit> {
        history_edit::permitted(&self.body)
    }

    /// Returns the settings.
    pub(crate) fn settings(&self) -> Settings<'a> {
        APIS.iter().fold(Settings::default(), |settings, api| settings.or(api.settings(&self.body)))
    }

    /// Returns the content that the provider keeps and adds to the conversation. Returns `None` if the request names
    /// none. A request without messages may consist of a stored prompt.
    pub(crate) fn server_side_content(&self) -> Option<StoredContent<'a>> {
        match self.list_field {
            Some(_) => self.apis().find_map(|api| api.server_side_content(&self.body)),
            None => APIS.iter().find_map(|api| api.stored_prompt(&self.body)),
        }
    }

    /// Returns the APIs to which the request may belong. `responded` are those to which the response of the same call
    /// may belong. Otherwise the first member that only one API knows decides between APIs that share the field of the
    /// conversation.
    pub(crate) fn api_set(&self, responded: ApiSet) -> ApiSet {
        let name = self.list_field.map(|field| field.name);
        let listed = ApiSet::of(|api| name == Some(api.list_field().name));
        if !listed.and(responded).is_empty() {
            return listed.and(responded);
        }
        let knowing = |member: &str| listed.and(ApiSet::of(|api| api.members().request.knows(member)));
        let members = self.body.fields().map(|(name, _)| name);
        members.map(knowing).find(|knowing| knowing.is_one()).unwrap_or(listed)
    }

    /// Returns the APIs to which the messages of a request may belong that belongs to one of `apis`. In span attributes,
    /// programs put the messages of any API.
    pub(crate) fn message_apis(&self, apis: ApiSet) -> ApiSet {
        if self.has_conventions_schema() { ApiSet::all() } else { apis }
    }

    /// Returns the members of the request that none of the APIs knows. The conversation is not compared.
    pub(crate) fn unread_fields(&self, apis: ApiSet) -> Vec<UnreadField> {
        let shapes = || apis.iter().map(|api| &api.members().request);
        let others = self.lists.keys().filter(|&&name| !shapes().any(|shape| shape.knows(name)));
        let others = others.filter_map(|name| Some(UnreadField::of_body(shapes().next()?, name)));
        let mut found = unread_fields(&self.body, shapes());
        let wrapper = self.wrapper.iter();
        found.extend(wrapper.flat_map(|body| unread_fields(body, std::iter::once(&wrapper::REQUEST_WRAPPER))));
        found.extend(others);
        found.extend(self.unread_tools());
        found.sort_unstable();
        found
    }

    /// Returns the name of the field that holds the conversation. Returns `None` if no API is recognized.
    pub(crate) fn list_name(&self) -> Option<&'static str> {
        self.list_field.map(|field| field.name)
    }

    /// Returns the APIs whose conversation is in the recognized field.
    fn apis(&self) -> impl Iterator<Item = &'static dyn Api> {
        let name = self.list_field.map(|field| field.name);
        APIS.into_iter().filter(move |api| Some(api.list_field().name) == name)
    }
}

/// Returns the field that holds the conversation of a body that has those fields for which `has` returns `true`.
fn detect(has: impl Fn(&str) -> bool) -> Option<ListField> {
    APIS.iter().map(|api| api.list_field()).filter(|field| has(field.name)).min_by_key(|field| field.precedence)
}
