//! The wire form of token usage in `state.json`.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::event::{Usage, is_zero};

/// Token usage in `state.json`. Unlike an event, it always has `cache_write_input_tokens`.
pub(super) struct WireUsage(pub(super) Usage);

impl Serialize for WireUsage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_input_tokens,
            cache_write_1h_input_tokens,
            output_tokens,
            reasoning_output_tokens,
        } = &self.0;
        let mut fields = serializer.serialize_struct("Usage", 6)?;
        fields.serialize_field("input_tokens", input_tokens)?;
        fields.serialize_field("cached_input_tokens", cached_input_tokens)?;
        fields.serialize_field("cache_write_input_tokens", cache_write_input_tokens)?;
        if is_zero(cache_write_1h_input_tokens) {
            fields.skip_field("cache_write_1h_input_tokens")?;
        } else {
            fields.serialize_field("cache_write_1h_input_tokens", cache_write_1h_input_tokens)?;
        }
        fields.serialize_field("output_tokens", output_tokens)?;
        fields.serialize_field("reasoning_output_tokens", reasoning_output_tokens)?;
        fields.end()
    }
}

/// Serializes the token usage of an object, or null if it is unknown.
#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(super) fn serialize_optional<S: Serializer>(usage: &Option<Usage>, serializer: S) -> Result<S::Ok, S::Error> {
    usage.map(WireUsage).serialize(serializer)
}
