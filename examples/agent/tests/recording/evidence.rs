//! The content of a bundle, read without the reducer.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use otel_trace::graph::ToolCall;
use serde_json::Value;

/// The log and the payloads of a bundle.
pub(crate) struct Evidence {
    /// All lines of the log, in order.
    pub(crate) events: Vec<Value>,
    /// JSON payloads, by id.
    bodies: HashMap<String, Value>,
    /// Payloads that are not JSON: streams as they were received, by id.
    streams: HashMap<String, String>,
}

impl Evidence {
    pub(crate) fn read(bundle: &Path) -> Result<Self> {
        let log = fs::read_to_string(bundle.join("trace.jsonl"))?;
        let events = log.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        let (mut bodies, mut streams) = (HashMap::new(), HashMap::new());
        for event in &events {
            for reference in event["payload"].as_object().context("an event without fields")?.values() {
                let (Some(id), Some(path)) = (reference["raw_payload_id"].as_str(), reference["path"].as_str()) else {
                    continue;
                };
                let text = fs::read_to_string(bundle.join(path))?;
                if path.ends_with(".bin") {
                    streams.insert(id.to_owned(), text);
                } else {
                    bodies.insert(id.to_owned(), serde_json::from_str(&text)?);
                }
            }
        }
        Ok(Self { events, bodies, streams })
    }

    pub(crate) fn body(&self, id: &str) -> &Value {
        self.bodies.get(id).unwrap_or_else(|| panic!("no body {id}"))
    }

    /// Returns the events of one type.
    pub(crate) fn events_of<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().map(|line| &line["payload"]).filter(move |payload| payload["type"] == event)
    }

    /// Returns the stream that a payload reference names.
    pub(crate) fn stream(&self, reference: &Value) -> &str {
        let stream = reference["raw_payload_id"].as_str().and_then(|id| self.streams.get(id));
        stream.unwrap_or_else(|| panic!("no stream {reference}"))
    }

    /// Returns the payloads that events of one type reference in one field, with their ids.
    pub(crate) fn bodies_of<'a>(
        &'a self,
        event: &'a str,
        field: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.events_of(event).filter_map(move |payload| {
            let id = payload[field]["raw_payload_id"].as_str()?;
            Some((id, self.body(id)))
        })
    }

    /// Returns the payload ids of the responses that contain a call with this id.
    pub(crate) fn response_with_call(&self, call_id: &str) -> Vec<&str> {
        let holds = |body: &Value| items(&body["output_items"]).any(|item| item["call_id"] == call_id);
        self.bodies_of("inference_completed", "response_payload")
            .filter(|(_, body)| holds(body))
            .map(|(id, _)| id)
            .collect()
    }

    /// Returns the payload id of the first request that contains the output of the call with this id.
    pub(crate) fn first_request_with_output(&self, call_id: &str) -> Option<&str> {
        let is_output = |item: &Value| item["type"].as_str().is_some_and(|kind| kind.ends_with("_output"));
        let holds = |body: &Value| items(&body["input"]).any(|item| item["call_id"] == call_id && is_output(item));
        self.bodies_of("inference_started", "request_payload").find(|(_, body)| holds(body)).map(|(id, _)| id)
    }

    fn invocation(&self, tool: &ToolCall) -> &Value {
        let id = tool.raw_invocation_payload_id.as_ref();
        self.body(id.unwrap_or_else(|| panic!("{} was not called", tool.tool_call_id)).as_str())
    }

    pub(crate) fn tool_name(&self, tool: &ToolCall) -> &str {
        self.invocation(tool)["tool_name"].as_str().unwrap_or_default()
    }

    /// Returns an argument of a tool call as text.
    pub(crate) fn argument(&self, tool: &ToolCall, key: &str) -> Option<String> {
        let arguments = self.invocation(tool)["payload"]["arguments"].as_str()?;
        let arguments: Value = serde_json::from_str(arguments).ok()?;
        let value = arguments.get(key)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
