//! Proxies: used for other machines, and for no spelling of this one.

use std::path::Path;
use std::process::Command;

use crate::common::role;
use crate::environment::{clear_otel_variables, export_spans, paths, run};
use crate::receiver::{Receiver, Response};

/// Hosts at which a listener of `127.0.0.1` is reached.
const HERE: [&str; 10] = [
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.1",
    "0.0.0.0",
    "0",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::ffff:127.0.0.1]",
];

/// Hosts of this machine at which nothing listens, or that not every resolver knows.
const HERE_UNHEARD: [&str; 6] = ["localhost.", "127.0.0.1.", "[::1]", "[::]", "127.9.9.9", "ip6-localhost"];

/// A receiver and a proxy.
struct Machines {
    receiver: Receiver,
    proxy: Receiver,
}

impl Machines {
    fn start() -> Self {
        let [receiver, proxy] = [(); 2].map(|()| Receiver::start(|_, _| Response::accepted()));
        Self { receiver, proxy }
    }

    /// Returns the variables of a process whose requests to other machines take the proxy.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, self.proxy.url()));
        let more = [("OTEL_METRICS_EXPORTER", "none".to_owned()), ("OTEL_BSP_EXPORT_TIMEOUT", "1".to_owned())];
        proxies.into_iter().chain(more).collect()
    }

    /// Checks which machine is asked for each host. `send` sends spans to an endpoint.
    fn check(&self, send: impl Fn(&str)) {
        let port = self.receiver.address.port();
        for host in HERE {
            send(&format!("http://{host}:{port}"));
            assert_eq!(paths(&self.receiver), ["POST /v1/traces HTTP/1.1"], "{host}");
            assert_eq!(paths(&self.proxy), [""; 0], "{host}");
        }
        for host in HERE_UNHEARD {
            send(&format!("http://{host}:{port}"));
            assert_eq!(paths(&self.proxy), [""; 0], "{host}");
        }
        // For another machine, the exporter asks the proxy for a tunnel, which the proxy does not open.
        for host in ["receiver.invalid", "localhost.invalid", "128.0.0.1"] {
            send(&format!("http://{host}:{port}"));
            assert_eq!(paths(&self.proxy), [format!("CONNECT {host}:{port} HTTP/1.1")]);
        }
    }
}

#[test]
fn live_spans_for_this_machine_take_no_proxy() {
    if role().is_some() {
        return export_spans();
    }
    let machines = Machines::start();
    machines.check(|endpoint| {
        let variables = machines.variables();
        let variables = variables.iter().map(|(name, value)| (*name, &**value));
        let variables: Vec<_> = variables.chain([("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).collect();
        run("proxy::live_spans_for_this_machine_take_no_proxy", &variables);
    });
}

#[test]
fn exported_spans_for_this_machine_take_no_proxy() {
    let machines = Machines::start();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat");
    machines.check(|endpoint| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otel-trace"));
        clear_otel_variables(&mut command).envs(machines.variables());
        command.arg("export").arg(&bundle).args(["--endpoint", endpoint]).output().unwrap();
    });
}
