//! An answer with what the provider found for it.

use serde_json::value::RawValue;

use crate::provider::Source;

/// An answer in a response, and the sources that stand beside it there. The answer is `None` if the provider withheld it.
pub(super) type SourcedAnswer<'a> = (Option<&'a RawValue>, Vec<Source<'a>>);
