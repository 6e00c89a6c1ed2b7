//! `compaction_checkpoint` bodies.

use super::bodies::{NOT_AN_OBJECT, Shape};
use super::contents::{ContentId, Contents};
use super::items;
use super::object::Object;

/// A history before and after a compaction.
#[derive(Debug)]
pub(in crate::reduce) struct Checkpoint {
    pub(in crate::reduce) before: Vec<ContentId>,
    pub(in crate::reduce) after: Vec<ContentId>,
}

impl Shape for Checkpoint {
    fn read(text: &str, contents: &Contents) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        let history = |name: &str| {
            let items = body.get(name).and_then(|items| items::responses(items, contents));
            items.ok_or_else(|| format!("has no list {name}"))
        };
        Ok(Self { before: history("input_history")?, after: history("replacement_history")? })
    }
}
