//! TLS with self-signed certificates of the receiver and of the client.

use std::net::SocketAddr;
use std::sync::Arc;

use otel_trace::otlp::{DropReason, Protocol};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::collector::Collector;
use crate::common::{child, role};
use crate::program::{build, by_reason, emit_spans, names, patient_builder};

/// A TLS-terminating proxy in front of a collector.
struct TlsProxy {
    runtime: Runtime,
    port: u16,
    /// The certificate of the proxy, in PEM.
    certificate: String,
}

impl TlsProxy {
    fn start(collector: SocketAddr) -> Self {
        Self::with_client_auth(collector, None)
    }

    /// Starts a proxy that requires this client certificate, in DER, if there is one.
    fn with_client_auth(collector: SocketAddr, client: Option<CertificateDer<'static>>) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = match client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let mut roots = RootCertStore::empty();
                roots.add(client).unwrap();
                let provider = Arc::new(ring::default_provider());
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(forward(acceptor.clone(), connection, collector));
            }
        });
        Self { runtime, port, certificate: cert.pem() }
    }
}

/// Forwards a connection. Returns `None` if the client rejects the certificate or a connection breaks.
async fn forward(acceptor: TlsAcceptor, connection: TcpStream, collector: SocketAddr) -> Option<()> {
    let mut client = acceptor.accept(connection).await.ok()?;
    let mut server = TcpStream::connect(collector).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

fn check_trust(protocol: Protocol) {
    let collector = Collector::start(protocol);
    let proxy = TlsProxy::start(collector.address());
    let endpoint = format!("https://localhost:{}", proxy.port);
    let builder = || patient_builder().endpoint(&endpoint).protocol(protocol);

    let (_, guard, drops) = build(builder());
    // No span ended, so no span is dropped.
    drop(guard);
    assert_eq!(by_reason(&drops), []);

    let (otlp, guard, drops) = build(builder());
    emit_spans(&otlp, 0..2);
    drop(guard);
    assert_eq!(by_reason(&drops), [(DropReason::Unreachable, 2)]);
    assert_eq!(collector.names(), names(0..0));

    let (otlp, guard, drops) = build(builder().certificate(proxy.certificate.clone()));
    emit_spans(&otlp, 2..5);
    drop(guard);
    assert_eq!(by_reason(&drops), []);
    assert_eq!(collector.names(), names(2..5));
    proxy.runtime.shutdown_background();
    collector.stop();
}

#[test]
fn spans_reach_only_a_trusted_receiver_over_http() {
    check_trust(Protocol::HttpProtobuf);
}

#[test]
fn spans_reach_only_a_trusted_receiver_over_grpc() {
    check_trust(Protocol::Grpc);
}

/// Checks that a receiver that requires a client certificate gets spans only if the variables name the certificate.
///
/// The variables are set for a child process.
fn check_client_certificate(test: &str, protocol: Protocol, name: &str) {
    let collector = Collector::start(protocol);
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["me".to_owned()]).unwrap();
    let proxy = TlsProxy::with_client_auth(collector.address(), Some(cert.der().clone()));
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let endpoint = format!("https://localhost:{}", proxy.port);
    let common = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", name.to_owned()),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", file("receiver.pem", proxy.certificate.clone())),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1".to_owned()),
    ];
    let client = [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file("client.pem", cert.pem())),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", file("client.key", signing_key.serialize_pem())),
    ];
    let program = |more: &[(&str, String)]| {
        let output = child(test, "program").envs(common.iter().chain(more).cloned()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    program(&[]);
    assert_eq!(collector.names(), names(0..0));
    program(&client);
    assert_eq!(collector.names(), names(0..2));
    proxy.runtime.shutdown_background();
    collector.stop();
}

fn program() {
    let (otlp, _guard) = patient_builder().build().unwrap();
    emit_spans(&otlp, 0..2);
}

#[test]
fn client_certificate_is_sent_over_http() {
    if role().is_some() {
        return program();
    }
    let test = "tls::client_certificate_is_sent_over_http";
    check_client_certificate(test, Protocol::HttpProtobuf, "http/protobuf");
}

#[test]
fn client_certificate_is_sent_over_grpc() {
    if role().is_some() {
        return program();
    }
    check_client_certificate("tls::client_certificate_is_sent_over_grpc", Protocol::Grpc, "grpc");
}
