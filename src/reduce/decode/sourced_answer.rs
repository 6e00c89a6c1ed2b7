//! An answer with what the provider found for it.

use serde_json::value::RawValue;

use crate::provider::Source;

/// An answer in a response, and the sources that stand beside it there.
pub(super) type SourcedAnswer<'a> = (&'a RawValue, Vec<Source<'a>>);
