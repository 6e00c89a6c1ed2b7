//! Tests of the recorded metrics.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

use super::*;
use crate::event::EndDetail;
use crate::event::Usage;
use crate::otlp::span::digest::{RequestDigest, ResponseDigest};

/// Name, attributes, count and sum of a time series.
type Series = (String, Vec<(String, String)>, u64, f64);

/// Records all facts and returns the exported series, sorted.
fn record_all(all: &[(SpanFacts, Duration)]) -> Vec<Series> {
    let exporter = InMemoryMetricExporter::default();
    let metrics = Metrics::start(exporter.clone(), Duration::from_secs(3600), Resource::builder_empty().build());
    for (facts, duration) in all {
        metrics.record(facts, *duration);
    }
    metrics.shut_down().recv().unwrap();
    let mut series = Vec::new();
    for resource in exporter.get_finished_metrics().unwrap() {
        for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
            series.extend(points(metric.name(), metric.data()));
        }
    }
    series.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    series
}

fn points(name: &str, data: &AggregatedMetrics) -> Vec<Series> {
    match data {
        AggregatedMetrics::U64(MetricData::Histogram(histogram)) => {
            let points = histogram.data_points();
            points
                .map(|point| {
                    assert_eq!(point.bounds().collect::<Vec<_>>(), measures::TOKEN_BOUNDARIES);
                    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                    let sum = point.sum() as f64;
                    (name.to_owned(), pairs(point.attributes()), point.count(), sum)
                })
                .collect()
        }
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            let points = histogram.data_points();
            points
                .map(|point| {
                    assert_eq!(point.bounds().collect::<Vec<_>>(), measures::SECOND_BOUNDARIES);
                    (name.to_owned(), pairs(point.attributes()), point.count(), point.sum())
                })
                .collect()
        }
        AggregatedMetrics::U64(_) | AggregatedMetrics::I64(_) | AggregatedMetrics::F64(_) => panic!("{data:?}"),
    }
}

fn pairs<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = attributes.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect();
    pairs.sort();
    pairs
}

fn inference(status: ExecutionStatus, error: Option<&str>, inference: InferenceFacts) -> SpanFacts {
    SpanFacts {
        bundle: None,
        object_id: "inference:1".into(),
        thread_id: "t".into(),
        conversation_id: None,
        turn_id: None,
        status,
        error: error.map(str::to_owned),
        end: EndDetail::default(),
        payload_ids: Vec::new(),
        detail: SpanDetail::Inference(Box::new(inference)),
    }
}

fn expected(name: &str, pairs: &[(&str, &str)], count: u64, sum: f64) -> Series {
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    (name.to_owned(), pairs, count, sum)
}

const DURATION: &str = "gen_ai.client.operation.duration";
const FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";
const USAGE: &str = "gen_ai.client.token.usage";
const CHAT: (&str, &str) = ("gen_ai.operation.name", "chat");
const PROVIDER: (&str, &str) = ("gen_ai.provider.name", "openai");
const REQUESTED_MODEL: (&str, &str) = ("gen_ai.request.model", "gpt");
const RESPONSE_MODEL: (&str, &str) = ("gen_ai.response.model", "gpt-2026");

fn usage(input_tokens: u64, output_tokens: u64) -> Option<Usage> {
    Some(Usage { input_tokens, output_tokens, ..Usage::default() })
}

#[test]
fn inference_call_is_measured_with_all_attributes() {
    let facts = InferenceFacts {
        model: "gpt".to_owned(),
        provider: "openai".to_owned(),
        time_to_first_chunk_ms: Some(250),
        response: Some(ResponseDigest {
            model: Some("gpt-2026".to_owned()),
            usage: usage(100, 7),
            ..ResponseDigest::default()
        }),
        ..InferenceFacts::default()
    };
    let call = inference(ExecutionStatus::Completed, None, facts);
    let series = record_all(&[(call.clone(), Duration::from_secs(2)), (call, Duration::from_secs(3))]);
    let common = [CHAT, PROVIDER, REQUESTED_MODEL, RESPONSE_MODEL];
    let tokens = |kind| [CHAT, PROVIDER, REQUESTED_MODEL, RESPONSE_MODEL, ("gen_ai.token.type", kind)];
    let all = [
        expected(DURATION, &common, 2, 5.0),
        expected(FIRST_CHUNK, &common, 2, 0.5),
        expected(USAGE, &tokens("input"), 2, 200.0),
        expected(USAGE, &tokens("output"), 2, 14.0),
    ];
    assert_eq!(series, all);
}

#[test]
fn provider_usage_takes_precedence_over_the_event() {
    let response = ResponseDigest { usage: usage(1, 1), ..ResponseDigest::default() };
    let facts = InferenceFacts { usage: usage(5, 6), response: Some(response), ..InferenceFacts::default() };
    let series = record_all(&[(inference(ExecutionStatus::Completed, None, facts), Duration::ZERO)]);
    let tokens = |kind| [CHAT, ("gen_ai.token.type", kind)];
    let all = [
        expected(DURATION, &[CHAT], 1, 0.0),
        expected(USAGE, &tokens("input"), 1, 1.0),
        expected(USAGE, &tokens("output"), 1, 1.0),
    ];
    assert_eq!(series, all);
}

#[test]
fn failed_call_has_error_type_and_no_first_chunk() {
    let whole = InferenceFacts {
        time_to_first_chunk_ms: Some(9),
        request: RequestDigest { stream: Some(false), ..RequestDigest::default() },
        ..InferenceFacts::default()
    };
    let failed = |error| inference(ExecutionStatus::Failed, error, whole.clone());
    let cancelled = inference(ExecutionStatus::Cancelled, Some("enough"), whole.clone());
    let second = Duration::from_secs(1);
    let mut timeout = failed(Some("30 s"));
    timeout.end.error_type = Some("timeout".into());
    let series = record_all(&[(timeout, second), (failed(Some("slow: 30 s")), second), (cancelled, second)]);
    let all = [
        expected(DURATION, &[("error.type", "_OTHER"), CHAT], 1, 1.0),
        expected(DURATION, &[("error.type", "timeout"), CHAT], 1, 1.0),
        expected(DURATION, &[CHAT], 1, 1.0),
    ];
    assert_eq!(series, all);
}

#[test]
fn only_inference_calls_are_measured() {
    let mut turn = inference(ExecutionStatus::Completed, None, InferenceFacts::default());
    turn.detail = SpanDetail::Turn;
    assert_eq!(record_all(&[(turn, Duration::from_secs(1))]), []);
}
