//! The fields of a span that tell the configuration of a thread: [`SessionFields`].

use serde_json::{Map, Value};

use crate::layer::operation::{SessionMetadata, session_source_from_text};
use crate::semconv;

/// Fields that tell the configuration of a thread, beside its agent and model. Few spans have them, so they are in one
/// allocation.
#[derive(Debug, Default, Clone)]
pub(super) struct SessionFields {
    source: Option<String>,
    cwd: Option<String>,
    rollout_path: Option<String>,
    approval_policy: Option<String>,
    sandbox_policy: Option<String>,
    /// Further members of the metadata: an object as JSON text.
    further: Option<String>,
}

impl SessionFields {
    /// Returns `true` if the field `name` is stored here.
    pub(super) fn has_name(name: &str) -> bool {
        name.starts_with(semconv::SESSION_NAMESPACE) && Self::default().slot(name).is_some()
    }

    /// Returns the member that stores the field `name`. Returns `None` for other fields.
    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            semconv::SESSION_SOURCE => &mut self.source,
            semconv::SESSION_CWD => &mut self.cwd,
            semconv::SESSION_ROLLOUT_PATH => &mut self.rollout_path,
            semconv::SESSION_APPROVAL_POLICY => &mut self.approval_policy,
            semconv::SESSION_SANDBOX_POLICY => &mut self.sandbox_policy,
            semconv::SESSION_METADATA => &mut self.further,
            _ => return None,
        })
    }

    /// Replaces the values of all fields that are set in `newer`.
    pub(super) fn merge(&mut self, newer: Self) {
        let Self { source, cwd, rollout_path, approval_policy, sandbox_policy, further } = newer;
        self.source = source.or(self.source.take());
        self.cwd = cwd.or(self.cwd.take());
        self.rollout_path = rollout_path.or(self.rollout_path.take());
        self.approval_policy = approval_policy.or(self.approval_policy.take());
        self.sandbox_policy = sandbox_policy.or(self.sandbox_policy.take());
        self.further = further.or(self.further.take());
    }

    /// Sets the members of the metadata that these fields tell.
    pub(super) fn apply_to(&self, metadata: &mut SessionMetadata) {
        let Self { source, cwd, rollout_path, approval_policy, sandbox_policy, further } = self;
        metadata.session_source = source.as_deref().map(session_source_from_text);
        metadata.cwd.clone_from(cwd);
        metadata.rollout_path.clone_from(rollout_path);
        metadata.approval_policy.clone_from(approval_policy);
        metadata.sandbox_policy.clone_from(sandbox_policy);
        metadata.further = further.as_deref().map(further_members).unwrap_or_default();
    }
}

/// Parses further members. Text that is not a JSON object becomes one member, of the field's name.
fn further_members(text: &str) -> Map<String, Value> {
    serde_json::from_str(text)
        .unwrap_or_else(|_| Map::from_iter([(semconv::SESSION_METADATA.to_owned(), Value::String(text.to_owned()))]))
}
