//! Calls and outputs to which an API gives no ids: Ollama, Gemini, and the first function calls of Chat Completions.

use otel_trace::graph::{Code, Graph, ItemId};
use serde_json::{Value, json};

use crate::case::{Case, function_invocation, item, tool};
use crate::shapes::render_item;

/// Returns the numbers of the call items and of the output items of a tool call.
fn linked(graph: &Graph, id: &str) -> (Vec<u64>, Vec<u64>) {
    let numbers = |ids: &[ItemId]| ids.iter().map(|id| id.number()).collect();
    let tool = tool(graph, id);
    (numbers(&tool.call_item_ids), numbers(&tool.output_item_ids))
}

fn other(name: &str) -> Value {
    json!({ "type": "other", "name": name })
}

/// The bodies of one API that gives calls no ids.
struct Shape {
    request: fn(Vec<Value>) -> Value,
    response: fn(Value) -> Value,
    /// Creates the message of a model that calls tools, given by name.
    calls: fn(&[&str]) -> Value,
    output: fn(&str, &str) -> Value,
}

const OLLAMA: Shape = Shape {
    request: |messages| json!({ "model": "m", "messages": messages }),
    response: |message| json!({ "model": "m", "message": message, "done": true, "done_reason": "stop" }),
    calls: |names| {
        let call = |name: &&str| json!({ "function": { "name": name, "arguments": {} } });
        json!({ "role": "assistant", "content": "", "tool_calls": names.iter().map(call).collect::<Vec<_>>() })
    },
    output: |name, text| json!({ "role": "tool", "tool_name": name, "content": text }),
};

const GEMINI: Shape = Shape {
    request: |contents| json!({ "contents": contents }),
    response: |content| json!({ "candidates": [{ "content": content, "finishReason": "STOP" }] }),
    calls: |names| {
        let call = |name: &&str| json!({ "functionCall": { "name": name, "args": {} } });
        json!({ "role": "model", "parts": names.iter().map(call).collect::<Vec<_>>() })
    },
    output: |name, text| json!({ "role": "user", "parts": [{ "functionResponse": { "name": name, "response": { "output": text } } }] }),
};

const GEN_AI: Shape = Shape {
    request: |messages| json!({ "gen_ai.input.messages": messages }),
    response: |message| json!({ "gen_ai.output.messages": [message] }),
    calls: |names| {
        let call = |name: &&str| json!({ "type": "tool_call", "name": name, "arguments": {} });
        json!({ "role": "assistant", "parts": names.iter().map(call).collect::<Vec<_>>() })
    },
    output: |name, text| json!({ "role": "tool", "parts": [{ "type": "tool_call_response", "name": name, "response": text }] }),
};

#[test]
fn tools_are_linked_by_name_and_order() {
    // Programs record no id, or the name in place of it.
    for id in [None, Some("find")] {
        for Shape { request, response, calls, output } in [OLLAMA, GEMINI, GEN_AI] {
            let mut case = Case::new();
            case.request_body("a", request(vec![]));
            case.response_body("a", response(calls(&["find", "read", "find"])));
            case.tool("find1", id, other("find"), None);
            case.tool("read", id.map(|_| "read"), other("read"), None);
            case.tool("find2", id, other("find"), None);
            let history =
                vec![calls(&["find", "read", "find"]), output("find", "1"), output("find", "2"), output("read", "3")];
            case.request_body("b", request(history.clone()));
            case.response_body("b", response(calls(&["find"])));
            case.tool("find3", id, other("find"), None);
            case.request_body("c", request([history, vec![calls(&["find"]), output("find", "4")]].concat()));
            let graph = case.check(&[Code::CallWithoutId]);
            let expected = [
                ("find1", vec![1], vec![4]),
                ("find2", vec![3], vec![5]),
                ("read", vec![2], vec![6]),
                ("find3", vec![7], vec![8]),
            ];
            for (tool, call, output) in expected {
                assert_eq!(linked(&graph, tool), (call, output), "{tool}: {request:?}");
            }
            let requested = |id: &str| tool(&graph, id).requested_by.as_ref().map(ToString::to_string);
            assert_eq!([requested("find2"), requested("find3")], [Some("a".into()), Some("b".into())]);
        }
    }
}

