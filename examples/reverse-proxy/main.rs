//! A reverse proxy that sends no more requests a second to its upstream than that can take, over all
//! replicas: those beyond the rate wait their turn, first in, first out, or are refused.
//!
//! ```sh
//! cargo run --example reverse-proxy -- --listen 127.0.0.1:8088 --upstream http://127.0.0.1:8080 \
//!     --redis redis://127.0.0.1:6379 --rate 2/1s --mode wait --max-wait 30s
//! ```
//!
//! | file | what |
//! |---|---|
//! | `options` | the command line |
//! | `choices`, `../rate.rs` | how keys, outages and rates are written on it |
//! | `upstream` | passing requests on |
//! | `serve` | listening and stopping |

mod choices;
mod options;
#[path = "../rate.rs"]
mod rate;
mod serve;
mod upstream;

use std::io::IsTerminal;

use anyhow::{Context, ensure};
use axum::Router;
use clap::Parser;
use sluice_client::Limiter;
use sluice_tower::RateLimitLayer;
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::Level;
use tracing_subscriber::EnvFilter;

use choices::{Exempt, KeyOf, Mode};
use options::Options;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();

    let app = Router::new().fallback_service(upstream::service(&options)?).layer(limits(&options)?).layer(
        TraceLayer::new_for_http()
            .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
            .on_response(DefaultOnResponse::new().level(Level::INFO))
            .on_failure(()),
    );
    serve::serve(&options, app).await
}

/// The limit on what passes on to the upstream.
fn limits(options: &Options) -> anyhow::Result<RateLimitLayer> {
    ensure!(
        options.trusted_proxy.is_empty() || matches!(options.key, KeyOf::Ip),
        "--trusted-proxy means nothing without --key ip"
    );
    let client = redis::Client::open(options.redis.as_str())
        .with_context(|| format!("--redis {} is no address of a server", options.redis))?;
    // It connects with the first request: a server that is away when the proxy starts is an outage like any
    // other.
    let limiter = Limiter::new(client, options.rate.limit(), options.on_outage.into())
        .deadline(options.deadline)
        .max_wait(options.max_wait)
        // Those who wait for a turn go on waiting when the upstream asks to be left alone.
        .heed_holds(!options.max_hold.is_zero());
    let key = options.key.key(&options.trusted_proxy);
    let layer = match options.mode {
        Mode::Wait => RateLimitLayer::wait(limiter, key),
        Mode::Refuse => RateLimitLayer::refuse(limiter, key),
    };
    let methods = options.exempt.iter().filter_map(|exempt| match exempt {
        Exempt::Method(method) => Some(method.clone()),
        Exempt::Path(_) | Exempt::Nothing => None,
    });
    let paths = options.exempt.iter().filter_map(|exempt| match exempt {
        Exempt::Path(path) => Some(path.clone()),
        Exempt::Method(_) | Exempt::Nothing => None,
    });
    let layer = layer.exempt_methods(methods).exempt_paths(paths).hold_on_retry_after(options.max_hold);
    Ok(layer.prefix(options.prefix()))
}
