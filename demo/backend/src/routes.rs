//! Routes, and the layer that observes every request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::tracing::Tracing;

const MAX_WORK: Duration = Duration::from_secs(30);

/// The state that every route can read.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) tracing: Tracing,
    pub(crate) began: Instant,
}

/// Returns all routes; each request is counted, timed and traced.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(|| async { "ok\n" }))
        .route("/v1/health", get(health))
        .route("/v1/work", get(work))
        .route("/metrics", get(metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "page not found; / lists the pages\n") })
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

async fn index() -> &'static str {
    concat!(
        "demo-backend ",
        env!("CARGO_PKG_VERSION"),
        ", a small service to put into a container\n",
        "\n",
        "/health         ok while the server responds\n",
        "/v1/health      the same in JSON, with the telemetry servers\n",
        "/v1/work?ms=N   responds after N milliseconds (default 200, at most 30000)\n",
        "/metrics        for Prometheus\n",
    )
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    tracing: Outlet<'a>,
    profiling: Outlet<'a>,
}

/// The server for one kind of telemetry, and whether data is sent to it.
#[derive(Serialize)]
struct Outlet<'a> {
    server: Option<&'a str>,
    sending: bool,
}

async fn health(State(app): State<Arc<App>>) -> Response {
    let health = Health {
        status: "ok",
        service: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: app.began.elapsed().as_secs(),
        tracing: Outlet { server: app.config.spans_to.as_deref(), sending: app.tracing.is_on() },
        // There is no profiler; the address shows that the compose file's variable arrived.
        profiling: Outlet { server: app.config.pyroscope.as_deref(), sending: false },
    };
    Json(health).into_response()
}

#[derive(Deserialize)]
struct Work {
    ms: Option<u64>,
}

async fn work(query: Result<Query<Work>, axum::extract::rejection::QueryRejection>) -> Response {
    let asked = match query {
        Ok(Query(work)) => Duration::from_millis(work.ms.unwrap_or(200)),
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    if asked > MAX_WORK {
        return (StatusCode::BAD_REQUEST, "ms must not be above 30000\n").into_response();
    }
    tokio::time::sleep(asked).await;
    format!("worked for {} ms\n", asked.as_millis()).into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    match app.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response(),
    }
}

async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let in_flight = app.metrics.begin();
    let method = known(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let span = app.tracing.begin(method, &route, request.headers());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    span.answered(status);
    app.metrics.answered(method, &route, status, began.elapsed());
    drop(in_flight);
    response
}

/// Maps unknown methods to one name, so that clients cannot create labels and span names.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
