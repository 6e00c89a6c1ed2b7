//! Reads the bodies of model APIs: OpenAI Responses, Chat Completions, Anthropic Messages, Bedrock Converse, Cohere,
//! Ollama, Gemini and its Interactions, legacy completions, and the message and part schemas of the GenAI conventions.
//!
//! The reducer makes conversation items of a body, and the exporter attributes of a span. Both read it here, so that
//! they agree on what it contains. A body is parsed once, one level deep: [`Request`] and [`Response`] borrow its text
//! and split its list of messages without reading them. [`Message`] and [`Item`] read one element of that list, and
//! [`Part`] one part of a message. Values that are passed on stay unparsed JSON (`&RawValue`), and texts are borrowed
//! unless they contain escapes. Nothing here fails on malformed input: a value of an unexpected type is kept as it is,
//! and the caller decides whether it is an error.
//!
//! Each API is a file that implements [`Api`](api::Api), and a line in the table [`apis::APIS`]. Parts describe
//! themselves, and no type of part has two meanings. So the API that a message belongs to need not be known: each part
//! is read by the first API that defines its type.

mod anthropic;
mod api;
mod apis;
mod assembler;
mod call_ids;
mod chat;
mod cohere;
mod completions;
mod converse;
mod defined_tools;
mod entries;
mod error_body;
mod gemini;
mod gen_ai;
mod history_edit;
mod interactions;
mod item;
mod members;
mod message;
mod object;
mod object_with_lists;
mod ollama;
mod output;
mod part;
mod part_reader;
mod reasoning;
mod request;
mod requested_tools;
mod response;
mod response_id;
mod responses;
mod role_name;
mod settings;
mod sources;
mod stored_content;
mod stream;
mod tool;
mod truncated;
mod unread_fields;
mod usage;
mod user_request;
mod wrapper;

#[cfg(fuzzing)]
pub mod fuzz;
#[cfg(all(test, not(fuzzing)))]
mod fuzz;
#[cfg(test)]
mod tests;

pub(crate) use apis::ApiSet;
pub(crate) use entries::{Entries, EntryFormat};
pub(crate) use error_body::error_text;
pub(crate) use history_edit::{AppliedEdit, PermittedEdit};
pub(crate) use item::{Item, ItemContent};
pub(crate) use message::Message;
pub(crate) use object::{Object, UndecodableText, is_null, list, optional_text, text};
pub(crate) use output::Output;
pub(crate) use part::{Cited, Compaction, Content, Part, PartContent};
pub(crate) use reasoning::Reasoning;
pub(crate) use request::{Instructions, Request};
pub(crate) use requested_tools::requested_tools;
pub(crate) use response::Response;
pub(crate) use response_id::response_id;
pub(crate) use role_name::RoleName;
pub(crate) use sources::Source;
pub(crate) use stored_content::StoredContent;
pub(crate) use stream::{
    Assembled, NotAStream, StreamFault, TruncatedStream, assemble, fault as stream_fault, is_empty_stream,
};
pub(crate) use tool::{CallArguments, ToolCall, ToolResult};
pub(crate) use unread_fields::{UnreadField, unread_fields_of_entry};
pub(crate) use usage::{ReportedUsage, UsageProblem};
pub(crate) use user_request::ends_in_user_message;
/// Types that only the exporter names.
#[cfg(feature = "otlp")]
pub(crate) use {
    call_ids::CallWithId,
    output::Choice,
    part::Problem,
    reasoning::{Pieces, REASONING_FIELDS},
    settings::Settings,
    stream::outline,
    tool::{CALL_FIELDS, RESULT_FIELDS},
};
