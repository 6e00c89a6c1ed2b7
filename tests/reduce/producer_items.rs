//! Conversation items as the producer of format 1 writes them today: tools and instructions among the items, items that
//! clients repeat in part, reasoning with other text.

use otel_trace::graph::{Code, Graph, ItemKind, Part, Pointer};
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use crate::case::{
    Case, assistant, call, function_call, function_output, item, parts, request_items, response_items, user,
};
use crate::unread_fields::unread;

fn additional_tools() -> Value {
    json!({ "type": "additional_tools", "role": "developer", "tools": [{ "type": "function", "name": "shell" }] })
}

fn compaction_trigger() -> Value {
    json!({ "type": "compaction_trigger" })
}

fn developer(text: &str) -> Value {
    json!({ "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": text }] })
}

/// Returns the pointers to the instructions and to the tools of a call.
fn pointers(graph: &Graph, id: &str) -> [Option<String>; 2] {
    let pointer = |pointer: &Option<Pointer>| pointer.as_ref().map(|pointer| pointer.pointer.to_string());
    [pointer(&call(graph, id).instructions), pointer(&call(graph, id).tools)]
}

/// Reduces a request with this body and returns the pointers to its instructions and to its tools.
fn pointers_of(body: Value) -> [Option<String>; 2] {
    let mut case = Case::new();
    case.request_body("a", body);
    pointers(&case.try_reduce(&Options::default().strict(true)).unwrap().graph, "a")
}

#[test]
fn tools_and_triggers_are_no_items() {
    let mut case = Case::new();
    case.request("a", [additional_tools(), user("1"), compaction_trigger()]);
    case.response("a", [additional_tools(), assistant("2"), compaction_trigger()]);
    case.request_after("b", "resp-a", [compaction_trigger(), user("3"), additional_tools()]);
    case.request("c", [additional_tools(), user("1"), assistant("2"), user("3")]);
    let graph = case.check_strict(&[]);
    assert_eq!((request_items(&graph, "a"), response_items(&graph, "a")), (vec![1], vec![2]));
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!(graph.items().count(), 3);
}

#[test]
fn tools_and_triggers_are_no_items_of_a_checkpoint_or_prefix() {
    let mut case = Case::new();
    case.request("a", [additional_tools(), user("1")]);
    let checkpoint = json!({ "input_history": [additional_tools(), user("1"), compaction_trigger()],
        "replacement_history": [additional_tools(), user("short"), compaction_trigger()] });
    let checkpoint = case.body("compaction_checkpoint", checkpoint);
    case.event(json!({ "type": "compaction_installed", "compaction_id": "k", "checkpoint_payload": checkpoint }));
    let prefix = case.body("inference_request", json!({ "input": [additional_tools(), user("untold")] }));
    let body = json!({ "input": [compaction_trigger(), user("5")], "previous_response_id": "gone" });
    let body = case.body("inference_request", body);
    case.event(json!({ "type": "inference_started", "inference_call_id": "b", "thread_id": "t", "codex_turn_id": "u",
        "model": "m", "provider_name": "p", "request_payload": body, "request_input_mode":
            { "type": "incremental_with_untraced_prefix", "previous_response_id": "gone", "prefix_payload": prefix } }));
    let graph = case.check_strict(&[]);
    let compaction = graph.compactions.get("k").unwrap();
    let numbers = |ids: &[otel_trace::graph::ItemId]| ids.iter().map(|item| item.number()).collect::<Vec<_>>();
    assert_eq!(numbers(&compaction.input_item_ids), [1]);
    assert_eq!(numbers(&compaction.replacement_item_ids), [3]);
    assert_eq!(request_items(&graph, "b"), [4, 5]);
}

