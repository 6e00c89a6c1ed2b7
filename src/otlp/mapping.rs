//! The settings of exported spans: their content, and the names of their attributes.

use super::content_policy::ContentPolicy;
use super::usage_names::UsageNames;

/// The content of exported spans, and the names of their usage attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Decides if exported spans have content. See [`ContentPolicy`].
    pub content: ContentPolicy,
    /// Names of the attributes with token counts.
    pub usage_names: UsageNames,
}

impl Mapping {
    /// Reads the settings from the environment: see [`ContentPolicy::from_env`] and [`UsageNames::from_env`].
    pub fn from_env() -> Self {
        Self { content: ContentPolicy::from_env(), usage_names: UsageNames::from_env() }
    }
}
