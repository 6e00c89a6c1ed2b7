//! A callsite that stands for those of the typed handles: [`PROBE`].

use tracing::callsite::Identifier;
use tracing::field::FieldSet;
use tracing::metadata::Kind as MetadataKind;
use tracing::subscriber::Interest;
use tracing::{Callsite, Level, Metadata};

use super::callsites::HANDLE_TARGET;
use crate::semconv;

/// A callsite like those of the typed handles, used to check whether a subscriber would enable their spans.
pub(super) struct Probe;

pub(super) static PROBE: Probe = Probe;

static PROBE_METADATA: Metadata<'static> = Metadata::new(
    "invoke_agent",
    HANDLE_TARGET,
    Level::INFO,
    None,
    None,
    None,
    FieldSet::new(&[semconv::KIND], Identifier(&PROBE)),
    MetadataKind::SPAN,
);

impl Callsite for Probe {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &'static Metadata<'static> {
        &PROBE_METADATA
    }
}