#[test]
fn tools_among_the_items_are_the_tools_of_a_body_without_any() {
    let tools = |body: Value| pointers_of(body)[1].clone();
    assert_eq!(tools(json!({ "input": [additional_tools(), user("1")] })).as_deref(), Some("/input/0/tools"));
    assert_eq!(tools(json!({ "input": [user("1"), additional_tools()] })).as_deref(), Some("/input/1/tools"));
    for none in [json!([]), Value::Null] {
        let body = json!({ "input": [additional_tools(), user("1")], "tools": none });
        assert_eq!(tools(body).as_deref(), Some("/input/0/tools"));
    }
    let body = json!({ "input": [additional_tools()], "tools": [{ "type": "function", "name": "f" }] });
    assert_eq!(tools(body).as_deref(), Some("/tools"));
    // Items that define nothing.
    let empty = json!({ "type": "additional_tools", "role": "developer", "tools": [] });
    assert_eq!(
        tools(json!({ "input": [empty, user("additional_tools"), additional_tools()] })).as_deref(),
        Some("/input/2/tools")
    );
    assert_eq!(tools(json!({ "input": [empty], "tools": [] })).as_deref(), Some("/tools"));
    assert_eq!(tools(json!({ "input": [{ "type": "additional_tools" }] })), None);
    assert_eq!(tools(json!({ "input": [user("1")] })), None);
}

#[test]
fn developer_message_after_the_tools_is_the_instructions_of_a_body_without_any() {
    let mut case = Case::new();
    case.request("a", [additional_tools(), developer("rules"), user("1")]);
    let graph = case.check_strict(&[]);
    assert_eq!(pointers(&graph, "a")[0].as_deref(), Some("/input/1"));
    assert_eq!(parts(&graph, 1), [Part::Text("rules".into())], "the message stays an item");
    assert_eq!(request_items(&graph, "a"), [1, 2]);

    let instructions = |body: Value| pointers_of(body)[0].clone();
    let body = json!({ "input": [additional_tools(), developer("rules")], "instructions": "" });
    assert_eq!(instructions(body).as_deref(), Some("/input/1"));
    let body = json!({ "input": [additional_tools(), developer("rules")], "instructions": "others" });
    assert_eq!(instructions(body).as_deref(), Some("/instructions"));
    let body =
        json!({ "input": [additional_tools(), developer("rules")], "tools": [{ "type": "function", "name": "f" }] });
    assert_eq!(instructions(body).as_deref(), Some("/input/1"));
    assert_eq!(instructions(json!({ "input": [additional_tools(), user("1"), developer("rules")] })), None);
    assert_eq!(instructions(json!({ "input": [developer("rules"), additional_tools()] })), None);
    assert_eq!(
        instructions(json!({ "input": [developer("rules"), user("1")], "instructions": "" })).as_deref(),
        Some("/instructions")
    );
}

/// Returns items of an answer that are known by their JSON as a whole, and others between them.
fn answer() -> Vec<Value> {
    vec![
        json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VhbGVk", "status": null }),
        json!({ "type": "web_search_call", "id": "ws_1", "status": "completed",
            "action": { "type": "search", "query": "weather bern" } }),
        json!({ "type": "new_interpreter_call", "id": "ci_1", "status": "completed", "code": "1+1",
            "container_id": "cntr_1", "outputs": null }),
        json!({ "type": "local_shell_call", "id": "lsh_1", "call_id": "call_ls", "status": "completed",
            "action": { "type": "exec", "command": ["ls"], "env": {} } }),
        json!({ "type": "custom_tool_call", "id": "ctc_1", "call_id": "call_c", "name": "odd", "status": "completed",
            "input": null }),
        json!({ "type": "function_call", "id": "fc_1", "call_id": "call_f", "name": "f", "arguments": "{}",
            "status": "completed" }),
        json!({ "type": "mcp_tool_call_output", "id": "mo_1", "call_id": "call_m", "status": "completed",
            "output": { "content": [] }, "error": null }),
        json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": "Sunny.", "annotations": [], "logprobs": [] }] }),
    ]
}

/// Returns the item as clients repeat it: without its `id`, nulls, and `more` fields.
fn repeated(item: &Value, more: &[&str]) -> Value {
    let fields = item.as_object().unwrap().clone().into_iter();
    fields.filter(|(name, value)| name != "id" && !value.is_null() && !more.contains(&&**name)).collect()
}

