//! Exporters configured by environment variables, each in a separate process.

use std::process::{Command, Output};

use opentelemetry::trace::{TraceContextExt, Tracer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use otel_trace::Recorder;
use otel_trace::otlp::{Otlp, Protocol};
use tracing_subscriber::prelude::*;

use crate::collector::Collector;
use crate::common::{child, role};
use crate::grpc_receiver::GrpcReceiver;
use crate::program::{emit_spans, names};
use crate::receiver::{Receiver, Response, names as names_in};

const COUNT: usize = 3;

/// Runs this test in a child process with these variables, which exports a few spans if the variables enable exporting.
pub(crate) fn run(test: &str, variables: &[(&str, &str)]) -> Output {
    clear_otel_variables(&mut child(test, "program")).envs(variables.iter().copied()).output().unwrap()
}

pub(crate) fn clear_otel_variables(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        if name != "OTEL_TRACE_TEST_ROLE" {
            command.env_remove(name);
        }
    }
    command
}

/// Exports `COUNT` spans if the environment enables exporting. Runs in the child process.
#[expect(clippy::print_stderr, reason = "the parent reads it")]
pub(crate) fn export_spans() {
    match Otlp::from_env() {
        Ok(Some((otlp, _guard))) => emit_spans(&otlp, 0..COUNT),
        Ok(None) => eprintln!("off"),
        Err(error) => eprintln!("error: {error}"),
    }
}

/// Start of the line that reports the start of an export.
const START: &str = "otel-trace: exporting spans to ";

/// Checks that the child succeeded and reported at most one start of an export, and returns the other lines of its
/// stderr.
#[track_caller]
pub(crate) fn stderr_lines(output: &Output) -> Vec<String> {
    let (starts, others): (Vec<_>, _) = all_stderr_lines(output).into_iter().partition(|line| line.starts_with(START));
    assert!(starts.len() <= 1, "{starts:?}");
    others
}

/// Checks that the child succeeded and returns the lines of its stderr.
#[track_caller]
fn all_stderr_lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
}

#[test]
fn start_is_reported_once_unless_drops_have_a_callback() {
    if role().is_some() {
        return match std::env::var_os("OTEL_BSP_MAX_QUEUE_SIZE") {
            None => export_spans(),
            Some(_) => drop(Otlp::builder().on_drop(|_| {}).build().unwrap()),
        };
    }
    let test = "environment::start_is_reported_once_unless_drops_have_a_callback";
    let receiver = Receiver::start(|_, _| Response::accepted());
    let endpoint = format!("{}?key=secret", receiver.url().replace("http://", "http://user:password@"));
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_SERVICE_NAME", "coder"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let expected = format!("{START}{}/v1/traces?… (http/protobuf, service coder)", receiver.url());
    assert_eq!(all_stderr_lines(&run(test, &variables)), [expected]);
    let with_callback = [&variables[..], &[("OTEL_BSP_MAX_QUEUE_SIZE", "9")]].concat();
    assert_eq!(all_stderr_lines(&run(test, &with_callback)), [""; 0]);
    assert_eq!(all_stderr_lines(&run(test, &[&variables[..], &[("OTEL_SDK_DISABLED", "true")]].concat())), ["off"]);
}

#[test]
fn headers_and_compression_follow_the_variables() {
    if role().is_some() {
        return export_spans();
    }
    let test = "environment::headers_and_compression_follow_the_variables";
    for (compression, decode) in [("gzip", gunzip as fn(&[u8]) -> Vec<u8>), ("zstd", unzstd)] {
        let receiver = Receiver::start(|_, _| Response::accepted());
        let output = run(
            test,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20a%2Cb, x-tenant = blue"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
                ("OTEL_METRICS_EXPORTER", "none"),
            ],
        );
        assert_eq!(stderr_lines(&output), [""; 0]);
        let request = receiver.next();
        assert_eq!(request.head[0], "POST /v1/traces HTTP/1.1");
        let headers = ["authorization", "x-tenant", "content-encoding", "content-type"];
        let headers = headers.map(|name| request.header(name).unwrap());
        assert_eq!(headers, ["Bearer a,b", "blue", compression, "application/x-protobuf"]);
        assert_eq!(names_in(&decode(&request.body)), names(0..COUNT));
    }
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

