//! What of a span is exported, and by which names.

use super::content_policy::ContentPolicy;
use super::usage_names::UsageNames;

/// What spans are exported with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Whether they tell what was said.
    pub content: ContentPolicy,
    /// How they name what was counted.
    pub usage_names: UsageNames,
}

impl Mapping {
    /// As the environment says it: see [`ContentPolicy::from_env`] and [`UsageNames::from_env`].
    pub fn from_env() -> Self {
        Self { content: ContentPolicy::from_env(), usage_names: UsageNames::from_env() }
    }
}
