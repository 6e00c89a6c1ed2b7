//! The table of the model APIs.

use super::api::Api;
use super::{anthropic, chat, gemini, gen_ai, responses};

/// Every API, in the order in which they are asked to recognize a part, a response or a token count.
pub(super) static APIS: [&dyn Api; 5] =
    [&responses::Responses, &chat::Chat, &anthropic::Anthropic, &gemini::Gemini, &gen_ai::GenAi];
