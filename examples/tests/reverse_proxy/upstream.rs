//! The upstream: it notes when each request arrives.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// One request: its path, and when it came, since 1970.
pub(crate) type Arrival = (String, Duration);

pub(crate) struct Upstream {
    address: String,
    server: JoinHandle<()>,
    noted: Arc<Noted>,
    /// What `/download` sends; closed when it is taken.
    pub(crate) download: UnboundedSender<Bytes>,
    /// What has come to `/upload`, chunk by chunk.
    pub(crate) uploaded: UnboundedReceiver<Bytes>,
}

struct Noted {
    arrivals: Mutex<Vec<Arrival>>,
    last: Mutex<Option<Parts>>,
    download: Mutex<Option<UnboundedReceiver<Bytes>>>,
    uploaded: UnboundedSender<Bytes>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let (download, source) = unbounded_channel();
        let (sink, uploaded) = unbounded_channel();
        let noted = Arc::new(Noted {
            arrivals: Mutex::default(),
            last: Mutex::default(),
            download: Mutex::new(Some(source)),
            uploaded: sink,
        });
        let app = Router::new()
            .route("/at/{name}", get(arrive))
            .route("/never", get(pending::<()>))
            .route("/busy", get(ask_to_be_left_alone))
            .route("/download", get(send_chunks))
            .route("/upload", post(receive_chunks))
            .fallback(any(note_headers))
            .with_state(Arc::clone(&noted));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, server, noted, download, uploaded }
    }

    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.noted.arrivals.lock().unwrap().clone()
    }

    /// What the last request that was answered with its headers looked like.
    pub(crate) fn last(&self) -> Parts {
        self.noted.last.lock().unwrap().take().expect("a request came")
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn arrive(State(noted): State<Arc<Noted>>, Path(name): Path<String>) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    noted.arrivals.lock().unwrap().push((name, now));
}

async fn ask_to_be_left_alone() -> impl IntoResponse {
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "2")], "busy")
}

async fn send_chunks(State(noted): State<Arc<Noted>>) -> Body {
    let source = noted.download.lock().unwrap().take().unwrap();
    Body::from_stream(UnboundedReceiverStream::new(source).map(Ok::<_, Infallible>))
}

async fn receive_chunks(State(noted): State<Arc<Noted>>, request: Request) -> String {
    let mut chunks = request.into_body().into_data_stream();
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        all.extend_from_slice(&chunk);
        noted.uploaded.send(chunk).unwrap();
    }
    String::from_utf8(all).unwrap()
}

async fn note_headers(State(noted): State<Arc<Noted>>, request: Request) -> Response {
    *noted.last.lock().unwrap() = Some(request.into_parts().0);
    let headers = [("set-cookie", "a=1"), ("keep-alive", "timeout=9"), ("x-kept", "yes")];
    let mut response = (headers, "the answer").into_response();
    response.headers_mut().append("set-cookie", "b=2".parse().unwrap());
    response
}
