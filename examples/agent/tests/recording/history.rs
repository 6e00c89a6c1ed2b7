//! Which items replaced the history?

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{ItemKind, Producer, Role};

use super::RUN;

#[test]
fn long_history_is_replaced_by_its_compaction() {
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

        // From then on the model saw the new history, and no item of the old one.
        let later = run.graph.inference_calls.iter().filter(|call| {
            call.thread_id == compaction.thread_id && call.execution.started.at.unix_ms() >= compaction.installed_at
        });
        let later: Vec<_> = later.collect();
        let next = later.first().expect("the agent went on");
        let snapshot: Vec<_> = run.graph.snapshot(&next.inference_call_id).collect();
        assert!(snapshot.starts_with(&compaction.replacement_item_ids), "{snapshot:?}");
        for call in later {
            assert!(run.graph.snapshot(&call.inference_call_id).all(|id| !compaction.input_item_ids.contains(&id)));
        }
    }
}

#[test]
fn user_messages_survive_the_compaction() {
    let run = &*RUN;
    let last = run.graph.compactions.iter().last().expect("a compaction");
    let replacement: Vec<_> = last.replacement_item_ids.iter().map(|id| run.item(*id)).collect();
    assert_eq!(replacement[0].content.role, Role::User);
    assert!(replacement[0].content.text().starts_with("The tests fail."), "{}", replacement[0].content.text());
    let summary = replacement.last().expect("a summary").content.text();
    assert!(summary.starts_with("Summary of the conversation so far"), "{summary}");
}
