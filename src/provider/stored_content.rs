//! Content that a provider keeps and adds to a conversation, such as a stored prompt, as a request names it.

use std::borrow::Cow;

use super::object::Object;

/// Content that the provider keeps.
#[derive(Debug)]
pub(crate) struct StoredContent<'a> {
    /// The field of the request that names the content.
    pub(crate) field: &'static str,
    /// The id of the content.
    pub(crate) id: Cow<'a, str>,
}

impl<'a> StoredContent<'a> {
    /// Returns the content that an object names in a field: by an id, or by an object with the id. Returns `None` if the
    /// field has neither.
    pub(super) fn named(object: &Object<'a>, field: &'static str) -> Option<Self> {
        let by_id = object.text(field).map(|id| Self { field, id });
        by_id.or_else(|| Self::named_by_object(object, field))
    }

    /// Returns the content that an object names in a field, by an object with the id. Returns `None` if there is none.
    pub(super) fn named_by_object(object: &Object<'a>, field: &'static str) -> Option<Self> {
        Some(Self { field, id: object.object(field)?.text("id")? })
    }
}
