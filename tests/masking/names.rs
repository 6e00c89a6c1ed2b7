//! Values of sensitive names.

use otel_trace::Masking;
use serde_json::{Value, json};

const SECRET: &str = "hunter two, \"quoted\" \\ and\nbroken \u{e9}";

fn masked(value: &Value) -> Value {
    let mut body = serde_json::to_vec(value).unwrap();
    Masking::new().body(&mut body, true);
    serde_json::from_slice(&body).unwrap()
}

fn is_masked(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("[masked:") && text.ends_with(']'))
}

#[test]
fn sensitive_names_are_found_in_any_spelling() {
    let names = [
        "authorization",
        "Authorization",
        "AuThOrIzAtIoN",
        "proxy-authorization",
        "x-api-key",
        "X-Api-Key",
        "api_key",
        "apiKey",
        "apikey",
        "x-goog-api-key",
        "cookie",
        "Set-Cookie",
        "password",
        "PASSWD",
        "secret",
        "client_secret",
        "clientSecret",
        "access_token",
        "accessToken",
        "refresh_token",
        "private_key",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "http.request.header.authorization",
    ];
    for name in names {
        assert!(is_masked(&masked(&json!({ "a": 1, name: SECRET, "z": 2 }))[name]), "{name}");
        let text = json!({ "a": 1, name: SECRET }).to_string();
        let twice = json!({ "again": text }).to_string();
        let outer = masked(&json!({ "arguments": text, "twice": twice }));
        let inner: Value = serde_json::from_str(outer["arguments"].as_str().unwrap()).unwrap();
        assert!(is_masked(&inner[name]), "{name}: {outer}");
        let inner: Value = serde_json::from_str(outer["twice"].as_str().unwrap()).unwrap();
        let inner: Value = serde_json::from_str(inner["again"].as_str().unwrap()).unwrap();
        assert!(is_masked(&inner[name]), "{name}: {outer}");
    }
}

#[test]
fn similar_names_are_unchanged() {
    for name in [
        "tokens",
        "max_tokens",
        "input_tokens",
        "key",
        "keys",
        "keyboard",
        "author",
        "authority",
        "secretary",
        "passwordless",
        "cookie_count",
        "next_page_token",
        "api_key_id",
    ] {
        let value = json!({ name: SECRET });
        assert_eq!(masked(&value), value);
    }
}

#[test]
fn authorization_scheme_is_kept() {
    let value = masked(&json!({ "Authorization": "Bearer abc" }));
    assert!(value["Authorization"].as_str().unwrap().starts_with("Bearer [masked:secret:"), "{value}");
}

#[test]
fn sensitive_objects_and_lists_keep_their_structure() {
    let value = masked(&json!({
        "cookies": [{ "name": "sid", "value": "abc", "expires": 17, "secure": true, "path": null }],
        "set-cookie": ["a=b", "c=d"],
        "password": 123_456,
        "pin_password": 1234,
        "secret": false,
        "passwd": "",
        "next": "as it was",
    }));
    let cookie = &value["cookies"][0];
    assert!(["name", "value"].iter().all(|name| is_masked(&cookie[name])) && cookie["expires"] == 17, "{value}");
    assert_eq!((&cookie["secure"], &cookie["path"]), (&json!(true), &Value::Null));
    assert!(value["set-cookie"].as_array().unwrap().iter().all(is_masked) && is_masked(&value["password"]), "{value}");
    assert_eq!((&value["secret"], &value["passwd"], &value["next"]), (&json!(false), &json!(""), &json!("as it was")));
}

#[test]
fn masked_number_in_json_text_stays_valid_json() {
    let value = masked(&json!({ "arguments": json!({ "password": 1_234_567, "x": [1] }).to_string() }));
    let inner: Value = serde_json::from_str(value["arguments"].as_str().unwrap()).unwrap();
    assert!(is_masked(&inner["password"]), "{inner}");
    assert_eq!(inner["x"], json!([1]));
}

