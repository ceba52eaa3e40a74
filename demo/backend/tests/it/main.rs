//! The backend as a container runs it: a process, TCP connections, signals.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // the helpers are tests, too

mod collector;
#[path = "../../../testing/running.rs"]
mod running;

use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use collector::collector;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use running::{Program, request};

fn start(variables: &[(&str, &str)]) -> Program {
    let any_port = [("PORT", "0")];
    Program::start(&[env!("CARGO_BIN_EXE_demo-backend")], &[&any_port, variables].concat())
}

#[test]
fn known_routes_respond_and_others_are_404() {
    let backend = start(&[]);
    for (path, part) in
        [("/", "/v1/health"), ("/health", "ok"), ("/v1/work?ms=1", "worked for 1 ms")]
    {
        let answer = backend.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
    }
    assert_eq!(backend.get("/missing").status, 404);
    assert_eq!(backend.get("/v1/work?ms=many").status, 400);
    assert_eq!(backend.get("/v1/work?ms=30001").status, 400);
    assert_eq!(request(backend.at, "POST", "/health", "Content-Length: 0\r\n").status, 405);
}

#[test]
fn unknown_argument_ends_start_and_is_named() {
    for arguments in [&["sh"][..], &["--port", "8081"], &["-h"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_demo-backend"))
            .env_clear()
            .env("PORT", "0")
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(log.contains(&format!("unknown argument `{}`", arguments[0])), "{log}");
        assert!(!log.contains("listening"), "{log}");
    }
}

#[test]
fn v1_health_lists_telemetry_servers() {
    let backend = start(&[]);
    let plain: serde_json::Value = serde_json::from_str(&backend.get("/v1/health").body).unwrap();
    assert_eq!(plain["status"], "ok");
    assert_eq!(plain["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(plain["tracing"]["sending"], false);
    assert!(plain["profiling"]["server"].is_null());

    let (collector, _spans) = collector();
    let backend = start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{collector}")),
        ("PYROSCOPE_SERVER_ADDRESS", "http://pyroscope:4040"),
    ]);
    let answer = backend.get("/v1/health");
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let health: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(health["tracing"]["server"], collector.to_string());
    assert_eq!(health["tracing"]["sending"], true);
    assert_eq!(health["profiling"]["server"], "pyroscope:4040");
    assert_eq!(health["profiling"]["sending"], false, "there is no profiler");
}

#[test]
fn metrics_count_requests_by_route_and_status() {
    let backend = start(&[]);
    backend.get("/health");
    backend.get("/health");
    backend.get("/v1/work?ms=30");
    backend.get("/some/path/that/a/client/invented");
    request(backend.at, "BREW", "/health", "");
    let answer = backend.get("/metrics");
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    for line in [
        r#"http_requests_total{method="GET",path="/health",status="200"} 2"#,
        r#"http_requests_total{method="GET",path="unmatched",status="404"} 1"#,
        r#"http_requests_total{method="_OTHER",path="/health",status="405"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",path="/v1/work"} 1"#,
        r#"http_request_duration_seconds_bucket{method="GET",path="/v1/work",le="0.025"} 0"#,
        r#"http_request_duration_seconds_bucket{method="GET",path="/v1/work",le="10"} 1"#,
        "# TYPE http_requests_total counter",
        "# TYPE http_request_duration_seconds histogram",
        "http_requests_in_flight 1",
        concat!(
            r#"build_info{program="demo-backend",version=""#,
            env!("CARGO_PKG_VERSION"),
            r#""} 1"#
        ),
    ] {
        assert!(answer.body.lines().any(|other| other == line), "{line} in\n{}", answer.body);
    }
}

#[test]
fn request_becomes_span_in_trace_of_caller() {
    let (collector, spans) = collector();
    let mut backend = start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{collector}")),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
    ]);
    let caller = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    request(backend.at, "GET", "/v1/work?ms=1", caller);
    backend.terminate();
    assert!(backend.ended().success());

    let (head, batch) = spans.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let of_resource = &batch.resource_spans[0];
    let resource = of_resource.resource.as_ref().unwrap();
    let attribute = |key: &str| {
        let found = resource.attributes.iter().find(|attribute| attribute.key == key).unwrap();
        found.value.as_ref().unwrap().value.clone().unwrap()
    };
    assert_eq!(attribute("service.name"), Value::StringValue("betrace-backend".to_owned()));
    assert_eq!(attribute("deployment.environment"), Value::StringValue("test".to_owned()));
    let span = &of_resource.scope_spans[0].spans[0];
    assert_eq!(span.name, "GET /v1/work");
    assert_eq!(span.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(span.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano + 1_000_000);
    let status = span.attributes.iter().find(|one| one.key == "http.response.status_code").unwrap();
    assert_eq!(status.value.as_ref().unwrap().value, Some(Value::IntValue(200)));
}

#[test]
fn unreachable_collector_gives_one_warning() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut backend = start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{free}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ]);
    let began = Instant::now();
    assert_eq!(backend.get("/health").status, 200);
    assert!(began.elapsed() < Duration::from_secs(2));
    let warning = backend.await_log("spans are dropped");
    assert!(warning.contains(&free.to_string()) && warning.contains("refused"), "{warning}");
    let metrics = backend.get("/metrics").body;
    let lost =
        metrics.lines().find(|line| line.starts_with("otlp_export_failures_total ")).unwrap();
    assert_ne!(lost, "otlp_export_failures_total 0");
    backend.terminate();
    assert!(backend.ended().success());
}

#[test]
fn silent_collector_does_not_delay_exit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut backend = start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    backend.get("/health");
    let began = Instant::now();
    backend.terminate();
    assert!(backend.ended().success());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(backend.whole_log().iter().any(|line| line.contains("may be lost")));
}

/// Waits until two requests are in flight: the slow one, and this request for metrics.
fn await_second_request(backend: &Program) {
    let in_flight = "http_requests_in_flight 2";
    while !backend.get("/metrics").body.contains(in_flight) {
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn sigterm_finishes_open_requests_and_accepts_no_new_ones() {
    let mut backend = start(&[]);
    let at = backend.at;
    let slow = thread::spawn(move || request(at, "GET", "/v1/work?ms=1500", ""));
    await_second_request(&backend);
    backend.terminate();
    backend.await_log("SIGTERM");
    let refused = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(10));
        std::net::TcpStream::connect(at).is_err()
    });
    assert!(refused, "it still takes connections");
    let answer = slow.join().unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "worked for 1500 ms\n"));
    assert_eq!(backend.ended().code(), Some(0));
    assert!(backend.whole_log().last().unwrap().contains("stopped"));
}

#[test]
fn request_beyond_drain_time_is_cut_off_with_error() {
    let mut backend = start(&[("DRAIN_SECONDS", "1")]);
    let mut stream = std::net::TcpStream::connect(backend.at).unwrap();
    let head = "GET /v1/work?ms=30000 HTTP/1.1\r\nHost: x\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    await_second_request(&backend);
    backend.terminate();
    assert_eq!(backend.ended().code(), Some(1));
    assert!(backend.whole_log().iter().any(|line| line.contains("cut off")));
}

#[test]
fn invalid_environment_is_reported_at_start() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (name, value, why) in [
        ("PORT", "eighty", "PORT=`eighty` is not a port"),
        ("PORT", port.as_str(), "cannot listen on 0.0.0.0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://tempo:4318", "does not support TLS"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_demo-backend"))
            .env_clear()
            .env(name, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}={value}");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(log.contains(why), "{log}");
    }
}
