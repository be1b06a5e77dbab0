//! Passing requests on: bodies stream both ways, headers are kept but for those that are meant for one
//! connection, `X-Forwarded-For` and `Forwarded` gain the address of the client.

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::http::Version;
use axum::http::uri::Scheme;
use axum::middleware::map_response;
use axum::response::Response;
use axum_reverse_proxy::{HostBehaviour, ProxyPolicy, ReverseProxy};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;

use crate::options::Options;

/// What answers a request whose turn has come: the upstream, or 502 if it cannot be reached and 504 if it
/// does not begin its answer in time.
pub(crate) fn service(options: &Options) -> anyhow::Result<Router> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    if options.upstream.scheme() != Some(&Scheme::HTTPS) {
        return Ok(router(options, connector));
    }
    connector.enforce_http(false);
    let tls = HttpsConnectorBuilder::new()
        .with_native_roots()
        .context("the certificates that this machine trusts cannot be read")?;
    Ok(router(options, tls.https_only().enable_http1().wrap_connector(connector)))
}

fn router<C: Connect + Clone + Send + Sync + 'static>(options: &Options, connector: C) -> Router {
    let host = if options.keep_host { HostBehaviour::Preserve } else { HostBehaviour::Replace };
    let policy = ProxyPolicy::new().with_host_behaviour(host).with_upstream_timeout(options.timeout);
    let client = Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let proxy = ReverseProxy::new_with_client("/", options.upstream.to_string(), client).with_policy(policy);
    // An upstream that speaks HTTP/1.0 does so on its own connection.
    Router::new().fallback_service(proxy).layer(map_response(async |mut response: Response| {
        *response.version_mut() = Version::HTTP_11;
        response
    }))
}
