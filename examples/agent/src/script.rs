//! A script in a separate JavaScript engine, on a separate thread, with bounded memory. A script can be stopped at any
//! time.
//!
//! It has access to the language, `tools`, `text` and `yield_control`, and to nothing else on the machine.

use std::cell::Cell;
use std::io;
use std::thread;

use rquickjs::prelude::{Async, Func};
use rquickjs::{AsyncContext, AsyncRuntime, CatchResultExt, CaughtError, Ctx, Exception, Function, Value};
use tokio::sync::{mpsc, oneshot, watch};

const MEMORY_BYTES: usize = 64 * 1024 * 1024;
const STACK_BYTES: usize = 512 * 1024;
/// Maximum length of all text that a script may output, in bytes. The text is kept outside the memory of the engine.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// Defines the global functions of a script in terms of the host functions. Errors cross the boundary as JSON and are
/// thrown here.
const PRELUDE: &str = r"(function (emit, requestYield, call, names) {
    const toText = (value) => (typeof value === 'string' ? value : JSON.stringify(value) ?? String(value));
    globalThis.text = (value) => emit(toText(value));
    globalThis.yield_control = async () => requestYield();
    globalThis.tools = Object.freeze(Object.fromEntries(JSON.parse(names).map((name) => [name, async (args = {}) => {
        const { ok, error } = JSON.parse(await call(name, JSON.stringify(args)));
        if (error !== undefined) throw new Error(error);
        return ok;
    }])));
})";

/// A running script. It is stopped on drop.
#[derive(Debug)]
pub(crate) struct Script {
    events: mpsc::UnboundedReceiver<Event>,
    /// Dropped together with the script, which stops the thread that runs it.
    _stop: watch::Sender<()>,
}

/// An event of a running script.
#[derive(Debug)]
pub(crate) enum Event {
    /// A call of `text(…)`: output for the model.
    Text(String),
    /// A call of `yield_control()`: the tool call that started the script returns, and the script continues.
    Yield,
    /// A call of `tools.<name>(…)`.
    Call(ToolRequest),
    /// The script has ended, with the text of the error if it threw one.
    Ended(Result<(), String>),
}

/// A tool call of a script, which waits for the answer.
#[derive(Debug)]
pub(crate) struct ToolRequest {
    pub(crate) name: String,
    /// The arguments of the call, as JSON text.
    pub(crate) arguments: String,
    answer: oneshot::Sender<String>,
}

impl ToolRequest {
    pub(crate) fn answer(self, answer: Result<serde_json::Value, String>) {
        let json = match answer {
            Ok(value) => serde_json::json!({"ok": value}),
            Err(error) => serde_json::json!({"error": error}),
        };
        // The script may have been stopped meanwhile.
        let _ = self.answer.send(json.to_string());
    }
}

impl Script {
    /// Starts a script that may call the tools named in `tools`.
    pub(crate) fn start(source: &str, tools: &[&str]) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(());
        let (sender, events) = mpsc::unbounded_channel();
        let (source, names) = (source.to_owned(), serde_json::json!(tools).to_string());
        let executor = tokio::runtime::Builder::new_current_thread().build()?;
        let run = move || {
            let ended = executor.block_on(run(&source, names, &sender, stopped));
            let _ = sender.send(Event::Ended(ended));
        };
        thread::Builder::new().name("code-cell".to_owned()).stack_size(4 * STACK_BYTES).spawn(run)?;
        Ok(Self { events, _stop: stop })
    }

    /// Returns the next event. Returns `None` after the end of the script.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

async fn run(
    source: &str,
    names: String,
    events: &mpsc::UnboundedSender<Event>,
    mut stopped: watch::Receiver<()>,
) -> Result<(), String> {
    let interrupt = stopped.clone();
    let script = async {
        let engine = AsyncRuntime::new().map_err(|error| error.to_string())?;
        engine.set_memory_limit(MEMORY_BYTES).await;
        engine.set_max_stack_size(STACK_BYTES).await;
        // The engine calls the handler every few thousand steps, also in a loop that never awaits.
        engine.set_interrupt_handler(Some(Box::new(move || interrupt.has_changed().is_err()))).await;
        let context = AsyncContext::full(&engine).await.map_err(|error| error.to_string())?;
        context.async_with(async |ctx| evaluate(&ctx, source, names, events).await).await
    };
    tokio::select! {
        outcome = script => outcome,
        _ = stopped.changed() => Err("the script was stopped".to_owned()),
    }
}

async fn evaluate(
    ctx: &Ctx<'_>,
    source: &str,
    names: String,
    events: &mpsc::UnboundedSender<Event>,
) -> Result<(), String> {
    install_globals(ctx, names, events).catch(ctx).map_err(|error| describe_error(&error))?;
    let running = ctx.eval_promise(source).catch(ctx).map_err(|error| describe_error(&error))?;
    running.into_future::<Value<'_>>().await.catch(ctx).map_err(|error| describe_error(&error))?;
    Ok(())
}

