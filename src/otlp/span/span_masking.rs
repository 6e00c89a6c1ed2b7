//! Masks the texts that a program or a framework puts into exported spans: [`SpanMasking`].
//!
//! What the recorder's events say of an operation is masked when it is recorded. Everything else in a span
//! (`tracing-opentelemetry` exports all fields and events) is masked here, by the recorder's rules, before it is sent.

use std::borrow::Cow;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use opentelemetry::trace::{Event, Link, Status};
use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

use super::attribute;
use super::describe::DESCRIBED_MARKER;
use crate::mask::Rules;
use crate::otlp::resource_json::{value_from_json, value_to_json};

/// The rules by which the texts of exported spans are masked: those of every recorder whose spans are exported, or
/// default rules while there is none.
#[derive(Debug)]
pub(crate) struct SpanMasking {
    default: Rules,
    recorders: RwLock<Vec<Rules>>,
}

impl SpanMasking {
    /// Creates the masking of a pipeline that exports no recorder's spans yet.
    pub(crate) fn new(default: Rules) -> Self {
        Self { default, recorders: RwLock::default() }
    }

    /// Adds the rules of a recorder whose spans are exported.
    pub(crate) fn add(&self, rules: Rules) {
        let mut recorders = self.recorders.write().unwrap_or_else(PoisonError::into_inner);
        if !recorders.iter().any(|known| known.is_same(&rules)) {
            recorders.push(rules);
        }
    }

    /// Masks the name, the status, the attributes, the events and the links of a span, but for what
    /// [`describe`](super::describe::describe) made of recorded events. Runs code of the program.
    pub(super) fn mask(&self, span: &mut SpanData) {
        // No lock is held while a redactor runs.
        let recorders = self.recorders.read().unwrap_or_else(PoisonError::into_inner).clone();
        match recorders.is_empty() {
            true => mask_span(span, &self.default),
            false => recorders.iter().for_each(|rules| mask_span(span, rules)),
        }
    }
}

/// Returns the resource with its values masked.
pub(crate) fn mask_resource(resource: &Resource, rules: &Rules) -> Resource {
    let mut attributes: Vec<_> =
        resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    mask_attributes(attributes.iter_mut().collect(), rules);
    let builder = Resource::builder_empty();
    let schema = resource.schema_url().map(str::to_owned);
    match schema {
        Some(schema) => builder.with_schema_url(attributes, schema).build(),
        None => builder.with_attributes(attributes).build(),
    }
}

fn mask_span(span: &mut SpanData, rules: &Rules) {
    mask_text(&mut span.name, rules);
    if let Status::Error { description } = &mut span.status {
        mask_text(description, rules);
    }
    let marker = span.attributes.iter().rposition(|attribute| attribute.key.as_str() == DESCRIBED_MARKER);
    let is_described =
        |(index, it): &(usize, &mut KeyValue)| marker.is_some_and(|marker| *index >= marker) && is_ours(&it.key);
    let attributes = span.attributes.iter_mut().enumerate().filter(|it| !is_described(it));
    mask_attributes(attributes.map(|(_, attribute)| attribute).collect(), rules);
    span.events.events.iter_mut().for_each(|event| mask_event(event, rules));
    span.links.links.iter_mut().for_each(|link| mask_link(link, rules));
}

/// Returns `true` for the names of attributes that [`describe`](super::describe::describe) and links of this crate have.
fn is_ours(key: &Key) -> bool {
    key.as_str() == DESCRIBED_MARKER || attribute::row(key.as_str()).is_some()
}

fn mask_event(event: &mut Event, rules: &Rules) {
    mask_text(&mut event.name, rules);
    mask_attributes(event.attributes.iter_mut().collect(), rules);
}

fn mask_link(link: &mut Link, rules: &Rules) {
    let own = link.attributes.iter_mut().filter(|attribute| attribute.key.as_str() != attribute::LINK);
    mask_attributes(own.collect(), rules);
}

fn mask_text(text: &mut Cow<'static, str>, rules: &Rules) {
    let masked = match rules.text(text) {
        Cow::Borrowed(_) => return,
        Cow::Owned(masked) => masked,
    };
    *text = masked.into();
}

/// Masks attributes as the members of one JSON object, as the recorder does, so that the same names are sensitive.
fn mask_attributes(mut attributes: Vec<&mut KeyValue>, rules: &Rules) {
    if attributes.is_empty() {
        return;
    }
    let Ok(json) = serde_json::to_string(&Members(&attributes)) else { return };
    let Cow::Owned(masked) = rules.json(&json) else { return };
    match serde_json::from_str::<MaskedMembers<'_>>(&masked) {
        Ok(MaskedMembers(members)) if members.len() == attributes.len() => {
            attributes.iter_mut().zip(members).for_each(|(attribute, member)| set(attribute, member));
        }
        // The redactor made something else of the object.
        Ok(_) | Err(_) => attributes.iter_mut().for_each(|attribute| mask_value(attribute, rules)),
    }
}

/// Sets the masked key and value of an attribute. A value that is not masked keeps its type.
fn set(attribute: &mut KeyValue, (key, value): (String, &RawValue)) {
    if key != attribute.key.as_str() {
        attribute.key = key.into();
    }
    let is_changed = serde_json::to_string(&value_to_json(&attribute.value)).is_ok_and(|own| own != value.get());
    if is_changed {
        let masked = serde_json::from_str(value.get()).ok().and_then(value_from_json);
        attribute.value = masked.unwrap_or_else(|| Value::from(value.get().to_owned()));
    }
}

/// Masks the value of an attribute, without its name, as text.
fn mask_value(attribute: &mut KeyValue, rules: &Rules) {
    if let Cow::Owned(masked) = rules.text(&attribute.value.as_str()) {
        attribute.value = masked.into();
    }
}

/// Attributes as the members of a JSON object; a key may occur several times.
struct Members<'a>(&'a [&'a mut KeyValue]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|it| map.serialize_entry(it.key.as_str(), &value_to_json(&it.value)))?;
        map.end()
    }
}

/// The members of a JSON object, in their order; a key may occur several times.
struct MaskedMembers<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for MaskedMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}

#[cfg(test)]
#[path = "tests/span_masking.rs"]
mod tests;
