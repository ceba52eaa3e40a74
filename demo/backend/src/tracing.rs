//! Request spans, sent over OTLP (HTTP with protobuf) in batches.
//!
//! A thread of the SDK collects and sends, so that no request waits for a collector. A batch that
//! cannot be delivered is dropped, counted and, now and then, complained about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, Request, Response};
use demo_service::{in_full, log};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::metrics::Metrics;

const SERVICE: &str = "betrace-backend";
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts spans, if there is anywhere to send them.
#[derive(Clone, Debug)]
pub(crate) struct Tracing {
    on: Option<(SdkTracerProvider, SdkTracer)>,
}

impl Tracing {
    /// Sets up the sending that `config` asks for; the endpoint, headers and attributes come from
    /// the usual `OTEL_*` variables.
    pub(crate) fn start(config: &Config, metrics: &Metrics) -> Result<Self, ExporterBuildError> {
        let Some(to) = &config.spans_to else {
            return Ok(Self { on: None });
        };
        let client = Delivery {
            inner: HyperClient::with_default_connector(SEND_TIMEOUT, None),
            runtime: Handle::current(),
            metrics: metrics.clone(),
            to: Arc::from(to.as_str()),
            failing: Arc::default(),
        };
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build()?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none_or(|name| name.is_empty()) {
            resource = resource.with_service_name(SERVICE);
        }
        let resource = resource
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
        Ok(Self { on: Some((provider, tracer)) })
    }

    /// Returns true if spans are sent.
    pub(crate) fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Begins a request's span, as part of the trace that its headers name.
    pub(crate) fn begin(&self, method: &str, route: &str, headers: &HeaderMap) -> RequestSpan {
        let Some((_, tracer)) = &self.on else {
            return RequestSpan(None);
        };
        let parent = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let span = tracer
            .span_builder(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method.to_owned()),
                KeyValue::new("http.route", route.to_owned()),
            ])
            .start_with_context(tracer, &parent);
        RequestSpan(Some(Context::new().with_span(span)))
    }

    /// Sends the remaining spans. Blocks for at most 2 s.
    pub(crate) fn flush(self) {
        if let Some((provider, _)) = self.on
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_TIMEOUT)
        {
            log::warn(&format!("the last spans may be lost: {error}"));
        }
    }
}

/// A request's span; it ends on drop, also if the client disconnects.
#[derive(Debug)]
pub(crate) struct RequestSpan(Option<Context>);

impl RequestSpan {
    /// Records the status of the response.
    pub(crate) fn answered(&self, status: u16) {
        let Some(context) = &self.0 else {
            return;
        };
        let span = context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            span.set_status(Status::error(""));
        }
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

/// Sends the requests of the SDK's own thread from the runtime, and logs failures.
#[derive(Clone, Debug)]
struct Delivery {
    inner: HyperClient,
    runtime: Handle,
    metrics: Metrics,
    to: Arc<str>,
    failing: Arc<AtomicBool>,
}

impl Delivery {
    async fn deliver(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.inner.send_bytes(request).await;
        let failure = match &outcome {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("status {}", answer.status())),
            Err(error) => Some(in_full(error.as_ref())),
        };
        let failed_before = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match (failure, failed_before) {
            (Some(why), known) => {
                self.metrics.spans_lost();
                // One warning for each outage, as a collector can be unreachable for days.
                if !known {
                    let to = &self.to;
                    log::warn(&format!(
                        "spans are dropped: {to} is not reachable or refuses them: {why}"
                    ));
                }
            }
            (None, true) => log::info(&format!("spans reach {} again", self.to)),
            (None, false) => {}
        }
        outcome
    }
}

// The signature that `async_trait`, which the SDK uses, expands `async fn send_bytes` to.
impl HttpClient for Delivery {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        // The SDK's thread has no reactor for sockets.
        let sending = self.runtime.spawn(self.clone().deliver(request));
        Box::pin(async move { sending.await? })
    }
}
