//! Items as the lists of bodies name them: by content, by the provider's id, or by both.

/// An item in the list of a body: its content, and its id if the list has one.
///
/// The id is not part of the content, because clients leave it out when they repeat an item as history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reduce) struct ListedItem {
    pub(in crate::reduce) content: ContentId,
    pub(in crate::reduce) id: ListedId<ProviderIdKey>,
}

/// The id that the provider gave an item, if the list of a body contains it, and how much of the item the list contains
/// beside the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reduce) enum ListedId<Id> {
    /// The list has no id of the item.
    Absent,
    /// The list has the id beside the content.
    WithContent(Id),
    /// The list has the item's id and type, and no content.
    WithType(Id),
    /// The list has a reference to the item, which is its id alone.
    Reference(Id),
}

impl<Id> ListedId<Id> {
    /// Returns the id. Returns `None` if the list has no id of the item.
    pub(in crate::reduce) fn get(self) -> Option<Id> {
        match self {
            Self::Absent => None,
            Self::WithContent(id) | Self::WithType(id) | Self::Reference(id) => Some(id),
        }
    }

    /// Converts the id to another type.
    pub(super) fn map<Other>(self, convert: impl FnOnce(Id) -> Other) -> ListedId<Other> {
        match self {
            Self::Absent => ListedId::Absent,
            Self::WithContent(id) => ListedId::WithContent(convert(id)),
            Self::WithType(id) => ListedId::WithType(convert(id)),
            Self::Reference(id) => ListedId::Reference(convert(id)),
        }
    }
}

/// The number of an id that the provider gave an item. Within one reduction two numbers are equal if and only if the
/// ids are equal.
///
/// Numbers are assigned in the order in which decoding threads reach the ids, so nothing may depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::reduce) struct ProviderIdKey(pub(super) u32);

/// The id of a decoded item. Within one reduction two ids are equal if and only if the contents and the notices of
/// their items are equal.
///
/// Ids are assigned in the order in which decoding threads reach the items, so nothing may depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::reduce) struct ContentId(pub(super) u32);
