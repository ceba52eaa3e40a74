//! The pages, and what happens around every request.

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

const MOST_WORK: Duration = Duration::from_secs(30);

/// What every page may look at.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) tracing: Tracing,
    pub(crate) began: Instant,
}

/// All pages, each counted, timed and traced.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(|| async { "ok\n" }))
        .route("/v1/health", get(health))
        .route("/v1/work", get(work))
        .route("/metrics", get(metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page; / lists them\n") })
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

async fn index() -> &'static str {
    concat!(
        "demo-backend ",
        env!("CARGO_PKG_VERSION"),
        ", a small service to put into a container\n",
        "\n",
        "/health         ok, as long as it answers at all\n",
        "/v1/health      the same in JSON, and where telemetry goes\n",
        "/v1/work?ms=N   answers after N milliseconds, 200 if not said, 30000 at most\n",
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

/// Where one kind of telemetry is configured to go, and whether it does.
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
        // There is no profiler in this program; the address is shown so that its way from a
        // compose file into the container can be seen.
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
    if asked > MOST_WORK {
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

/// A client may invent methods without end; labels and span names must not follow.
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
