//! Bodies are stored exactly as they were received.

use serde_json::Value;

use super::RUN;

#[test]
fn response_streams_are_stored_byte_for_byte() {
    let run = &*RUN;
    let completed: Vec<_> = run.evidence.events_of("inference_completed").collect();
    assert!(completed.len() >= 12, "{}", completed.len());
    for event in completed {
        let stream = run.evidence.stream(&event["wire_payload"]);
        assert!(stream.starts_with("event: response.created\ndata: {"), "{stream}");
        // The response that the program assembled equals the one in the last event of the stream.
        let last = stream.trim_end().rsplit("data: ").next().expect("an event");
        let last: Value = serde_json::from_str(last).expect("its data");
        let response = event["response_payload"]["raw_payload_id"].as_str().expect("a response");
        assert_eq!(run.evidence.body(response)["output_items"], last["response"]["output"]);
        assert_eq!(event["response_id"], last["response"]["id"]);
    }
}

#[test]
fn error_bodies_are_stored_byte_for_byte() {
    let run = &*RUN;
    let failed: Vec<_> = run.evidence.events_of("inference_failed").collect();
    assert_eq!(failed.len(), 2);
    for event in failed {
        let error_body = run.evidence.body(event["wire_payload"]["raw_payload_id"].as_str().expect("a body"));
        let message = error_body["error"]["message"].as_str().expect("a message");
        assert!(event["error"].as_str().is_some_and(|error| error.contains(message)), "{event}");
        assert!(event["upstream_request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{event}");
    }
}