#[test]
fn items_that_a_client_repeats_in_part_are_those_of_the_answer() {
    let mut case = Case::new();
    let with_passthrough = |item: &Value| {
        let mut item = repeated(item, &["status"]);
        item["internal_chat_message_metadata_passthrough"] = json!({ "turn": 7 });
        item["metadata"] = json!({ "turn": 7 });
        item["created_by"] = Value::Null;
        item
    };
    let after = |items: Vec<Value>| [vec![user("Weather?")], items].concat();
    case.request("a", [user("Weather?")]);
    case.response("a", answer());
    case.request("b", after(answer().iter().map(|item| repeated(item, &[])).collect()));
    case.request("c", after(answer().iter().map(|item| repeated(item, &["status"])).collect()));
    case.request("d", after(answer().iter().map(with_passthrough).collect()));
    let graph = case.check_strict(&[Code::UnknownItemType]);
    let numbers: Vec<u64> = (1..=9).collect();
    for id in ["b", "c", "d"] {
        assert_eq!(request_items(&graph, id), numbers, "{id}");
    }
}

#[test]
fn items_of_a_checkpoint_are_found_by_what_they_say() {
    let mut case = Case::new();
    let search = |query: &str| json!({ "type": "web_search_call", "id": query, "action": { "query": query } });
    case.request("a", [user("1")]);
    case.response("a", [search("x")]);
    let short = [user("1"), json!({ "type": "web_search_call", "id": "other", "action": { "query": "x" } })];
    let checkpoint = case.body(
        "compaction_checkpoint",
        json!({ "input_history": [user("1"), repeated(&search("x"), &[])], "replacement_history": short }),
    );
    case.event(json!({ "type": "compaction_installed", "compaction_id": "k", "checkpoint_payload": checkpoint }));
    case.request("b", [user("1"), repeated(&search("x"), &[]), user("7")]);
    let graph = case.check_strict(&[]);
    let found: Vec<u64> = graph.compactions.get("k").unwrap().input_item_ids.iter().map(|item| item.number()).collect();
    assert_eq!(found, [1, 2]);
    // The next request repeats the shorter history, whose items are 4 and 5.
    assert_eq!(request_items(&graph, "b"), [4, 5, 6]);
}

#[test]
fn items_that_differ_below_their_top_level_are_different() {
    let search = |action: Value| json!({ "type": "web_search_call", "action": action });
    let mut case = Case::new();
    case.request("a", [search(json!({ "id": "1" }))]);
    case.request("b", [search(json!({ "id": "2" }))]);
    case.request("c", [search(json!({ "id": "2", "status": null }))]);
    case.request("d", [search(json!({ "id": "2" })), user("x")]);
    let graph = case.check_strict(&[]);
    let requests = ["a", "b", "c", "d"].map(|id| request_items(&graph, id));
    assert_eq!(requests, [vec![1], vec![2], vec![2], vec![2, 3]], "what is null or absent is no difference");
}

#[test]
fn items_of_a_response_are_new_even_if_they_are_equal() {
    let search = |id: &str| json!({ "type": "web_search_call", "id": id, "action": { "type": "search" } });
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [search("ws_1"), search("ws_2")]);
    case.request("b", [user("1"), search("ws_1"), search("ws_2"), user("4")]);
    case.response("b", [search("ws_1")]);
    let graph = case.check_strict(&[]);
    assert_eq!(response_items(&graph, "a"), [2, 3]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 3, 4]);
    assert_eq!(response_items(&graph, "b"), [5]);
}

#[test]
fn stored_part_of_an_item_keeps_its_json_as_it_came() {
    let mut case = Case::new();
    let search = json!({ "type": "web_search_call", "id": "ws_1", "metadata": null, "status": "completed" });
    case.request("a", [user("1")]);
    case.response("a", [search]);
    case.request("b", [user("1"), json!({ "type": "web_search_call" })]);
    let graph = case.check_strict(&[]);
    let summary = r#"{"id":"ws_1","metadata":null,"status":"completed","type":"web_search_call"}"#;
    assert_eq!(parts(&graph, 2), [Part::Json { summary: summary.into() }]);
    assert_eq!(request_items(&graph, "b"), [1, 2]);
}