#[test]
fn tool_of_another_name_is_not_linked() {
    let Shape { request, response, calls, output } = OLLAMA;
    let mut case = Case::new();
    case.request_body("a", request(vec![]));
    case.response_body("a", response(calls(&["find"])));
    case.tool("other", None, other("read"), None);
    case.tool("first", None, other("find"), None);
    case.tool("second", None, other("find"), None);
    case.request_body("b", request(vec![calls(&["find"]), output("find", "1")]));
    // Neither the second tool nor one of another name is reported: they name no call.
    let graph = case.check(&[Code::CallWithoutId]);
    assert_eq!(linked(&graph, "first"), (vec![1], vec![2]));
    assert_eq!(linked(&graph, "other"), (vec![], vec![]));
    assert_eq!(linked(&graph, "second"), (vec![], vec![]));
}

#[test]
fn empty_id_is_none() {
    let call = json!({ "id": "", "type": "function", "function": { "name": "find", "arguments": "{}" } });
    let asked = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
    let item = json!({ "type": "function_call", "call_id": "", "name": "find", "arguments": "{}" });
    let answer = json!({ "role": "tool", "tool_call_id": "", "name": "find", "content": "1" });
    let output = json!({ "type": "function_call_output", "call_id": "", "name": "find", "output": "1" });
    let bodies = [
        (
            json!({ "messages": [] }),
            json!({ "choices": [{ "message": asked }] }),
            json!({ "messages": [asked, answer] }),
        ),
        (json!({ "input": [] }), json!({ "id": "r", "output": [item] }), json!({ "input": [item, output] })),
    ];
    for (request, response, next) in bodies {
        let mut case = Case::new();
        case.request_body("a", request);
        case.response_body("a", response);
        case.tool("first", Some(""), other("find"), None);
        case.tool("other", Some(""), other("read"), None);
        case.request_body("b", next);
        let graph = case.check(&[Code::CallWithoutId]);
        assert_eq!(tool(&graph, "first").model_visible_call_id, None);
        assert_eq!(linked(&graph, "first").0, [1]);
        assert_eq!(linked(&graph, "other"), (vec![], vec![]));
        let notice = &graph.diagnostics[0].message;
        assert!(notice.ends_with("nothing but the name of its tool, find, can link it"), "{notice}");
    }
}

#[test]
fn output_without_an_id_answers_the_call_before_it() {
    let call = |id: &str, name: &str| json!({ "id": id, "function": { "name": name, "arguments": {} } });
    let asked = |calls: &[Value]| json!({ "role": "assistant", "content": "", "tool_calls": calls });
    let output = |name: &str, text: &str| (OLLAMA.output)(name, text);
    let mut history = vec![asked(&[call("c1", "find"), call("c2", "read"), call("c3", "find")])];
    let mut case = Case::new();
    case.request_body("a", (OLLAMA.request)(vec![]));
    case.response_body("a", (OLLAMA.response)(history[0].clone()));
    for (tool, id, name) in [("x1", "c1", "find"), ("x2", "c2", "read"), ("x3", "c3", "find")] {
        case.tool(tool, Some(id), other(name), None);
    }
    history.extend([output("read", "2"), output("find", "1"), output("find", "3"), output("find", "more")]);
    case.request_body("b", (OLLAMA.request)(history.clone()));
    history.extend([asked(&[call("c4", "find")]), output("find", "4"), output("lost", "5")]);
    case.request_body("c", (OLLAMA.request)(history));
    let graph = case.check(&[Code::CallWithoutId]);
    let expected = ["c2 read: 2", "c1 find: 1", "c3 find: 3", "c3 find: more", "c4 find: 4", "lost: 5"];
    let outputs = graph.items().filter(|item| item.content.kind.is_output()).map(render_item);
    let expected = expected.map(|output| format!("tool function_call_output {output}"));
    assert_eq!(outputs.collect::<Vec<_>>(), expected);
    assert_eq!(linked(&graph, "x1"), (vec![1], vec![5]));
    assert_eq!(linked(&graph, "x2"), (vec![2], vec![4]));
    assert_eq!(linked(&graph, "x3"), (vec![3], vec![6, 7]));
    assert_eq!(item(&graph, 5).content.call_id, Some("c1".into()));
}

