//! Listening, and stopping in good order.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::choices::Mode;
use crate::options::Options;

/// Serves until SIGTERM or SIGINT, then lets those who wait and those who are being answered finish. A
/// second signal ends it at once.
pub(crate) async fn serve(options: &Options, app: Router) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    say_what_we_do(options, listener.local_addr()?);

    let (mut terminated, mut interrupted) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut stopped = async move || {
        tokio::select! { _ = terminated.recv() => {}, _ = interrupted.recv() => {} }
    };
    let (stop, stopping) = tokio::sync::oneshot::channel();
    let listener = listener.tap_io(|connection| {
        // Without it a short answer may wait for the acknowledgement of the one before.
        let _ = connection.set_nodelay(true);
    });
    let serving = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async {
            let _ = stopping.await;
        });
    let twice_stopped = async {
        stopped().await;
        tracing::info!("stopping: requests that are here are finished");
        let _ = stop.send(());
        stopped().await;
    };
    tokio::select! {
        ended = serving.into_future() => ended.context("the listener failed"),
        () = twice_stopped => anyhow::bail!("stopped twice: requests were cut off"),
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
