//! What is known of a text up to the place of the search: [`Surroundings`].

use super::nesting::Nesting;
use super::open_tag::OpenTag;
use super::section::Section;

/// What stands around the place of the search. Each part goes over the text once, when it is asked for, so that no name
/// makes masking look back far.
pub(super) struct Surroundings {
    pub(super) nesting: Nesting,
    pub(super) section: Section,
    pub(super) tag: OpenTag,
}

impl Surroundings {
    /// Creates the surroundings of index `at`, which stands in a number of JSON strings.
    pub(super) fn from(at: usize, depth: u32) -> Self {
        Self { nesting: Nesting::from(at, depth), section: Section::from(at), tag: OpenTag::from(at) }
    }
}
