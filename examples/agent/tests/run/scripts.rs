//! Scripts that fail, do not end or are disabled; and agents that are closed during a turn.

use anyhow::{Context, Result};
use serde_json::json;

use super::endpoint::{Endpoint, delta, function, hanging, message, message_added, response, script, started};
use super::{stderr, stdout};

#[test]
fn thrown_error_is_returned_with_the_output_so_far() -> Result<()> {
    let source = "text('so far');\nawait tools.exec_command({cmd: 'rm -rf /'});";
    let endpoint = Endpoint::start(vec![response(&[script("call_1", source)], 10), message("I see.")])?;
    let output = endpoint.agent("run it").output()?;
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let output_sent = endpoint.tool_output(1)?;
    assert!(output_sent.starts_with("script failed\n") && output_sent.contains("output:\nso far\n"), "{output_sent}");
    assert!(output_sent.contains("error: blocked by the approval hook: "), "{output_sent}");
    assert!(stdout(&output).contains("─ script 1  failed  "), "{}", stdout(&output));
    Ok(())
}

#[test]
fn endless_script_can_be_terminated() -> Result<()> {
    let stop = function("call_2", "wait", &json!({"cell_id": "1", "terminate": true}));
    let replies = vec![
        response(&[script("call_1", "text('off'); await yield_control(); for (;;) {}")], 10),
        response(&[stop], 10),
        message("It ran away."),
    ];
    let endpoint = Endpoint::start(replies)?;
    let output = endpoint.agent("run it").output()?;
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let output_sent = endpoint.tool_output(1)?;
    assert!(
        output_sent.starts_with("script running with cell ID 1\n") && output_sent.ends_with("output:\noff"),
        "{output_sent}"
    );
    assert!(endpoint.tool_output(2)?.starts_with("script terminated\n"), "{}", endpoint.tool_output(2)?);
    assert!(stdout(&output).contains("─ script 1  cancelled  "), "{}", stdout(&output));
    Ok(())
}

#[test]
fn script_can_spawn_agents_and_wait_for_them() -> Result<()> {
    let source = "await tools.spawn_agent({task_name: 'helper', message: 'help'});\n\
                  text(await tools.wait_agent());\n\
                  text(await tools.close_agent({target: 'helper'}));";
    let to_root = vec![response(&[script("call_1", source)], 10), message("It helped.")];
    let endpoint = Endpoint::with_spawned_agents(to_root, vec![message("Here is help.")])?;
    let output = endpoint.agent("run it").output()?;
    let text = stdout(&output);
    assert!(output.status.success(), "{text}\n{}", stderr(&output));
    let requests = endpoint.requests();
    let items = requests.last().and_then(|request| request["input"].as_array()).context("no input")?;
    let output_sent = items.iter().find(|item| item["type"] == "custom_tool_call_output").context("no answer")?;
    let expected = "output:\n{\"agents\":{\"/root/helper\":\"completed\"},\"timed_out\":false}\n\
                    {\"previous_status\":{\"completed\":\"Here is help.\"}}";
    assert!(output_sent["output"].as_str().is_some_and(|output_sent| output_sent.ends_with(expected)), "{output_sent}");
    // The message of the agent follows the output of the script, and does not have the role of the user.
    let answer = items.last().context("no items")?;
    assert_eq!(answer["role"], "assistant");
    assert!(text.contains("   ├─ spawn helper  "), "{text}");
    assert!(text.contains("─ result to coder  "), "{text}");
    assert!(text.contains("helper (gpt-5-mini)  spawned by script 1 of "), "{text}");
    Ok(())
}

#[test]
fn concurrent_calls_of_a_script_are_limited() -> Result<()> {
    let source = "const calls = Array.from({length: 20}, () => tools.exec_command({cmd: 'sleep 0.2'}));\n\
                  const ends = await Promise.allSettled(calls);\n\
                  text(ends.filter((end) => end.status === 'fulfilled').length);\n\
                  text(ends[19].reason.message);\n\
                  text((await tools.exec_command({cmd: 'echo again'})).output);";
    let endpoint = Endpoint::start(vec![response(&[script("call_1", source)], 10), message("Some ran.")])?;
    let output = endpoint.agent("run it").output()?;
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let output_sent = endpoint.tool_output(1)?;
    let expected = "output:\n16\na script may have 16 calls running: await some first\nagain\n";
    assert!(output_sent.ends_with(expected), "{output_sent}");
    Ok(())
}

#[test]
fn script_tools_can_be_disabled() -> Result<()> {
    for (setting, expected) in [("off", 0), ("on", 2)] {
        let endpoint = Endpoint::start(vec![message("Hello.")])?;
        let output = endpoint.agent("say hello").env("OPENAI_SCRIPTS", setting).output()?;
        assert!(output.status.success(), "{}", stderr(&output));
        let requests = endpoint.requests();
        let tools = requests[0]["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of_scripts = tools.iter().filter(|tool| tool["name"] == "exec" || tool["name"] == "wait");
        assert_eq!(of_scripts.count(), expected);
        assert!(tools.iter().all(|tool| setting == "on" || tool["type"] == "function"));
    }
    Ok(())
}

#[test]
fn agent_closed_during_a_turn_is_cancelled() -> Result<()> {
    let spawn = function("call_1", "spawn_agent", &json!({"task_name": "helper", "message": "help"}));
    let wait = function("call_2", "wait_agent", &json!({"timeout_ms": 100}));
    let close = function("call_3", "close_agent", &json!({"target": "helper"}));
    let to_root = [spawn, wait, close].map(|call| response(&[call], 10)).into_iter().chain([message("Closed.")]);
    let endpoint =
        Endpoint::with_spawned_agents(to_root.collect(), vec![hanging(&[started(), message_added(), delta("Hm")])])?;
    let output = endpoint.agent("spawn one").output()?;
    let text = stdout(&output);
    assert!(output.status.success(), "{text}\n{}", stderr(&output));
    let output_sent: Vec<_> =
        endpoint.requests().iter().filter(|request| request["input"][0]["role"] == "user").cloned().collect();
    let last = |number: usize| {
        output_sent[number]["input"].as_array().and_then(|items| items.last()?["output"].as_str().map(str::to_owned))
    };
    assert_eq!(last(2).as_deref(), Some(r#"{"agents":{"/root/helper":"running"},"timed_out":true}"#));
    assert_eq!(last(3).as_deref(), Some(r#"{"previous_status":"running"}"#));
    assert!(text.contains("helper (gpt-5-mini)  aborted  closed by /root  spawned by call 1 of coder"), "{text}");
    assert!(text.contains("turn 1  cancelled  "), "{text}");
    Ok(())
}
