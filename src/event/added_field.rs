//! Fields that this library adds to the events of format 1.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Deserializes an added field. Returns `None` for a value of another type: other producers may use the name for something
/// else, and the event is valid without the field.
pub(super) fn parse<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(text.get()).ok())
}
