//! The roles of messages and items: [`RoleName`].

use std::borrow::Cow;

use super::object::Object;

/// The role of a message or an item, as the body names it.
#[derive(Debug, PartialEq, Default)]
pub(crate) enum RoleName<'a> {
    /// The field is absent or null.
    #[default]
    Absent,
    Named(Cow<'a, str>),
    /// The field is no text.
    NotText,
}

impl<'a> RoleName<'a> {
    /// Reads the role of a message or an item.
    pub(super) fn read(object: &Object<'a>) -> Self {
        match (object.text("role"), object.non_null("role")) {
            (Some(role), _) => Self::Named(role),
            (None, Some(_)) => Self::NotText,
            (None, None) => Self::Absent,
        }
    }
}
