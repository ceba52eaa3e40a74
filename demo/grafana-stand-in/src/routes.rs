//! The answers: a few of Grafana's API, and the plugins' own files.

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

/// What every answer may look at.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) state: data::State,
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) datasources: Vec<Value>,
    pub(crate) preinstall: Preinstall,
}

/// All answers, each with this program's name on it.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/api/health", get(health))
        .route("/api/plugins", get(plugins))
        .route("/api/plugins/{id}/settings", get(settings))
        .route("/api/datasources", get(datasources))
        .route("/public/plugins/{id}/{*file}", get(asset))
        .fallback(|| async { missing("this stand-in has no such page; / lists those it has") })
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
         It stands in for it where it cannot be had, and loads plugins by its rules.\n\n\
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
    let mut told = describe(plugin);
    if let Some(fields) = told.as_object_mut() {
        let base = format!("public/plugins/{}", plugin.id);
        fields.insert("module".to_owned(), json!(format!("{base}/module.js")));
        fields.insert("baseUrl".to_owned(), json!(base));
    }
    Json(told).into_response()
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
    // Resolved first, since `..` and links could lead anywhere.
    let real = fs::canonicalize(plugin.folder.join(&file)).ok();
    match real.filter(|real| real.starts_with(&plugin.folder)).and_then(|real| fs::read(real).ok())
    {
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
