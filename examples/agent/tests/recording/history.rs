//! What stands for a history that was replaced?

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{ItemKind, Producer, Role};

use super::RUN;

#[test]
fn a_history_that_grew_too_long_was_replaced_by_what_the_server_made_of_it() {
    let run = &*RUN;
    assert!(!run.graph.compactions.is_empty());
    for compaction in run.graph.compactions.iter() {
        let [request] = &compaction.request_ids[..] else { panic!("{:?}", compaction.request_ids) };
        let request = run.graph.compaction_requests.get(request).expect("a request");
        assert_eq!(request.execution.status, ExecutionStatus::Completed);
        let sent = run.evidence.body(request.raw_request_payload_id.as_str());
        assert_eq!(sent["input"].as_array().map(Vec::len), Some(compaction.input_item_ids.len()));
        assert!(compaction.replacement_item_ids.len() < compaction.input_item_ids.len());
        assert_eq!(run.item(compaction.marker_item_id).content.kind, ItemKind::CompactionMarker);
        for id in &compaction.replacement_item_ids {
            let made_by = Producer::Compaction { compaction_id: compaction.compaction_id.clone() };
            assert_eq!(run.item(*id).produced_by, [made_by]);
        }

        // The model saw the new history from then on, and nothing of the old.
        let later = run.graph.inference_calls.iter().filter(|call| {
            call.thread_id == compaction.thread_id && call.execution.started.at.unix_ms() >= compaction.installed_at
        });
        let later: Vec<_> = later.collect();
        let next = later.first().expect("the agent went on");
        let seen: Vec<_> = run.graph.snapshot(&next.inference_call_id).collect();
        assert!(seen.starts_with(&compaction.replacement_item_ids), "{seen:?}");
        for call in later {
            assert!(run.graph.snapshot(&call.inference_call_id).all(|id| !compaction.input_item_ids.contains(&id)));
        }
    }
}

#[test]
fn what_the_user_said_outlives_the_compaction() {
    let run = &*RUN;
    let last = run.graph.compactions.iter().last().expect("a compaction");
    let kept: Vec<_> = last.replacement_item_ids.iter().map(|id| run.item(*id)).collect();
    assert_eq!(kept[0].content.role, Role::User);
    assert!(kept[0].content.text().starts_with("The tests fail."), "{}", kept[0].content.text());
    let summary = kept.last().expect("a summary").content.text();
    assert!(summary.starts_with("Summary of the conversation so far"), "{summary}");
}
