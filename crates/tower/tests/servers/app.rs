//! An application behind a layer, on a port of 127.0.0.1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use redis::aio::MultiplexedConnection;
use reqwest::{Client, Response};
use sluice_client::{Limiter, Limits, Outage};
use sluice_testing::Server;
use sluice_tower::{Admission, RateLimitLayer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A limiter that gives a loaded machine the time it needs.
pub(crate) async fn limiter(server: &Server, limits: impl Into<Limits>) -> Limiter<MultiplexedConnection> {
    let patience = Some(ms(10_000));
    let config =
        redis::AsyncConnectionConfig::new().set_response_timeout(patience).set_connection_timeout(patience);
    let connection = server.client().get_multiplexed_async_connection_with_config(&config).await.unwrap();
    Limiter::new(connection, limits, Outage::Closed).deadline(ms(5000))
}

/// Answers each request with the key that it was counted under.
pub(crate) struct App {
    address: SocketAddr,
    server: JoinHandle<()>,
    client: Client,
    reached: Arc<AtomicUsize>,
}

impl App {
    pub(crate) async fn behind(layer: RateLimitLayer<MultiplexedConnection>) -> Self {
        let reached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&reached);
        let handler = move |admission: Option<Extension<Admission>>| async move {
            count.fetch_add(1, Ordering::SeqCst);
            admission.map_or_else(
                || "not counted".to_owned(),
                |Extension(admission)| String::from_utf8(admission.key.to_vec()).unwrap(),
            )
        };
        let app = Router::new().route("/{*path}", get(handler.clone()).post(handler)).layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, server, client: Client::new(), reached }
    }

    /// How many requests came through.
    pub(crate) fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    pub(crate) fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(path).send().await.unwrap()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The values of a header, one for each line.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> Vec<&'a str> {
    response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

/// The one line of a header without the time at its end (`;t=1800`), which has to be at most that, and
/// less by no more than a slow machine explains.
pub(crate) fn standing(response: &Response, seconds: u64) -> String {
    let [line] = header(response, "ratelimit")[..] else { panic!("{:?}", response.headers()) };
    let (standing, time) = line.rsplit_once(";t=").unwrap();
    within_a_minute(time, seconds);
    standing.to_owned()
}

pub(crate) fn within_a_minute(text: &str, seconds: u64) {
    let found: u64 = text.parse().unwrap();
    assert!((seconds.saturating_sub(60)..=seconds).contains(&found), "{found} s, not {seconds}");
}
