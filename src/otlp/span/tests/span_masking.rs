use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::{Array, KeyValue, Value};

use super::*;
use crate::event::PayloadKind;
use crate::mask::{Masking, Redactor};

fn masked(attributes: &[KeyValue], rules: &Rules) -> Vec<KeyValue> {
    let mut attributes = attributes.to_vec();
    mask_attributes(attributes.iter_mut().collect(), rules);
    attributes
}

fn rules() -> Rules {
    Masking::new().salt([1; 16]).into()
}

#[test]
fn values_without_secrets_keep_their_types() {
    let attributes = [
        KeyValue::new("retries", 3),
        KeyValue::new("ratio", f64::NAN),
        KeyValue::new("is_last", true),
        KeyValue::new("names", Value::Array(Array::I64(vec![1_234_567, 2]))),
        KeyValue::new("text", "a \"quoted\" text"),
        KeyValue::new("key", "a"),
        KeyValue::new("key", "b"),
    ];
    let with_secret = [&attributes[..], &[KeyValue::new("password", "x1y2z3")]].concat();
    let result = masked(&with_secret, &rules());
    assert_eq!(format!("{:?}", &result[..7]), format!("{attributes:?}"));
    assert!(result[7].value.as_str().starts_with("[masked:"), "{result:?}");
    assert_eq!(masked(&attributes[2..], &rules()), attributes[2..]);
}

#[test]
fn name_and_value_in_two_attributes_belong_together() {
    let pair = [KeyValue::new("name", "password"), KeyValue::new("value", "x1y2z3")];
    assert!(masked(&pair, &rules())[1].value.as_str().starts_with("[masked:"));
}

#[test]
fn redactor_that_breaks_the_object_is_applied_to_each_value() {
    struct Braces;
    impl Redactor for Braces {
        fn redact(&self, _: PayloadKind, _: &mut Vec<u8>, _: bool) {}

        fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
            text.trim_start_matches('{').into()
        }
    }
    let rules = Rules::new(Some(Arc::new(Braces)), Arc::new(Masking::off()));
    let attributes = [KeyValue::new("a", "{x"), KeyValue::new("b", 1)];
    assert_eq!(masked(&attributes, &rules), [KeyValue::new("a", "x"), KeyValue::new("b", 1)]);
}

#[test]
fn rules_of_one_recorder_are_added_once() {
    let masking = SpanMasking::new(rules());
    let recorder = rules();
    masking.add(recorder.clone());
    masking.add(recorder);
    masking.add(rules());
    assert_eq!(masking.recorders.read().expect("no panic").len(), 2);
}
