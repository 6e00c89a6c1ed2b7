//! Attributes as JSON: those of a resource as the object that a manifest keeps.

use std::collections::BTreeMap;

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use serde_json::Value as Json;

use crate::event::RawJson;

/// Returns the attributes of a resource, in the order of their keys.
pub(super) fn to_json(resource: &Resource) -> RawJson {
    let attributes = resource.iter().map(|(key, value)| (key.as_str(), value_to_json(value)));
    RawJson::from_value(&attributes.collect::<BTreeMap<_, _>>())
}

/// Returns the attributes of a resource that a manifest keeps. Members that no attribute can have are left out.
pub(super) fn from_json(attributes: &RawJson) -> Vec<KeyValue> {
    let members: BTreeMap<String, Json> = serde_json::from_str(attributes.as_str()).unwrap_or_default();
    members.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value_from_json(value)?))).collect()
}

/// Returns the value of an attribute as JSON.
pub(super) fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::I64(value) => (*value).into(),
        Value::F64(value) => (*value).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => array_to_json(values),
        // The enum is of another crate, which may add variants.
        _ => value.as_str().as_ref().into(),
    }
}

fn array_to_json(values: &Array) -> Json {
    match values {
        Array::Bool(values) => values.clone().into(),
        Array::I64(values) => values.clone().into(),
        Array::F64(values) => values.clone().into(),
        Array::String(texts) => texts.iter().map(StringValue::as_str).collect(),
        _ => Json::Null,
    }
}

/// Returns the value of an attribute. Returns `None` for JSON that no attribute can have.
pub(super) fn value_from_json(value: Json) -> Option<Value> {
    Some(match value {
        Json::Bool(value) => value.into(),
        Json::Number(number) => match number.as_i64() {
            Some(value) => value.into(),
            None => number.as_f64()?.into(),
        },
        Json::String(text) => text.into(),
        Json::Array(values) => Value::Array(array_from_json(&values)?),
        Json::Null | Json::Object(_) => return None,
    })
}

/// Returns an array of an attribute, whose values have one type.
fn array_from_json(values: &[Json]) -> Option<Array> {
    let bools = || Some(Array::Bool(values.iter().map(Json::as_bool).collect::<Option<_>>()?));
    let integers = || Some(Array::I64(values.iter().map(Json::as_i64).collect::<Option<_>>()?));
    let floats = || Some(Array::F64(values.iter().map(Json::as_f64).collect::<Option<_>>()?));
    let texts = values.iter().map(|value| Some(StringValue::from(value.as_str()?.to_owned()))).collect::<Option<_>>();
    texts.map(Array::String).or_else(bools).or_else(integers).or_else(floats)
}