#[test]
fn function_response_without_an_id_answers_the_call_before_it() {
    let call = |id: &str| json!({ "functionCall": { "id": id, "name": "find", "args": {} } });
    let asked = json!({ "role": "model", "parts": [call("c1"), call("c2")] });
    let mut case = Case::new();
    case.request_body("a", (GEMINI.request)(vec![]));
    case.response_body("a", (GEMINI.response)(asked.clone()));
    case.tool("x1", Some("c1"), other("find"), None);
    case.tool("x2", Some("c2"), other("find"), None);
    case.request_body("b", (GEMINI.request)(vec![asked, (GEMINI.output)("find", "1"), (GEMINI.output)("find", "2")]));
    let graph = case.check(&[Code::CallWithoutId]);
    assert_eq!((linked(&graph, "x1"), linked(&graph, "x2")), ((vec![1], vec![3]), (vec![2], vec![4])));
}

/// Ids that clients make up for calls without ids.
const MADE_UP: [fn(&str, u32) -> String; 3] =
    [|_, n| format!("gen{n}"), |name, n| format!("call#{name}#{n}"), |_, n| format!("{n:032x}")];

#[test]
fn tools_with_ids_of_the_client_are_linked_by_name_and_order() {
    for made_up in MADE_UP {
        for Shape { request, response, calls, output } in [OLLAMA, GEMINI, GEN_AI] {
            let mut case = Case::new();
            case.request_body("a", request(vec![]));
            case.response_body("a", response(calls(&["find", "read", "find"])));
            for (n, (tool, name)) in [("find1", "find"), ("read", "read"), ("find2", "find")].into_iter().enumerate() {
                case.tool(tool, Some(&made_up(name, n as u32)), other(name), None);
            }
            let history =
                vec![calls(&["find", "read", "find"]), output("find", "1"), output("find", "2"), output("read", "3")];
            case.request_body("b", request(history.clone()));
            case.response_body("b", response(calls(&["find"])));
            case.tool("find3", Some(&made_up("find", 7)), other("find"), None);
            // Nothing requested these.
            case.tool("find4", Some(&made_up("find", 8)), other("find"), None);
            case.tool("write", Some(&made_up("write", 9)), other("write"), None);
            case.request_body("c", request([history, vec![calls(&["find"]), output("find", "4")]].concat()));
            let graph = case.check(&[Code::CallWithoutId]);
            let expected = [
                ("find1", vec![1], vec![4]),
                ("find2", vec![3], vec![5]),
                ("read", vec![2], vec![6]),
                ("find3", vec![7], vec![8]),
                ("find4", vec![], vec![]),
                ("write", vec![], vec![]),
            ];
            for (tool, call, output) in expected {
                assert_eq!(linked(&graph, tool), (call, output), "{tool}: {request:?}");
            }
            let requested = |id: &str| tool(&graph, id).requested_by.as_ref().map(ToString::to_string);
            assert_eq!([requested("find2"), requested("find3")], [Some("a".into()), Some("b".into())]);
        }
    }
}

#[test]
fn tool_whose_id_may_be_that_of_another_call_is_not_linked_by_name() {
    let asked = |id: Option<&str>| {
        let call = json!({ "id": id, "type": "function", "function": { "name": "wait", "arguments": "{\"q\":1}" } });
        json!({ "role": "assistant", "content": null, "tool_calls": [call] })
    };
    let response = |message: Value| json!({ "choices": [{ "message": message }] });
    let invocation = |argument: u32| function_invocation("wait", json!({ "q": argument }));
    let check = |record: &dyn Fn(&mut Case), expected: &[u64]| {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        record(&mut case);
        let graph = case.try_reduce(&Default::default()).unwrap().graph;
        assert_eq!(linked(&graph, "x").0, expected);
    };
    // The invocations of this tool are read.
    let run = |case: &mut Case, invocation| {
        case.tool("x", Some("gen1"), other("wait"), invocation);
    };
    check(
        &|case| {
            case.response_body("a", response(asked(None)));
            run(case, None);
        },
        &[1],
    );
    check(
        &|case| {
            case.response_body("a", response(asked(None)));
            run(case, invocation(1));
        },
        &[1],
    );
    // Other arguments, a call with an id, a tool that started before the request, and a response whose calls are lost.
    check(
        &|case| {
            case.response_body("a", response(asked(None)));
            run(case, invocation(2));
        },
        &[],
    );
    check(
        &|case| {
            case.response_body("a", response(asked(Some("c1"))));
            run(case, None);
        },
        &[],
    );
    check(
        &|case| {
            run(case, None);
            case.request_body("b", json!({ "messages": [{ "role": "user", "content": "x" }] }));
            case.response_body("b", response(asked(None)));
        },
        &[],
    );
    check(
        &|case| {
            case.response_body("a", response(asked(None)));
            case.request_body("b", json!({ "messages": [{ "role": "user", "content": "x" }] }));
            case.response_body("b", json!({}));
            run(case, None);
        },
        &[],
    );
}

