use serde_json::{Value, json};

use crate::provider::{Entries, Output, PartContent, Request, Response};

#[test]
fn instructions_are_those_of_the_recognized_api() {
    let check = |fields: &[&str], expected: Option<&str>| {
        let body = fields.iter().map(|&name| (name.to_owned(), json!([]))).collect::<serde_json::Map<_, _>>();
        let body = Value::from(body).to_string();
        let pointer = Request::parse(&body).expect("an object").instructions().map(|found| found.pointer);
        assert_eq!(pointer.as_deref(), expected, "{body}");
    };
    let all = ["instructions", "system", "systemInstruction", "system_instruction", "gen_ai.system_instructions"];
    let with = |list: &'static str| [&all[..], &[list]].concat();
    check(&with("input"), Some("/instructions"));
    check(&with("gen_ai.input.messages"), Some("/gen_ai.system_instructions"));
    check(&with("contents"), Some("/systemInstruction"));
    check(&with("messages"), Some("/system"));
    check(&all, Some("/instructions"));
    check(&["contents", "system_instruction", "system"], Some("/system_instruction"));
    check(&["input", "system"], None);
    check(&["messages", "instructions"], None);
    check(&[], None);
}

#[test]
fn request_with_several_lists_belongs_to_the_first_api() {
    let list_of = |fields: &[&str]| {
        let body: serde_json::Map<_, _> =
            fields.iter().map(|&name| (name.to_owned(), json!([{ "from": name }]))).collect();
        let body = Value::from(body).to_string();
        match Request::parse(&body).expect("an object").entries() {
            Some(Entries::List(list)) => list[0].get().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    let all = ["messages", "contents", "gen_ai.input.messages", "input"];
    assert_eq!(list_of(&all), r#"{"from":"input"}"#);
    assert_eq!(list_of(&all[..3]), r#"{"from":"gen_ai.input.messages"}"#);
    assert_eq!(list_of(&all[..2]), r#"{"from":"contents"}"#);
}

#[test]
fn response_with_several_outputs_belongs_to_the_first_api() {
    let all = [
        ("output", json!([])),
        ("choices", json!([])),
        ("content", json!("text")),
        ("candidates", json!([{}])),
        ("gen_ai.output.messages", json!([])),
        ("promptFeedback", json!({})),
    ];
    let output_from = |first: usize| {
        let body: serde_json::Map<_, _> =
            all[first..].iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let body = Value::from(body).to_string();
        match Response::parse(&body).expect("an object").output() {
            Output::Items(_) => "items",
            Output::Choices(choices) if choices.is_empty() => "choices",
            Output::Choices(_) => "candidates",
            Output::Content(_) => "content",
            Output::AttributeMessages(_) => "messages",
            Output::Empty => "empty",
            Output::Unknown => "unknown",
        }
    };
    let outputs: Vec<_> = (0..=all.len()).map(output_from).collect();
    assert_eq!(outputs, ["items", "choices", "content", "candidates", "messages", "empty", "unknown"]);
}

#[test]
fn tools_are_found_at_any_depth() {
    let pointer = |body: Value| {
        let body = body.to_string();
        Request::parse(&body)
            .expect("an object")
            .tools()
            .map(|(pointer, tools)| (pointer.into_owned(), tools.get().to_owned()))
    };
    let nested = json!({ "messages": [], "toolConfig": { "tools": [1] } });
    assert_eq!(pointer(nested), Some(("/toolConfig/tools".to_owned(), "[1]".to_owned())));
    assert_eq!(pointer(json!({ "messages": [], "tools": [2] })), Some(("/tools".to_owned(), "[2]".to_owned())));
    assert_eq!(pointer(json!({ "messages": [], "toolConfig": [] })), None);
    assert_eq!(pointer(json!({ "messages": [], "toolConfig": { "tools": null } })), None);
}

#[test]
fn values_are_borrowed_from_the_body() {
    let body = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Hello.","a":1.0e2}]}]}"#;
    let entries = Request::parse(body).and_then(|request| request.entries()).expect("messages");
    let Entries::List(list) = entries else { panic!("{entries:?}") };
    let parts = crate::provider::Message::read(list[0]).expect("a message").into_parts();
    let PartContent::Text(Some(text)) = parts[0].content else { panic!("{parts:?}") };
    assert!(body.as_bytes().as_ptr_range().contains(&text.get().as_ptr()));
    assert_eq!(parts[0].raw.get(), r#"{"type":"text","text":"Hello.","a":1.0e2}"#);
}
