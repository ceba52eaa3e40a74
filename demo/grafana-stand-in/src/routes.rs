//! HTTP responses: a part of Grafana's API, and the files of plugins.

use std::fs;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::data;
use crate::plugin::Plugin;
use crate::preinstall::Preinstall;

const SERVER: &str = concat!("grafana-stand-in/", env!("CARGO_PKG_VERSION"));
const VERSION: &str = concat!("stand-in ", env!("CARGO_PKG_VERSION"));

/// The state that every response can read.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) state: data::State,
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) datasources: Vec<Value>,
    pub(crate) preinstall: Preinstall,
}

/// Returns all routes. Every response has the program's name in its `Server` header.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/api/health", get(health))
        .route("/api/plugins", get(plugins))
        .route("/api/plugins/{id}/settings", get(settings))
        .route("/api/datasources", get(datasources))
        .route("/public/plugins/{id}/{*file}", get(asset))
        .fallback(|| async { missing("page not found; / lists the pages of this stand-in") })
        .layer(middleware::from_fn(sign))
        .with_state(app)
}

async fn sign(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static(SERVER));
    response
}

async fn index(State(app): State<Arc<App>>) -> String {
    let plugins: Vec<&str> = app.plugins.iter().map(|plugin| plugin.id.as_str()).collect();
    format!(
        "{SERVER}: this is not Grafana.\n\
         It loads plugins by Grafana's rules, where Grafana itself is not available.\n\n\
         started {} times with this data directory\n\
         plugins: {}\n\n\
         /api/health\n/api/plugins\n/api/plugins/ID/settings\n/api/datasources\n\
         /public/plugins/ID/FILE\n",
        app.state.starts,
        plugins.join(", ")
    )
}

async fn health(State(app): State<Arc<App>>) -> Response {
    let (status, database) = if app.state.is_ok() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "failing")
    };
    let preinstall = app.preinstall.state();
    let health = json!({ "database": database, "version": VERSION, "preinstall": preinstall });
    (status, Json(health)).into_response()
}

async fn plugins(State(app): State<Arc<App>>) -> Json<Vec<Value>> {
    Json(app.plugins.iter().map(describe).collect())
}

async fn settings(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let Some(plugin) = app.plugins.iter().find(|plugin| plugin.id == id) else {
        return missing("plugin not found, no installed plugin with that id");
    };
    let mut settings = describe(plugin);
    if let Some(fields) = settings.as_object_mut() {
        let base = format!("public/plugins/{}", plugin.id);
        fields.insert("module".to_owned(), json!(format!("{base}/module.js")));
        fields.insert("baseUrl".to_owned(), json!(base));
    }
    Json(settings).into_response()
}

fn describe(plugin: &Plugin) -> Value {
    json!({
        "id": plugin.id,
        "type": plugin.text("/type"),
        "name": plugin.text("/name"),
        "enabled": true,
        "info": plugin.json.get("info"),
        "dependencies": plugin.json.get("dependencies"),
        "includes": plugin.json.get("includes"),
        "signature": plugin.signature,
        "signatureType": "",
        "signatureOrg": "",
        "angularDetected": false,
    })
}

async fn datasources(State(app): State<Arc<App>>) -> Json<Vec<Value>> {
    Json(app.datasources.clone())
}

async fn asset(State(app): State<Arc<App>>, Path((id, file)): Path<(String, String)>) -> Response {
    let Some(plugin) = app.plugins.iter().find(|plugin| plugin.id == id) else {
        return missing("plugin not found, no installed plugin with that id");
    };
    // `..` and links can leave the directory, so the path is resolved before the check.
    let real = fs::canonicalize(plugin.dir.join(&file)).ok();
    match real.filter(|real| real.starts_with(&plugin.dir)).and_then(|real| fs::read(real).ok()) {
        Some(bytes) => ([(header::CONTENT_TYPE, kind_of(&file))], bytes).into_response(),
        None => missing("the plugin has no such file"),
    }
}

fn kind_of(file: &str) -> &'static str {
    match file.rsplit('.').next() {
        Some("js") => "application/javascript",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("md") => "text/markdown; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn missing(why: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "message": why }))).into_response()
}
