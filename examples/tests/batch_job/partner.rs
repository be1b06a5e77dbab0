//! A partner that remembers every call, answers as it is told, and can hold a call up on its way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

/// The example's default for `--limit`.
const LIMIT: &str = "limit:partner";

#[derive(Deserialize)]
struct Body {
    record: String,
    fields: Map<String, Value>,
    events: Vec<i64>,
}

/// A call as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) arrived: Instant,
    /// How long after its turn it arrived; the turn is the newest that the limiter's key knows. None: that
    /// is somebody else's and still to come, or the server is gone.
    pub(crate) late: Option<Duration>,
    pub(crate) fence: u64,
    pub(crate) record: String,
    pub(crate) fields: Map<String, Value>,
    pub(crate) events: Vec<i64>,
    /// None while it is held up.
    pub(crate) status: Option<StatusCode>,
}

impl Call {
    pub(crate) fn is_taken(&self) -> bool {
        self.status == Some(StatusCode::OK)
    }
}

#[derive(Clone)]
pub(crate) struct Partner {
    port: u16,
    redis: MultiplexedConnection,
    /// Between two calls, as the limiter has it.
    interval: Duration,
    calls: Arc<Mutex<Vec<Call>>>,
    arrivals: Arc<AtomicUsize>,
    highest_fence: Arc<Mutex<u64>>,
    answers: Arc<Mutex<HashMap<String, StatusCode>>>,
    held_up: watch::Sender<Option<usize>>,
}

impl Partner {
    pub(crate) async fn start(redis: &redis::Client, interval: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let patience = Some(Duration::from_secs(20));
        let config =
            AsyncConnectionConfig::new().set_response_timeout(patience).set_connection_timeout(patience);
        let partner = Self {
            port: listener.local_addr().unwrap().port(),
            redis: redis.get_multiplexed_async_connection_with_config(&config).await.unwrap(),
            interval,
            calls: Arc::default(),
            arrivals: Arc::default(),
            highest_fence: Arc::default(),
            answers: Arc::default(),
            held_up: watch::Sender::new(None),
        };
        let router = Router::new().route("/", routing::post(take)).with_state(partner.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        partner
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Answers calls for the record with this from now on; 200 takes it, and 429 asks to be left alone for a
    /// second.
    pub(crate) fn answer(&self, record: &str, status: u16) {
        self.answers.lock().unwrap().insert(record.to_owned(), StatusCode::from_u16(status).unwrap());
    }

    /// The call that arrives as number `index`, from 0, stays on its way, before the fence check, until
    /// [`Self::let_go`].
    pub(crate) fn hold_up(&self, index: usize) {
        self.held_up.send_replace(Some(index));
    }

    pub(crate) fn let_go(&self) {
        self.held_up.send_replace(None);
    }

    /// The calls so far, in the order of their arrival.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// What the partner has of each record: the fields of the calls that it took, one over the other.
    pub(crate) fn records(&self) -> HashMap<String, Map<String, Value>> {
        let mut records: HashMap<String, Map<String, Value>> = HashMap::new();
        for call in self.calls().into_iter().filter(Call::is_taken) {
            records.entry(call.record).or_default().extend(call.fields);
        }
        records
    }

    /// The ids of all events that it took, as often as it took them.
    pub(crate) fn events(&self) -> Vec<i64> {
        let taken = self.calls().into_iter().filter(Call::is_taken);
        let mut events: Vec<i64> = taken.flat_map(|call| call.events).collect();
        events.sort_unstable();
        events
    }

    /// When the newest turn was, since the epoch: with BURST 1 the state is that and one interval. None of
    /// a window, whose state is another.
    async fn turn(&self) -> Option<Duration> {
        let state: String = self.redis.clone().get(LIMIT).await.ok()?;
        state[..19].parse().ok().map(|next| Duration::from_nanos(next) - self.interval)
    }
}

async fn take(State(partner): State<Partner>, headers: HeaderMap, Json(body): Json<Body>) -> Response {
    let (arrived, clock) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
    let index = partner.arrivals.fetch_add(1, Ordering::SeqCst);
    let late = partner.turn().await.and_then(|turn| clock.checked_sub(turn));
    let fence = headers["x-fence"].to_str().unwrap().parse().unwrap();
    let Body { record, fields, events } = body;
    let call = Call { arrived, late, fence, record, fields, events, status: None };
    // Calls are in the order of their arrival as long as they do not overlap, which the tests check.
    let place = {
        let mut calls = partner.calls.lock().unwrap();
        calls.push(call.clone());
        calls.len() - 1
    };
    partner.held_up.subscribe().wait_for(|held_up| *held_up != Some(index)).await.unwrap();

    let status = {
        let mut highest = partner.highest_fence.lock().unwrap();
        if fence < *highest {
            StatusCode::PRECONDITION_FAILED
        } else {
            *highest = fence;
            partner.answers.lock().unwrap().get(&call.record).copied().unwrap_or(StatusCode::OK)
        }
    };
    partner.calls.lock().unwrap()[place].status = Some(status);
    match status {
        StatusCode::TOO_MANY_REQUESTS => (status, [("retry-after", "1")]).into_response(),
        _ => status.into_response(),
    }
}
