//! Settings of what spans export, and under which names.

use super::content_policy::ContentPolicy;
use super::usage_names::UsageNames;

/// Settings of exported spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Policy for content.
    pub content: ContentPolicy,
    /// Names of the usage attributes.
    pub usage_names: UsageNames,
}

impl Mapping {
    /// Reads the settings from the environment: see [`ContentPolicy::from_env`] and [`UsageNames::from_env`].
    pub fn from_env() -> Self {
        Self { content: ContentPolicy::from_env(), usage_names: UsageNames::from_env() }
    }
}