fn unzstd(bytes: &[u8]) -> Vec<u8> {
    zstd::decode_all(bytes).unwrap()
}

#[test]
fn traces_variable_wins_and_is_used_verbatim() {
    if role().is_some() {
        return export_spans();
    }
    let receiver = Receiver::start(|_, _| Response::accepted());
    let output = run(
        "environment::traces_variable_wins_and_is_used_verbatim",
        &[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/my/place", receiver.url())),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://receiver.invalid:1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-tenant=blue"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=red,x-other=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_METRICS_EXPORTER", "none"),
        ],
    );
    assert_eq!(stderr_lines(&output), [""; 0]);
    let request = receiver.next();
    assert_eq!(request.head[0], "POST /my/place HTTP/1.1");
    let headers = ["x-tenant", "x-other", "content-encoding"].map(|name| request.header(name));
    assert_eq!(headers, [Some("blue"), None, None]);
    assert_eq!(request.spans(), names(0..COUNT));
}

#[test]
fn grpc_endpoint_without_a_scheme_and_metadata_are_accepted() {
    if role().is_some() {
        return export_spans();
    }
    let receiver = GrpcReceiver::start(|_| Ok(ExportTraceServiceResponse::default()));
    let output = run(
        "environment::grpc_endpoint_without_a_scheme_and_metadata_are_accepted",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.address().to_string()),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=deep%20blue"),
            ("OTEL_METRICS_EXPORTER", "none"),
        ],
    );
    assert_eq!(stderr_lines(&output), [""; 0]);
    let received = receiver.stop();
    let [message] = &received[..] else { panic!("{} messages", received.len()) };
    assert_eq!((&message.spans, message.tenant.as_deref()), (&names(0..COUNT), Some("deep blue")));
}