#[test]
fn call_gets_the_id_that_its_client_gave_it() {
    let call = |id: &str| json!({ "type": "tool_call", "id": id, "name": "find", "arguments": {} });
    let output = |id: &str, text: &str| json!({ "role": "tool", "parts": [{ "type": "tool_call_response", "id": id, "response": text }] });
    let asked =
        |ids: &[&str]| json!({ "role": "assistant", "parts": ids.iter().map(|id| call(id)).collect::<Vec<_>>() });
    let mut case = Case::new();
    case.request_body("a", (GEN_AI.request)(vec![]));
    case.response_body("a", (GEN_AI.response)((GEN_AI.calls)(&["find", "find"])));
    case.tool("x1", Some("gen1"), other("find"), None);
    case.tool("x2", Some("gen2"), other("find"), None);
    let mut history = vec![asked(&["gen1", "gen2"]), output("gen2", "2"), output("gen1", "1")];
    case.request_body("b", (GEN_AI.request)(history.clone()));
    case.response_body("b", (GEN_AI.response)((GEN_AI.calls)(&["find"])));
    case.tool("x3", Some("gen3"), other("find"), None);
    history.extend([asked(&["gen3"]), output("gen3", "3")]);
    case.request_body("c", (GEN_AI.request)(history.clone()));
    history.push(json!({ "role": "user", "parts": [{ "type": "text", "content": "Thanks." }] }));
    case.request_body("d", (GEN_AI.request)(history));
    let graph = case.try_reduce(&Default::default()).unwrap().graph;
    let expected = [
        "assistant function_call gen1 find: json {}",
        "assistant function_call gen2 find: json {}",
        "tool function_call_output gen2: 2",
        "tool function_call_output gen1: 1",
        "assistant function_call gen3 find: json {}",
        "tool function_call_output gen3: 3",
        "user message: Thanks.",
    ];
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    for (tool, call, output) in [("x1", 1, 4), ("x2", 2, 3), ("x3", 5, 6)] {
        assert_eq!(linked(&graph, tool), (vec![call], vec![output]), "{tool}");
    }
    let requested = |id: &str| tool(&graph, id).requested_by.as_ref().map(ToString::to_string);
    assert_eq!([requested("x2"), requested("x3")], [Some("a".into()), Some("b".into())]);
}

#[test]
fn id_for_one_of_equal_calls_of_two_responses_is_not_guessed() {
    let call = json!({ "type": "tool_call", "id": "gen2", "name": "find", "arguments": {} });
    let user = json!({ "role": "user", "parts": [{ "type": "text", "content": "Go." }] });
    let mut case = Case::new();
    case.request_body("a", (GEN_AI.request)(vec![user.clone()]));
    case.response_body("a", (GEN_AI.response)((GEN_AI.calls)(&["find"])));
    case.request_body(
        "b",
        (GEN_AI.request)(vec![user.clone(), (GEN_AI.calls)(&["find"]), (GEN_AI.output)("find", "1")]),
    );
    case.response_body("b", (GEN_AI.response)((GEN_AI.calls)(&["find"])));
    // The client drops the first of two equal calls, and sends the second one at its place.
    case.request_body("c", (GEN_AI.request)(vec![user, json!({ "role": "assistant", "parts": [call] })]));
    let graph = case.try_reduce(&Default::default()).unwrap().graph;
    assert_eq!(item(&graph, 2).content.call_id, None);
    assert_eq!(graph.items().filter(|item| item.content.kind.is_call()).count(), 3);
}
