//! Built-in masking: finds secrets in payloads and in event texts and replaces them by placeholders.
//!
//! Masking looks at bytes and never parses JSON: a few short texts are searched for in one pass, and the bytes around a
//! hit decide if it is a secret, at any level of escapes. The result is a function of the text and the salt, and a text
//! without secrets keeps its bytes.
//!
//! [`Masking`] is the built-in masking, [`Redactor`] the trait for rules of the program, `Rules` both of one recorder. `EventText` is the one list
//! of the texts in events.

mod assignment;
mod command;
mod credentials;
mod custom_patterns;
mod event_ids;
mod event_text;
mod harmless;
mod header;
mod id_member;
mod line;
mod markup;
mod masked;
mod masking;
mod names;
mod needles;
mod nesting;
mod open_tag;
mod pair;
mod placeholder;
mod program_text;
mod redactor;
#[cfg(feature = "otlp")]
mod rules;
mod salt;
mod scan;
mod scheme;
mod secret_span;
mod section;
mod site;
mod surroundings;
#[cfg(test)]
mod tests;
mod value;

pub use custom_patterns::PatternError;
pub(crate) use event_text::map_texts;
pub(crate) use masked::Masked;
pub use masking::Masking;
pub use redactor::Redactor;
pub(crate) use redactor::redact_text;
#[cfg(feature = "otlp")]
pub(crate) use rules::Rules;
pub(crate) use secret_span::SecretSpan;