/// Defines `tools`, `text` and `yield_control` in the engine.
fn install_globals(ctx: &Ctx<'_>, names: String, events: &mpsc::UnboundedSender<Event>) -> rquickjs::Result<()> {
    let (texts, yields, calls) = (events.clone(), events.clone(), events.clone());
    let remaining = Cell::new(MAX_TEXT_BYTES);
    let text = Func::from(move |ctx: Ctx<'_>, text: String| match remaining.get().checked_sub(text.len()) {
        Some(left) => {
            remaining.set(left);
            let _ = texts.send(Event::Text(text));
            Ok(())
        }
        None => Err(Exception::throw_message(&ctx, "a script may output no more than 1 MB")),
    });
    let yield_control = Func::from(move || {
        let _ = yields.send(Event::Yield);
    });
    let call = Func::from(Async(move |name: String, arguments: String| {
        let calls = calls.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let _ = calls.send(Event::Call(ToolRequest { name, arguments, answer }));
            let unanswered = || r#"{"error":"the call was dropped without an answer"}"#.to_owned();
            rquickjs::Result::Ok(answered.await.unwrap_or_else(|_| unanswered()))
        }
    }));
    let prelude: Function<'_> = ctx.eval(PRELUDE)?;
    prelude.call((text, yield_control, call, names))
}

/// Describes a thrown value, with the stack trace if it has one.
fn describe_error(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            let message = exception.message().unwrap_or_else(|| "an error without a message".to_owned());
            let stack = exception.stack().unwrap_or_default();
            format!("{message}\n{stack}").trim_end().to_owned()
        }
        CaughtError::Value(value) => match value.as_string().and_then(|text| text.to_string().ok()) {
            Some(text) => text,
            None => format!("a value of type {} was thrown", value.type_name()),
        },
        CaughtError::Error(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Runs a script to its end. Returns its texts, how often it yielded, and its outcome. The tool `twice` doubles a
    /// number, the tool `fail` returns an error.
    async fn run(source: &str) -> (Vec<String>, usize, Result<(), String>) {
        let mut script = Script::start(source, &["twice", "fail"]).expect("started");
        let (mut texts, mut yields) = (Vec::new(), 0);
        loop {
            match script.next().await.expect("an end") {
                Event::Text(text) => texts.push(text),
                Event::Yield => yields += 1,
                Event::Call(call) if call.name == "twice" => {
                    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).expect("JSON");
                    let doubled = arguments["n"].as_i64().expect("a number") * 2;
                    call.answer(Ok(json!({"n": doubled})));
                }
                Event::Call(call) => call.answer(Err("it cannot be done".to_owned())),
                Event::Ended(ended) => return (texts, yields, ended),
            }
        }
    }

    #[tokio::test]
    async fn script_calls_tools_concurrently_and_emits_text() {
        let source = "const [a, b] = await Promise.all([tools.twice({n: 2}), tools.twice({n: 3})]);\n\
                      text(a.n + b.n); text('done'); await yield_control(); text({a});";
        let (texts, yields, ended) = run(source).await;
        assert_eq!((ended, yields), (Ok(()), 1));
        assert_eq!(texts, ["10", "done", r#"{"a":{"n":4}}"#]);
    }

    #[tokio::test]
    async fn tool_errors_are_thrown_and_can_be_caught() {
        let (texts, _, ended) = run("try { await tools.fail() } catch (e) { text(e.message) }").await;
        assert_eq!((texts, ended), (vec!["it cannot be done".to_owned()], Ok(())));
        let (_, _, ended) = run("await tools.fail()").await;
        assert!(ended.is_err_and(|error| error.starts_with("it cannot be done")));
    }

    #[tokio::test]
    async fn script_errors_are_reported() {
        for (source, expected) in [
            ("const = 1", "expected"),
            ("text(undefined_name)", "undefined_name"),
            ("await tools.surprise({})", "not a function"),
            ("throw 'words'", "words"),
            ("throw 7", "type int"),
            ("const f = () => f() + 1; f()", "stack"),
            ("for (;;) text('x'.repeat(1000))", "no more than 1 MB"),
            ("const a = []; for (;;) a.push('x'.repeat(1000000) + a.length)", "memory"),
        ] {
            let (_, _, ended) = run(source).await;
            let error = ended.expect_err(source);
            assert!(error.contains(expected), "{source}: {error}");
        }
    }

    #[tokio::test]
    async fn script_has_no_access_to_the_host() {
        let (texts, _, _) =
            run("text([typeof require, typeof process, typeof fetch, typeof std, typeof os].join())").await;
        assert_eq!(texts, ["undefined,undefined,undefined,undefined,undefined"]);
    }

    #[tokio::test]
    async fn dropping_a_script_stops_it() {
        for source in ["for (;;) {}", "await new Promise(() => {})", "await tools.twice({n: 1})"] {
            let mut script = Script::start(&format!("text('on'); {source}"), &["twice"]).expect("started");
            assert!(matches!(script.next().await, Some(Event::Text(_))));
            let Script { mut events, _stop } = script;
            drop(_stop);
            let ended = async {
                while let Some(event) = events.recv().await {
                    if let Event::Ended(ended) = event {
                        return ended;
                    }
                }
                Ok(())
            };
            let ended = tokio::time::timeout(std::time::Duration::from_secs(60), ended).await.expect("it runs on");
            assert!(ended.is_err(), "{source}");
        }
    }
}
