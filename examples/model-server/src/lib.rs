//! A model server for machines without a model: the Responses API and Chat Completions on 127.0.0.1, as far as the
//! examples use them.
//!
//! The server supports two tasks, see `bug_fix` and `order_desk`. It derives each response from the content of the
//! request alone, hence from what the tools actually printed. Like real servers it validates requests strictly, and
//! rejects some of them because of rate limits or overload.

mod bug_fix;
mod chat;
mod conversation;
mod events;
mod memory;
mod order_desk;
mod request;
mod routes;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const KEY: &str = "sk-embedded";

/// A running server. It runs until the `tokio` runtime shuts down.
#[derive(Debug)]
pub struct ModelServer {
    base_url: String,
    _task: JoinHandle<()>,
}

impl ModelServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns an error if no port is available.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("the embedded model server could not bind a port on 127.0.0.1")?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes::router()).await;
        });
        Ok(Self { base_url, _task: task })
    }

    /// Returns the base URL in the form of `OPENAI_BASE_URL`: `http://127.0.0.1:<port>/v1`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Returns a valid API key. The server accepts any key.
    pub fn api_key(&self) -> &'static str {
        KEY
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    async fn ask(route: &str, key: Option<&str>, body: &str) -> Result<(u16, Value)> {
        let server = ModelServer::start().await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut post = http.post(format!("{}/{route}", server.base_url)).body(body.to_owned());
        if let Some(key) = key {
            post = post.bearer_auth(key);
        }
        let reply = post.send().await?;
        assert!(reply.headers().contains_key("x-request-id"));
        let status = reply.status().as_u16();
        Ok((status, reply.json().await?))
    }

    #[tokio::test]
    async fn compaction_keeps_user_messages_and_summarizes_the_rest() -> Result<()> {
        let user = json!({"type": "message", "role": "user", "content": "hi"});
        let call = json!({"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": "{}"});
        let output = json!({"type": "function_call_output", "call_id": "c1", "output": ""});
        let whole = json!({"model": "m", "input": [user, call, output]}).to_string();
        let (status, reply) = ask("responses/compact", Some("any"), &whole).await?;
        assert_eq!((status, &reply["object"]), (200, &json!("response.compaction")), "{reply}");
        let output = reply["output"].as_array().context("no output")?;
        assert_eq!(output.len(), 2, "{reply}");
        assert_eq!(output[0], user);
        let summary = output[1]["content"][0]["text"].as_str().context("no summary")?;
        assert!(summary.starts_with(bug_fix::SUMMARY), "{summary}");

        let unanswered = json!({"model": "m", "input": [user, call]}).to_string();
        let (status, reply) = ask("responses/compact", Some("any"), &unanswered).await?;
        assert_eq!(status, 400, "{reply}");
        let (status, _) = ask("responses/compact", None, &whole).await?;
        assert_eq!(status, 401);
        Ok(())
    }

    #[tokio::test]
    async fn invalid_requests_are_rejected_with_a_reason() -> Result<()> {
        let user = r#"{"type":"message","role":"user","content":"hi"}"#;
        let call = r#"{"type":"function_call","call_id":"c1","name":"exec_command","arguments":"{}"}"#;
        let output = r#"{"type":"function_call_output","call_id":"c2","output":""}"#;
        let script = r#"{"type":"custom_tool_call","call_id":"c3","name":"exec","input":"text(1)"}"#;
        let wrong_kind = r#"{"type":"function_call_output","call_id":"c3","output":""}"#;
        let reasoning = r#"{"type":"reasoning","id":"rs_1","summary":[]}"#;
        let with =
            |items: &[&str]| format!(r#"{{"model":"m","stream":true,"store":false,"input":[{}]}}"#, items.join(","));
        let cases = [
            ("{".to_owned(), "not valid JSON"),
            (r#"{"stream":true,"input":[]}"#.to_owned(), "'model'"),
            (r#"{"stream":true,"model":"m"}"#.to_owned(), "'input'"),
            (with(&[]), "empty"),
            (with(&[user, call]), "No tool output found for function call c1"),
            (with(&[user, output]), "No tool call found for function call output with call_id c2"),
            (with(&[user, script]), "No tool output found for custom tool call c3"),
            (with(&[user, script, wrong_kind]), "No tool call found for function call output with call_id c3"),
            (with(&[user, reasoning]), "rs_1"),
            (with(&[r#"{"type":"surprise"}"#]), "surprise"),
        ];
        for (body, expected) in cases {
            let (status, reply) = ask("responses", Some("any"), &body).await?;
            assert_eq!(status, 400, "{body}");
            let message = reply["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains(expected), "{body}: {message}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn requests_without_a_key_are_rejected() -> Result<()> {
        let (status, reply) = ask("responses", None, "{}").await?;
        assert_eq!((status, reply["error"]["code"].as_str()), (401, Some("invalid_api_key")));
        Ok(())
    }
}
