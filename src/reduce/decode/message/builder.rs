//! Collects the items of a message while it is parsed.

use super::reasoning;
use crate::event::CallId;
use crate::graph::{Channel, ItemKind, Role};
use crate::provider::Part;
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::{ItemDraft, REFUSAL};
use crate::reduce::decode::item_notice::ItemNotice;
use crate::reduce::decode::parsed_item::{ItemResult, ParsedItem};

/// The author of a message, and the call that it answers.
pub(super) struct Author {
    pub(super) role: Role,
    /// Name of the author. `None` if the message has none.
    pub(super) name: Option<Box<str>>,
    /// For a message of a tool, the id of the call that it answers.
    pub(super) answered_call: Option<CallId>,
    /// `true` if the message reports that the tool failed.
    pub(super) is_error: bool,
}

impl Author {
    /// Creates an author without a name.
    pub(super) fn new(role: Role) -> Self {
        Self { role, name: None, answered_call: None, is_error: false }
    }
}

/// The items of a message while it is parsed: the finished items in order, and the text and parts of the item in
/// progress.
pub(super) struct MessageBuilder {
    author: Author,
    finished: Vec<Result<ItemDraft, DecodeError>>,
    /// Item in progress, with the text and parts after the last finished item.
    current_run: Option<ItemDraft>,
}

impl MessageBuilder {
    /// Creates a builder without items.
    pub(super) fn new(author: Author) -> Self {
        Self { author, finished: Vec::new(), current_run: None }
    }

    /// Returns the item in progress, and starts one if there is none: the output of a call if the message is from a
    /// tool, else a message.
    fn current_run(&mut self) -> &mut ItemDraft {
        let Self { author: Author { role, name, answered_call, is_error }, finished: _, current_run } = self;
        current_run.get_or_insert_with(|| {
            let draft = match role {
                Role::Tool => ItemDraft { is_error: *is_error, ..output_draft(answered_call.clone()) },
                Role::System | Role::Developer | Role::User | Role::Assistant => {
                    ItemDraft::new(*role, None, ItemKind::Message)
                }
            };
            ItemDraft { name: name.clone(), ..draft }
        })
    }

    /// Adds a text to the item in progress. Empty text is ignored, except as the output of a tool.
    pub(super) fn push_text(&mut self, text: &str) {
        if !text.is_empty() || self.author.role == Role::Tool {
            self.current_run().push_text(text);
        }
    }

    /// Adds a text by which the model refuses to answer.
    pub(super) fn push_refusal(&mut self, text: &str) {
        if !text.is_empty() {
            self.current_run().push_labelled_text(REFUSAL, text);
        }
    }

    /// Adds a part to the item in progress. If the part cannot be decoded, only this part is left out.
    pub(super) fn push_part(&mut self, add: impl FnOnce(&mut ItemDraft) -> Result<(), DecodeError>) {
        if let Err(error) = add(self.current_run()) {
            self.finished.push(Err(error));
        }
    }

    /// Adds an annotation to the item that it describes: the item in progress, or else the one before it.
    pub(super) fn push_annotation(&mut self, annotation: &Part<'_>) {
        let Self { finished, current_run, .. } = self;
        let described = current_run.as_mut().or_else(|| finished.last_mut()?.as_mut().ok());
        let draft = match described {
            Some(described) => described,
            None => self.current_run(),
        };
        if let Err(error) = draft.push_annotation(annotation) {
            self.finished.push(Err(error));
        }
    }

    /// Finishes the item in progress, and adds a separate item such as a tool call.
    pub(super) fn push_item(&mut self, item: Result<ItemDraft, DecodeError>) {
        self.end_run();
        self.finished.push(item);
    }

    /// Adds a separate item that carries a signature of the reasoning before it.
    pub(super) fn push_signed_item(&mut self, signature: Option<&str>, item: Result<ItemDraft, DecodeError>) {
        self.end_run();
        signature.into_iter().for_each(|signature| self.push_signature(signature));
        self.finished.push(item);
    }

    /// Adds a signature that Gemini puts beside something other than a thought. It signs the reasoning that led there:
    /// the item just before, or else a new reasoning item without text. That item is identified by its signature, so it
    /// is recognized in a later history that omits the thought.
    pub(super) fn push_signature(&mut self, signature: &str) {
        match self.finished.last_mut() {
            Some(Ok(last)) if reasoning::is_unsigned(last) => reasoning::push_signature(last, signature),
            Some(_) | None => self.finished.push(Ok(reasoning::from_signature(signature))),
        }
    }

    /// Finishes the item in progress, if it has any parts.
    fn end_run(&mut self) {
        self.finished.extend(self.current_run.take().filter(|current_run| !current_run.parts.is_empty()).map(Ok));
    }

    /// Returns the items of the content that was added.
    pub(super) fn finish(mut self) -> Vec<ItemResult> {
        self.end_run();
        self.finished.into_iter().map(|item| item.map(finish_item)).collect()
    }

    /// Returns the items of a whole message. A message without items becomes an item with a placeholder.
    pub(super) fn finish_message(mut self) -> Vec<ItemResult> {
        self.end_run();
        if self.finished.is_empty() {
            match self.author.role {
                Role::Tool => self.push_part(|draft| draft.push_reference("tool_output", None)),
                Role::System | Role::Developer | Role::User | Role::Assistant => {
                    self.current_run().push_placeholder_if_empty()
                }
            }
        }
        self.finish()
    }
}

/// Creates an item for the output of the call with the given id.
pub(super) fn output_draft(call_id: Option<CallId>) -> ItemDraft {
    let mut draft = ItemDraft::new(Role::Tool, Some(Channel::Commentary), ItemKind::FunctionCallOutput);
    draft.call_id = call_id;
    draft
}

/// Finishes an item. Reports a tool call or output without an id: every provider links the two by an id, but not every
/// recorder writes it.
fn finish_item(draft: ItemDraft) -> ParsedItem {
    let links = (draft.kind.is_call() || draft.kind.is_output()) && !draft.is_executed;
    let notice = (links && draft.call_id.is_none()).then_some(ItemNotice::CallWithoutId);
    draft.finish(notice)
}
