//! Collects the items of a message while it is parsed.

use super::reasoning;
use crate::event::CallId;
use crate::graph::{Channel, ItemKind, Role};
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::ItemDraft;
use crate::reduce::decode::item_notice::ItemNotice;
use crate::reduce::decode::parsed_item::{ItemResult, ParsedItem};

/// The finished items of a message in order, and the current run of text and other parts.
pub(super) struct MessageBuilder {
    role: Role,
    /// Id of the call that a message of a tool answers.
    answered_call: Option<CallId>,
    finished: Vec<Result<ItemDraft, DecodeError>>,
    /// Text and parts after the last finished item.
    current_run: Option<ItemDraft>,
}

impl MessageBuilder {
    /// Creates a builder without items.
    pub(super) fn new(role: Role, answered_call: Option<CallId>) -> Self {
        Self { role, answered_call, finished: Vec::new(), current_run: None }
    }

    /// Returns the current run, and starts one if there is none: an output if the message is from a tool, else a
    /// message.
    fn current_run(&mut self) -> &mut ItemDraft {
        let Self { role, answered_call, finished: _, current_run } = self;
        current_run.get_or_insert_with(|| match role {
            Role::Tool => output_draft(answered_call.clone()),
            Role::System | Role::Developer | Role::User | Role::Assistant => {
                ItemDraft::new(*role, None, ItemKind::Message)
            }
        })
    }

    /// Adds a text. Empty text is ignored, except as the output of a tool.
    pub(super) fn push_text(&mut self, text: &str) {
        if !text.is_empty() || self.role == Role::Tool {
            self.current_run().push_text(text);
        }
    }

    /// Adds a part that is neither text nor an item of its own. A part that cannot be decoded costs only itself.
    pub(super) fn push_part(&mut self, add: impl FnOnce(&mut ItemDraft) -> Result<(), DecodeError>) {
        if let Err(error) = add(self.current_run()) {
            self.finished.push(Err(error));
        }
    }

    /// Adds an item of its own, which ends the current run.
    pub(super) fn push_item(&mut self, item: Result<ItemDraft, DecodeError>) {
        self.end_run();
        self.finished.push(item);
    }

    /// Adds an item of its own that carries a signature of the reasoning before it.
    pub(super) fn push_signed_item(&mut self, signature: Option<&str>, item: Result<ItemDraft, DecodeError>) {
        self.end_run();
        signature.into_iter().for_each(|signature| self.push_signature(signature));
        self.finished.push(item);
    }

    /// Adds a signature that stands beside something other than a thought. It signs the reasoning that led there: the
    /// item just before, or else a new reasoning item without text. Being identified by its signature, that item is
    /// found again even if the history omits the thought.
    pub(super) fn push_signature(&mut self, signature: &str) {
        match self.finished.last_mut() {
            Some(Ok(last)) if reasoning::is_unsigned(last) => reasoning::push_signature(last, signature),
            Some(_) | None => self.finished.push(Ok(reasoning::from_signature(signature))),
        }
    }

    /// Ends the current run.
    fn end_run(&mut self) {
        self.finished.extend(self.current_run.take().filter(|current_run| !current_run.parts.is_empty()).map(Ok));
    }

    /// Returns the items.
    pub(super) fn finish(mut self) -> Vec<ItemResult> {
        self.end_run();
        self.finished.into_iter().map(|item| item.map(finish_item)).collect()
    }

    /// Returns the items of a whole message. A message without items becomes one with a placeholder.
    pub(super) fn finish_message(mut self) -> Vec<ItemResult> {
        self.end_run();
        if self.finished.is_empty() {
            match self.role {
                Role::Tool => self.push_part(|draft| draft.push_reference("tool_output", None)),
                Role::System | Role::Developer | Role::User | Role::Assistant => {
                    self.current_run().push_placeholder_if_empty()
                }
            }
        }
        self.finish()
    }
}

/// Creates an output of a call.
pub(super) fn output_draft(call_id: Option<CallId>) -> ItemDraft {
    let mut draft = ItemDraft::new(Role::Tool, Some(Channel::Commentary), ItemKind::FunctionCallOutput);
    draft.call_id = call_id;
    draft
}

/// Finishes an item. Reports a call or output without an id: every provider links the two by an id, but not every
/// recorder writes it.
fn finish_item(draft: ItemDraft) -> ParsedItem {
    let links = draft.kind.is_call() || draft.kind.is_output();
    let notice = (links && draft.call_id.is_none()).then_some(ItemNotice::CallWithoutId);
    let (content, hashes) = draft.finish();
    (content, hashes, notice)
}
