//! Listening, and stopping in good order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tower::ServiceExt;

use crate::choices::Mode;
use crate::options::Options;

/// After a connection could not be accepted, perhaps because there are too many.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until SIGTERM or SIGINT, then lets those who wait and those who are being answered finish, for no
/// longer than `--grace`. A second signal ends it at once.
pub(crate) async fn serve(options: &Options, app: Router) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    say_what_we_do(options, listener.local_addr()?);
    let mut stop = StopSignal::listen()?;

    // Not by axum::serve, which waits for ever for a head of which half has come.
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(options.header_timeout);
    let connections = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.asked() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            },
        };
        let answer = service_fn(answer(app.clone(), peer));
        let connection = http.serve_connection_with_upgrades(io(stream), answer).into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection ended");
            }
        });
    }
    drop(listener);
    tracing::info!("stopping: requests that are here are finished, within {:?}", options.grace);
    tokio::select! {
        () = connections.shutdown() => Ok(()),
        () = stop.asked() => bail!("stopped twice: requests were cut off"),
        () = sleep(options.grace) => bail!("not done within --grace {:?}: requests were cut off", options.grace),
    }
}

fn io(stream: TcpStream) -> TokioIo<TcpStream> {
    // Without it a short answer may wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    TokioIo::new(stream)
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// Answers the requests of one peer.
fn answer(app: Router, peer: SocketAddr) -> impl Fn(Request<Incoming>) -> Answer {
    move |request| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        Box::pin(app.clone().oneshot(request))
    }
}

/// SIGTERM and SIGINT, from when it is made on.
struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Ends when a signal has come. Dropping it loses none.
    async fn asked(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}

/// One line on the standard output: where we listen, which matters for port 0, and what is done.
#[allow(clippy::print_stdout, reason = "the log goes to the standard error")]
fn say_what_we_do(options: &Options, address: SocketAddr) {
    let beyond = match options.mode {
        Mode::Wait => format!("wait up to {}", humantime::format_duration(options.max_wait)),
        Mode::Refuse => "are refused".to_owned(),
    };
    println!(
        "listening on http://{address}: at most {} {} to {}, others {beyond}; without Redis {}",
        options.rate, options.key, options.upstream, options.on_outage
    );
}
