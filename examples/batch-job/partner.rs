//! A partner to play with: it prints what it gets and refuses fences older than the newest it has seen.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing};
use tracing::{info, warn};

use crate::endpoint::FENCE;

/// What it remembers of the calls so far.
#[derive(Default)]
struct Seen {
    highest_fence: u64,
    last_call: Option<Instant>,
}

/// Serves until the process ends.
pub(crate) async fn serve(listen: SocketAddr) -> Result<()> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let router = Router::new().route("/", routing::post(take)).with_state(seen);
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| listen.to_string())?;
    info!("listening on http://{}/", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

async fn take(
    State(seen): State<Arc<Mutex<Seen>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let now = Instant::now();
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let since = match seen.last_call.replace(now) {
        Some(last) => format!("{:.3?} after the last", now - last),
        None => "the first call".to_owned(),
    };
    let fence = headers.get(FENCE).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(fence) = fence else {
        warn!("{since}, without a fence, refused: {body}");
        return (StatusCode::PRECONDITION_REQUIRED, format!("a number is needed in the header {FENCE}\n"));
    };
    // The check that makes a lock safe: whoever was paused beyond its lease comes with an older fence.
    let highest = seen.highest_fence;
    if fence < highest {
        warn!("{since}, with the fence {fence}, below {highest}, refused: {body}");
        return (StatusCode::PRECONDITION_FAILED, format!("{highest} has been here already\n"));
    }
    seen.highest_fence = fence;
    info!("{since}, with the fence {fence}: {body}");
    (StatusCode::OK, "taken\n".to_owned())
}
