//! Metrics in Prometheus' text format, for `/metrics`.

use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// The backend's counters; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
    spans_lost: IntCounter,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let requests = Opts::new("http_requests_total", "Requests answered.");
        let requests = IntCounterVec::new(requests, &["method", "path", "status"])?;
        let duration = HistogramOpts::new(
            "http_request_duration_seconds",
            "Time from a request's head to its answer's.",
        );
        let duration = HistogramVec::new(duration, &["method", "path"])?;
        let in_flight = IntGauge::new("http_requests_in_flight", "Requests being answered now.")?;
        let spans_lost =
            IntCounter::new("otlp_export_failures_total", "Batches of spans that were dropped.")?;
        let build = Opts::new("build_info", "Always 1; the labels say what is running.");
        let build = IntGaugeVec::new(build, &["program", "version"])?;
        build.with_label_values(&[env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")]).set(1);
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(spans_lost.clone()))?;
        registry.register(Box::new(build))?;
        Ok(Self { registry, requests, duration, in_flight, spans_lost })
    }

    /// Counts a request as in flight until the guard is dropped, also if its client disconnects.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a response. `path` is the route, because clients could create any number of labels.
    pub(crate) fn answered(&self, method: &str, path: &str, status: u16, took: Duration) {
        self.requests.with_label_values(&[method, path, &status.to_string()]).inc();
        self.duration.with_label_values(&[method, path]).observe(took.as_secs_f64());
    }

    /// Counts a batch of spans that could not be sent.
    pub(crate) fn spans_lost(&self) {
        self.spans_lost.inc();
    }

    /// The page.
    pub(crate) fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
