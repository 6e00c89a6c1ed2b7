//! An endpoint of the Responses API that sends prepared replies, one byte at a time.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::agent;

/// A server with prepared replies for the root agent and for the agents that it spawns, in order. A connection without
/// a reply is closed.
pub(crate) struct Endpoint {
    base_url: String,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    to_root: VecDeque<String>,
    to_spawned: VecDeque<String>,
    /// Path and body of each request.
    requests: Vec<(String, Value)>,
    /// Open streams on which nothing more is sent.
    hanging: Vec<TcpStream>,
}

/// Marks the end of a reply whose connection stays open.
const HANG_MARKER: &str = "\0hangs";

impl Endpoint {
    pub(crate) fn start(to_root: Vec<String>) -> Result<Self> {
        Self::with_spawned_agents(to_root, Vec::new())
    }

    pub(crate) fn with_spawned_agents(to_root: Vec<String>, to_spawned: Vec<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let (to_root, to_spawned) = (to_root.into(), to_spawned.into());
        let shared = Arc::new(Mutex::new(Shared { to_root, to_spawned, ..Shared::default() }));
        let server_state = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server_state = Arc::clone(&server_state);
                thread::spawn(move || answer(stream, &server_state));
            }
        });
        Ok(Self { base_url, shared })
    }

    /// Creates a command that runs the agent against this endpoint.
    pub(crate) fn agent(&self, prompt: &str) -> Command {
        let mut command = agent();
        command.env("OPENAI_BASE_URL", &self.base_url).env("OPENAI_API_KEY", "sk-secret");
        command.arg(prompt);
        command
    }

    /// Returns the bodies of all requests.
    pub(crate) fn requests(&self) -> Vec<Value> {
        lock(&self.shared).requests.iter().map(|(_, body)| body.clone()).collect()
    }

    /// Returns the paths of all requests.
    pub(crate) fn paths(&self) -> Vec<String> {
        lock(&self.shared).requests.iter().map(|(path, _)| path.clone()).collect()
    }

    /// Returns the tool output in the last item of the request with this number.
    pub(crate) fn tool_output(&self, number: usize) -> Result<String> {
        let requests = self.requests();
        let request = requests.get(number).context("no such request")?;
        let last = request["input"].as_array().and_then(|items| items.last()).context("no input")?;
        Ok(last["output"].as_str().with_context(|| format!("no output: {last}"))?.to_owned())
    }
}

fn answer(mut stream: TcpStream, shared: &Mutex<Shared>) -> Result<()> {
    stream.set_nodelay(true)?;
    let (path, body) = read_request(&mut stream)?;
    let is_spawned = body["input"][0]["role"] == "assistant";
    let reply = {
        let mut shared = lock(shared);
        shared.requests.push((path, body));
        if is_spawned { shared.to_spawned.pop_front() } else { shared.to_root.pop_front() }
    };
    let reply = reply.context("no reply is left")?;
    let (text, stays_open) = match reply.strip_suffix(HANG_MARKER) {
        Some(text) => (text, true),
        None => (reply.as_str(), false),
    };
    // One byte at a time, so that lines, characters and events are split everywhere.
    for byte in text.as_bytes() {
        stream.write_all(&[*byte])?;
    }
    if stays_open {
        lock(shared).hanging.push(stream);
    }
    Ok(())
}

fn read_request(stream: &mut TcpStream) -> Result<(String, Value)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                let path = head.split(' ').nth(1).context("no path")?;
                return Ok((path.to_owned(), serde_json::from_str(body)?));
            }
        }
        if count == 0 {
            bail!("the request ended early: {text}");
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn error(status: &str, headers: &str, message: &str) -> String {
    let body = json!({"error": {"message": message, "code": null}});
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         x-request-id: req_77\r\n{headers}\r\n{body}"
    )
}

pub(crate) fn json_reply(body: &Value) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{body}")
}

pub(crate) fn events(events: &[Value]) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let events = events.iter().map(|data| format!("event: {}\r\ndata: {data}\r\n\r\n", data["type"]));
    format!("{head}{}", events.collect::<String>())
}

/// Creates a reply that starts with these events and then stays open without sending more.
pub(crate) fn hanging(begin: &[Value]) -> String {
    format!("{}{HANG_MARKER}", events(begin))
}

pub(crate) fn started() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1"}})
}

/// Creates the event with which the model begins a message.
pub(crate) fn message_added() -> Value {
    let item = json!({"type": "message", "role": "assistant", "content": []});
    json!({"type": "response.output_item.added", "output_index": 0, "item": item})
}

pub(crate) fn delta(text: &str) -> Value {
    json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text})
}

/// Creates a response with these items and this token count.
pub(crate) fn response(items: &[Value], tokens: u64) -> String {
    let items = items.iter().enumerate();
    let done = items.map(|(n, item)| json!({"type": "response.output_item.done", "output_index": n, "item": item}));
    let usage = json!({"input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens});
    let end = json!({"type": "response.completed", "response": {"id": "resp_1", "usage": usage}});
    events(&[started()].into_iter().chain(done).chain([end]).collect::<Vec<_>>())
}

pub(crate) fn message(text: &str) -> String {
    let item = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]});
    let end = json!({"type": "response.completed", "response": {"id": "resp_1"}});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    events(&[started(), message_added(), delta(text), done, end])
}

pub(crate) fn function(call_id: &str, name: &str, arguments: &Value) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": arguments.to_string()})
}

pub(crate) fn script(call_id: &str, source: &str) -> Value {
    json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": call_id, "name": "exec", "input": source})
}

/// Creates a response with one call of `exec_command`.
pub(crate) fn call(arguments: &str) -> String {
    let item = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "exec_command",
        "arguments": arguments});
    response(&[item], 10)
}
