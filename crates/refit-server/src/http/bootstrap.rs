//! What an agent asks for first: where to connect, and roughly what time it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::App;
use crate::wall;

/// Says where devices connect. With `--dev`, and only on loopback, anybody may ask.
pub(crate) async fn bootstrap(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({ "mqtt": app.places.mqtt, "time": wall::now().as_millis() }))
}