#[test]
fn incremental_request_continues_items_that_it_repeats_in_part() {
    let output = |status: Value| json!({ "type": "tool_search_output", "call_id": "c", "tools": [], "status": status });
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [function_call("c")]);
    case.request("side", [user("1"), function_call("c"), output(json!("completed"))]);
    case.request_after("b", "resp-a", [output(Value::Null), function_output("d", "x")]);
    let graph = case.check_strict(&[]);
    assert_eq!(request_items(&graph, "side"), [1, 2, 3]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 3, 4]);
}

fn reasoning(texts: &[&str], summaries: &[&str]) -> Value {
    let entries =
        |kind: &str, texts: &[&str]| texts.iter().map(|text| json!({ "type": kind, "text": text })).collect::<Vec<_>>();
    json!({ "type": "reasoning", "content": entries("reasoning_text", texts),
        "summary": entries("summary_text", summaries), "encrypted_content": "sealed" })
}

#[test]
fn reasoning_with_other_text_keeps_the_first_text_also_in_a_strict_reduction() {
    for (first, second) in [
        (reasoning(&["a"], &[]), reasoning(&["b"], &[])),
        (reasoning(&[], &["a"]), reasoning(&[], &["b"])),
        (reasoning(&["a"], &["s"]), reasoning(&["a"], &["t"])),
    ] {
        let mut case = Case::new();
        case.request("a", [user("1")]);
        case.response("a", [first]);
        case.request("b", [user("1"), second]);
        let graph = case.check_strict(&[Code::ReasoningConflict]);
        assert_eq!(request_items(&graph, "b"), [1, 2]);
        let texts: Vec<Part> = parts(&graph, 2);
        assert!(matches!(&texts[0], Part::Text(text) | Part::Summary(text) if **text == *"a"), "{texts:?}");
    }
}

#[test]
fn texts_and_summaries_of_reasoning_are_compared_as_two_lists() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [reasoning(&["a", "b"], &[])]);
    case.request("b", [user("1"), reasoning(&[], &["s"])]);
    case.request("c", [user("1"), reasoning(&["a", "b"], &["s"])]);
    // A text that is a summary elsewhere is no summary.
    case.request("d", [user("1"), reasoning(&["s"], &["a", "b"])]);
    let graph = case.check_strict(&[Code::ReasoningConflict]);
    for id in ["b", "c", "d"] {
        assert_eq!(request_items(&graph, id), [1, 2], "{id}");
    }
    let texts = |text: &str| Part::Text(text.into());
    let encoded = Part::Encoded { label: "encrypted_content", value: "sealed".into() };
    assert_eq!(parts(&graph, 2), [texts("a"), texts("b"), Part::Summary("s".into()), encoded]);
    assert_eq!(item(&graph, 2).content.kind, ItemKind::Reasoning);
}

#[test]
fn tools_that_other_items_define_are_reported() {
    let tools = |name: &str| json!({ "type": "additional_tools", "tools": [{ "type": "function", "name": name }] });
    let check = |body: Value, expected: &[&str]| {
        let mut case = Case::new();
        case.request_body("a", body);
        let graph = case.check(&vec![Code::UnreadField; expected.len()]);
        assert_eq!(unread(&graph), expected);
    };
    check(json!({ "input": [tools("x"), user("1")] }), &[]);
    check(json!({ "input": [tools("x"), user("1"), tools("x")] }), &[]);
    check(json!({ "input": [tools("x"), user("1"), tools("y")] }), &["input[2].tools"]);
    check(json!({ "input": [user("1"), tools("x")], "tools": [{ "type": "web_search" }] }), &["input[1].tools"]);
    check(json!({ "input": [user("1"), tools("x")], "tools": [] }), &[]);
}