#[test]
fn schema_of_a_secret_parameter_is_kept() {
    let schema = |example: &str| {
        json!({ "properties": { "password": {
            "type": "string", "description": "The user's.", "minLength": 8, "example": example } } })
    };
    let value = masked(&schema("hunter2"));
    let example = value["properties"]["password"]["example"].as_str().unwrap().to_owned();
    assert!(example.starts_with("[masked:"), "{value}");
    assert_eq!(value, schema(&example));
}

#[test]
fn header_pairs_are_masked() {
    let value = masked(&json!({
        "pairs": [["content-type", "json"], ["authorization", "Basic abc"]],
        "named": [{ "name": "Cookie", "value": "sid=1" }],
        "required": ["path", "password", "cookie"],
    }));
    assert!(value["pairs"][1][1].as_str().unwrap().starts_with("Basic [masked:"), "{value}");
    assert!(is_masked(&value["named"][0]["value"]), "{value}");
    assert_eq!(
        (&value["pairs"][0], &value["required"]),
        (&json!(["content-type", "json"]), &json!(["path", "password", "cookie"]))
    );
}

#[test]
fn header_lines_are_masked_in_commands_logs_and_streams() {
    let masking = Masking::new();
    let check = |text: &str| {
        let escaped = json!({ "cmd": text }).to_string();
        let stream = format!("event: x\ndata: {escaped}\n\ndata: [DONE]\n\n");
        for text in [text, &escaped, &stream] {
            let masked = masking.text(text);
            assert!(!masked.contains("s3cr3t"), "{masked}");
            assert_eq!(masked.matches("[masked:").count(), 1, "{masked}");
        }
    };
    check(r#"curl -H "Authorization: Bearer s3cr3t" https://example.com"#);
    check("curl -H 'authorization: Basic s3cr3tAA==' -d x");
    check("curl -H 'x-api-key: s3cr3ts3cr3t'");
    check("> GET / HTTP/1.1\n> Authorization: Bearer s3cr3t\n> accept: */*");
    check("GET / HTTP/1.1\r\nCookie: sid=s3cr3t; theme=dark\r\nHost: x\r\n");
    check("headers = {'Authorization': 'Bearer s3cr3t'}");
    check("{ headers: { Authorization: \"Bearer s3cr3t\" } }");
    check("authorization: AWS4-HMAC-SHA256 Credential=x/y, Signature=s3cr3t");
}

#[test]
fn templates_and_prose_are_unchanged() {
    for text in [
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer <token>",
        "Authorization: Bearer {token}",
        "struct Request { authorization: String, cookie: Option<Cookie>, api_key: ApiKey }",
        "Put the authorization header first: it is a secret, and the password: never.",
        "let password = read_password();",
    ] {
        assert_eq!(Masking::new().text(text), text);
    }
}

#[test]
fn custom_names_and_patterns_are_masked() {
    let masking = Masking::new().name("X-Tenant").pattern(r"\b\d{4}-\d{4}\b").unwrap().pattern("pin=([a-z]+)").unwrap();
    let value = json!({ "xTenant": "acme", "card": "of 1234-5678, \"quoted\"", "n": 12, "t": "pin=abc" });
    let mut body = serde_json::to_vec(&value).unwrap();
    assert!(masking.body(&mut body, true));
    let masked: Value = serde_json::from_slice(&body).unwrap();
    assert!(is_masked(&masked["xTenant"]), "{masked}");
    assert!(masked["card"].as_str().unwrap().starts_with("of [masked:secret:"), "{masked}");
    assert!(masked["t"].as_str().unwrap().starts_with("pin=[masked:secret:"), "{masked}");
    assert_eq!(masked["n"], 12);
    let error = Masking::new().pattern("(").unwrap_err().to_string();
    assert!(error.starts_with("not a valid regular expression"), "{error}");
}

#[test]
fn masking_off_masks_nothing() {
    let text = r#"{"authorization":"Bearer abc"}"#;
    assert_eq!(Masking::off().text(text), text);
}