#[test]
fn headers_set_in_code_win_over_the_variables() {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    if role().is_some() {
        let (otlp, _guard) = Otlp::builder().headers([("x-tenant", "code")]).build().unwrap();
        return emit_spans(&otlp, 0..COUNT);
    }
    let test = "environment::headers_set_in_code_win_over_the_variables";
    let shared = [("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=variable,x-other=1"), ("OTEL_METRICS_EXPORTER", "none")];
    let receiver = Receiver::start(|_, _| Response::accepted());
    assert_eq!(stderr_lines(&run(test, &[&shared[..], &[(ENDPOINT, &receiver.url())]].concat())), [""; 0]);
    let request = receiver.next();
    assert_eq!(["x-tenant", "x-other"].map(|name| request.header(name)), [Some("code"), Some("1")]);

    let receiver = GrpcReceiver::start(|_| Ok(ExportTraceServiceResponse::default()));
    let grpc = [(ENDPOINT, &*receiver.url()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    assert_eq!(stderr_lines(&run(test, &[&shared[..], &grpc].concat())), [""; 0]);
    let tenants: Vec<_> = receiver.stop().into_iter().map(|message| message.tenant).collect();
    assert_eq!(tenants, [Some("code".to_owned())]);
}

#[test]
fn export_is_off_unless_a_variable_enables_it() {
    if role().is_some() {
        return export_spans();
    }
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    for variables in [
        &[][..],
        &[endpoint, ("OTEL_SDK_DISABLED", "true")],
        &[endpoint, ("OTEL_TRACES_EXPORTER", "none")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:1")],
    ] {
        let output = run("environment::export_is_off_unless_a_variable_enables_it", variables);
        assert_eq!(stderr_lines(&output), ["off"], "{variables:?}");
    }
}

#[test]
fn variable_disables_an_exporter_set_in_code() {
    if role().is_some() {
        let (otlp, _guard) = Otlp::builder().endpoint("http://receiver.invalid:4318").build().unwrap();
        return emit_spans(&otlp, 0..COUNT);
    }
    let test = "environment::variable_disables_an_exporter_set_in_code";
    assert_eq!(stderr_lines(&run(test, &[("OTEL_SDK_DISABLED", "TRUE")])), [""; 0]);
}

#[test]
fn invalid_value_is_reported_with_the_expected_values() {
    if role().is_some() {
        return export_spans();
    }
    let output = run(
        "environment::invalid_value_is_reported_with_the_expected_values",
        &[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
    );
    let expected = "error: OTEL_EXPORTER_OTLP_PROTOCOL is `http/json`; expected `http/protobuf` or `grpc`";
    assert_eq!(stderr_lines(&output), [expected]);
}

#[test]
#[expect(clippy::print_stderr, reason = "the parent reads it")]
fn first_drop_is_reported_at_once_and_the_sum_at_shutdown() {
    if role().is_some() {
        let (otlp, guard) = Otlp::from_env().unwrap().unwrap();
        emit_spans(&otlp, 0..1);
        assert!(otlp.flush().is_err());
        // The first drop is reported after the flush, so a second flush waits for the report.
        emit_spans(&otlp, 1..2);
        assert!(otlp.flush().is_err());
        eprintln!("goes on");
        emit_spans(&otlp, 2..COUNT);
        return drop(guard);
    }
    let test = "environment::first_drop_is_reported_at_once_and_the_sum_at_shutdown";
    let receiver = Receiver::start(|_, _| Response::status("401 Unauthorized", ""));
    let endpoint = receiver.url().replace("http://", "http://user:password@");
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_METRICS_EXPORTER", "none")];
    let first = format!(
        "otel-trace: 1 span rejected by the receiver: {}/v1/traces: \
         the receiver answered with HTTP status 401 Unauthorized; check endpoint, protocol and headers, and the \
         receiver's log; further drops are counted and reported at shutdown",
        receiver.url()
    );
    let last = "otel-trace: 3 spans could not be exported: 0 exported, 3 rejected by the receiver; \
                last cause: the receiver answered with HTTP status 401 Unauthorized";
    assert_eq!(stderr_lines(&run(test, &variables)), [&*first, "goes on", last]);
}

#[test]
fn drops_of_one_batch_are_reported_once() {
    if role().is_some() {
        return export_spans();
    }
    let receiver = Receiver::start(|_, _| Response::status("401 Unauthorized", ""));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*receiver.url()), ("OTEL_METRICS_EXPORTER", "none")];
    let lines = stderr_lines(&run("environment::drops_of_one_batch_are_reported_once", &variables));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("otel-trace: 3 spans rejected by the receiver: http://127.0.0.1:"), "{line}");
}

/// Records an inference call, for which the bridge records metrics.
fn record_call() {
    let Some((otlp, _guard)) = Otlp::from_env().unwrap() else { return };
    let (recorder, _recording) = Recorder::unwritten();
    let subscriber = tracing_subscriber::registry().with(otlp.bridge(&recorder)).with(recorder.layer());
    tracing::subscriber::with_default(subscriber, || {
        drop(tracing::info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m"));
    });
}

/// Starts a receiver that accepts spans and responds to metrics with this status.
fn receiver_without_metrics(status: &'static str) -> Receiver {
    Receiver::start(move |_, request| match request.head[0].starts_with("POST /v1/metrics") {
        true => Response::status(status, ""),
        false => Response::accepted(),
    })
}

/// Returns the request lines of all requests since the last call, sorted.
pub(crate) fn paths(receiver: &Receiver) -> Vec<String> {
    let mut paths: Vec<_> = receiver.rest().into_iter().map(|request| request.head[0].clone()).collect();
    paths.sort();
    paths
}

const METRICS: &str = "POST /v1/metrics HTTP/1.1";
const TRACES: &str = "POST /v1/traces HTTP/1.1";

#[test]
fn receiver_without_metrics_is_supported() {
    if role().is_some() {
        return record_call();
    }
    let test = "environment::receiver_without_metrics_is_supported";
    for status in ["404 Not Found", "405 Method Not Allowed", "501 Not Implemented"] {
        let receiver = receiver_without_metrics(status);
        assert_eq!(stderr_lines(&run(test, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &*receiver.url())])), [""; 0], "{status}");
        assert_eq!(paths(&receiver), [METRICS, TRACES]);
    }
    // The gRPC receiver has only the trace service.
    let receiver = GrpcReceiver::start(|_| Ok(ExportTraceServiceResponse::default()));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*receiver.url()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    assert_eq!(stderr_lines(&run(test, &variables)), [""; 0]);
    assert_eq!(receiver.stop().len(), 1);
}

