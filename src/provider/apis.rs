//! The table of the model APIs, and sets of them.

use super::api::Api;
use super::{anthropic, chat, cohere, completions, converse, gemini, gen_ai, interactions, ollama, responses};

/// Every API, in the order in which they are asked to recognize a part, a response or a token count. Gemini recognizes
/// every part without a type, so other APIs with such parts stand before it.
pub(super) static APIS: [&dyn Api; 10] = [
    &responses::Responses,
    &interactions::Interactions,
    &chat::Chat,
    &anthropic::Anthropic,
    &converse::Converse,
    &cohere::Cohere,
    &ollama::Ollama,
    &completions::Completions,
    &gemini::Gemini,
    &gen_ai::GenAi,
];

/// A set of APIs: those to which a body may belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct ApiSet(u16);

impl ApiSet {
    /// Returns the APIs for which `belongs` returns `true`.
    pub(super) fn of(belongs: impl Fn(&dyn Api) -> bool) -> Self {
        Self((0..APIS.len()).filter(|&index| belongs(APIS[index])).fold(0, |set, index| set | 1 << index))
    }

    /// Returns all APIs.
    pub(crate) fn all() -> Self {
        Self::of(|_| true)
    }

    /// Returns the Responses API alone.
    pub(crate) fn responses() -> Self {
        Self::of(|api| std::ptr::eq(api.members(), responses::Responses.members()))
    }

    /// Returns the APIs of the set, in the order of the table.
    pub(super) fn iter(self) -> impl Iterator<Item = &'static dyn Api> {
        APIS.into_iter().enumerate().filter(move |(index, _)| self.0 & (1 << index) != 0).map(|(_, api)| api)
    }

    /// Returns the APIs that are in both sets.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns `true` if the set has exactly one API.
    pub(super) fn is_one(self) -> bool {
        self.0.count_ones() == 1
    }

    /// Returns `true` if the set has no API.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}
