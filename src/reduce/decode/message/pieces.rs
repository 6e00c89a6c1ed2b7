//! The items of a message while it is read.

use super::reasoning;
use crate::event::CallId;
use crate::graph::{Channel, ItemKind, Role};
use crate::reduce::decode::draft::Draft;
use crate::reduce::decode::oddity::Oddity;
use crate::reduce::decode::reading::{Read, Reading};
use crate::reduce::decode::why::Why;

/// Items in the order in which a message says them, and the run of text and other parts that is not over yet.
pub(super) struct Pieces {
    speaker: Role,
    /// The call that a message of a tool answers.
    answers: Option<CallId>,
    done: Vec<Result<Draft, Why>>,
    run: Option<Draft>,
}

impl Pieces {
    pub(super) fn new(speaker: Role, answers: Option<CallId>) -> Self {
        Self { speaker, answers, done: Vec::new(), run: None }
    }

    /// What the run goes to: what a tool says is the answer to a call.
    fn run(&mut self) -> &mut Draft {
        let Self { speaker, answers, done: _, run } = self;
        run.get_or_insert_with(|| match speaker {
            Role::Tool => answer(answers.clone()),
            Role::System | Role::Developer | Role::User | Role::Assistant => {
                Draft::new(*speaker, None, ItemKind::Message)
            }
        })
    }

    /// Text. Empty text is nothing, but as the answer of a tool.
    pub(super) fn text(&mut self, text: &str) {
        if !text.is_empty() || self.speaker == Role::Tool {
            self.run().text(text);
        }
    }

    /// A part that is not text and no item either. What can't be read costs only itself.
    pub(super) fn other(&mut self, add: impl FnOnce(&mut Draft) -> Result<(), Why>) {
        if let Err(why) = add(self.run()) {
            self.done.push(Err(why));
        }
    }

    /// An item of its own: the run before it is over.
    pub(super) fn item(&mut self, item: Result<Draft, Why>) {
        self.close();
        self.done.push(item);
    }

    /// The same, with a signature beside it.
    pub(super) fn item_after(&mut self, signature: Option<&str>, item: Result<Draft, Why>) {
        self.close();
        signature.into_iter().for_each(|signature| self.seal(signature));
        self.done.push(item);
    }

    /// A signature beside something that is no thought. It seals the reasoning that led there: what stands just before,
    /// or else reasoning of which nothing is shown. Known by its signature, that is found again where history leaves
    /// the thought out.
    pub(super) fn seal(&mut self, signature: &str) {
        match self.done.last_mut() {
            Some(Ok(last)) if reasoning::is_open(last) => reasoning::seal(last, signature),
            Some(_) | None => self.done.push(Ok(reasoning::of_signature(signature))),
        }
    }

    fn close(&mut self) {
        self.done.extend(self.run.take().filter(|run| !run.parts.is_empty()).map(Ok));
    }

    /// The items, if there are any.
    pub(super) fn finish(mut self) -> Vec<Reading> {
        self.close();
        self.done.into_iter().map(|item| item.map(finished)).collect()
    }

    /// The items of a message, which says nothing where there are none.
    pub(super) fn finish_message(mut self) -> Vec<Reading> {
        self.close();
        if self.done.is_empty() {
            match self.speaker {
                Role::Tool => self.other(|draft| draft.reference("tool_output", None)),
                Role::System | Role::Developer | Role::User | Role::Assistant => self.run().or_empty(),
            }
        }
        self.finish()
    }
}

/// An answer to a call.
pub(super) fn answer(call_id: Option<CallId>) -> Draft {
    let mut draft = Draft::new(Role::Tool, Some(Channel::Commentary), ItemKind::FunctionCallOutput);
    draft.call_id = call_id;
    draft
}

/// An item as it is kept. Every provider links a call and its answer by an id, but not every writer gives one.
fn finished(draft: Draft) -> Read {
    let links = draft.kind.is_call() || draft.kind.is_output();
    let oddity = (links && draft.call_id.is_none()).then_some(Oddity::CallWithoutId);
    let (content, hashes) = draft.finish();
    (content, hashes, oddity)
}