#[test]
fn lost_metrics_are_reported_with_cause_and_advice() {
    if role().is_some() {
        return record_call();
    }
    let test = "environment::lost_metrics_are_reported_with_cause_and_advice";
    let receiver = receiver_without_metrics("401 Unauthorized");
    let expected = format!(
        "otel-trace: metrics could not be exported: {}/v1/metrics: the receiver answered with HTTP status \
         401 Unauthorized; set OTEL_METRICS_EXPORTER=none to disable metrics",
        receiver.url()
    );
    assert_eq!(stderr_lines(&run(test, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &*receiver.url())])), [expected]);
    assert_eq!(paths(&receiver), [METRICS, TRACES]);
}

#[test]
fn metrics_are_off_with_only_a_traces_endpoint() {
    if role().is_some() {
        return record_call();
    }
    let test = "environment::metrics_are_off_with_only_a_traces_endpoint";
    let receiver = Receiver::start(|_, _| Response::accepted());
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*format!("{}/v1/traces", receiver.url()));
    let metrics = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &*format!("{}/v1/metrics", receiver.url()));
    assert_eq!(stderr_lines(&run(test, &[traces])), [""; 0]);
    assert_eq!(paths(&receiver), [TRACES]);
    assert_eq!(stderr_lines(&run(test, &[traces, metrics])), [""; 0]);
    assert_eq!(paths(&receiver), [METRICS, TRACES]);
}

#[test]
fn unsupported_exporters_are_reported_and_ignored() {
    if role().is_some() {
        return export_spans();
    }
    let test = "environment::unsupported_exporters_are_reported_and_ignored";
    let receiver = Receiver::start(|_, _| Response::accepted());
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", &*receiver.url());
    let ignored = |name: &str, value: &str| {
        format!("otel-trace: {name} contains `{value}`, which is ignored; supported exporters are `otlp` and `none`")
    };
    let (traces, metrics) = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER");
    let console = run(test, &[endpoint, (traces, "console")]);
    assert_eq!(stderr_lines(&console), [&*ignored(traces, "console"), "off"]);
    assert_eq!(receiver.rest(), []);
    let both = run(test, &[endpoint, (traces, "console, otlp"), (metrics, "prometheus")]);
    assert_eq!(stderr_lines(&both), [ignored(traces, "console"), ignored(metrics, "prometheus")]);
    assert_eq!(paths(&receiver), [TRACES]);
}

#[test]
fn spans_of_the_exporter_itself_are_not_exported() {
    if role().is_some() {
        let (otlp, guard) = Otlp::from_env().unwrap().unwrap();
        tracing_subscriber::registry().with(otlp.layer()).init();
        for round in 0..3 {
            tracing::info_span!("own", round).in_scope(|| assert!(opentelemetry::Context::current().has_active_span()));
            otlp.flush().unwrap();
        }
        otlp.tracer().in_span("last", |_| ());
        return drop(guard);
    }
    for (protocol, name) in [(Protocol::Grpc, "grpc"), (Protocol::HttpProtobuf, "http/protobuf")] {
        let collector = Collector::start(protocol);
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url()), ("OTEL_EXPORTER_OTLP_PROTOCOL", name)];
        let output = run("environment::spans_of_the_exporter_itself_are_not_exported", &variables);
        assert_eq!(stderr_lines(&output), [""; 0]);
        assert_eq!(collector.names(), ["own", "own", "own", "last"]);
        let events = collector.spans().iter().map(|span| span.span().events.len()).sum::<usize>();
        assert_eq!(events, 0);
        collector.stop();
    }
}
