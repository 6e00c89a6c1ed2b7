//! Tests of `send::resource`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use opentelemetry::{Key, Value};

use super::*;

#[track_caller]
fn check<const N: usize>(name: Option<&str>, attributes: &[KeyValue], variables: [(&str, &str); N], expected: &str) {
    let resource = resolve(name, attributes, &variables.into()).unwrap();
    assert_eq!(resource.get(&Key::new(SERVICE_NAME)), Some(Value::from(expected.to_owned())));
}

#[test]
fn code_precedes_variables_and_names_precede_attributes() {
    let name = ("OTEL_SERVICE_NAME", "a");
    let list = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=b%20c,x=1");
    let attribute = [KeyValue::new(SERVICE_NAME, "d")];
    check(None, &[], [], &unknown_service());
    check(None, &[], [list], "b c");
    check(None, &[], [list, name], "a");
    check(None, &attribute, [list, name], "d");
    check(Some("e"), &attribute, [list, name], "e");
    let resource = resolve(None, &[], &[list].into()).unwrap();
    assert_eq!(resource.get(&Key::new("x")), Some(Value::from("1")));
}
