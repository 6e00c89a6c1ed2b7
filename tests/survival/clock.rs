//! A wall clock that runs backwards during a recording.

use otel_trace::bundle::{Manifest, Writer, WriterOptions};
use otel_trace::event::{
    Event, EventContext, ExecutionStatus, RolloutEnded, RolloutStarted, RolloutStatus, ThreadEnded, ThreadStarted,
    TurnEnded, TurnStarted, UnixMillis,
};

use crate::common::graph;

/// Records a turn while the clock goes back by `step` milliseconds at each event, and checks the order and the graph.
pub(crate) fn check_backward_clock(step: i64) {
    let root = tempfile::tempdir().unwrap();
    let manifest = Manifest::new("trace".into(), "rollout".into(), "t".into(), UnixMillis(0));
    let writer = Writer::create(root.path(), manifest, WriterOptions::default()).unwrap();
    let in_turn = EventContext { thread_id: Some("t".into()), turn_id: Some("u".into()), ..EventContext::default() };
    let none = EventContext::default();
    let events: [(&EventContext, Event); 6] = [
        (&none, RolloutStarted { trace_id: "trace".into(), root_thread_id: "t".into() }.into()),
        (
            &none,
            ThreadStarted {
                thread_id: "t".into(),
                agent_path: "/root".into(),
                metadata_payload: None,
                conversation_id: None,
            }
            .into(),
        ),
        (&in_turn, TurnStarted { turn_id: "u".into(), thread_id: "t".into() }.into()),
        (
            &in_turn,
            TurnEnded {
                turn_id: "u".into(),
                status: ExecutionStatus::Completed,
                error: None,
                ended_by: None,
                error_type: None,
                attributes: None,
            }
            .into(),
        ),
        (
            &none,
            ThreadEnded {
                thread_id: "t".into(),
                status: RolloutStatus::Completed,
                error: None,
                ended_by: None,
                error_type: None,
                attributes: None,
            }
            .into(),
        ),
        (&none, RolloutEnded { status: RolloutStatus::Completed }.into()),
    ];
    for ((context, event), n) in events.iter().zip(1..) {
        let at = UnixMillis(1_000_000_i64.saturating_sub(step.saturating_mul(n)));
        assert_eq!(writer.append(at.into(), context, event).unwrap().0, n as u64, "seq follows the order of the calls");
    }
    let graph = graph(writer.path());
    let turn = graph.turns.iter().next().unwrap();
    assert_eq!(turn.execution.status, ExecutionStatus::Completed);
    let (start, end) = (turn.execution.started.at, turn.execution.ended.unwrap().at);
    assert!(end < start, "the recorded times are those of the clock");
    assert_eq!(end.millis_since(start), 0, "a duration is not negative");
}
