//! HTTP middleware for Sluice: requests wait their turn, or are refused, by exact limits that all
//! processes share. A [`tower::Layer`](tower_layer::Layer) over `sluice-client`'s
//! [`Limiter`](sluice_client::Limiter).
//!
//! | you want | take |
//! |---|---|
//! | at most so many requests a second to somebody else, in order, nobody refused | [`RateLimitLayer::wait`] |
//! | to refuse what is too much, with 429 and the headers of the IETF draft | [`RateLimitLayer::refuse`] |
//! | limits for each client, tenant, path | [`Key`], [`ClientIp`], [`RateLimitLayer::limits`] |
//!
//! What each header means, and what happens in an outage, is in `docs/http.md`.
//!
//! Features: `axum`, `tonic` and `tonic-tls` find the peer's address where those leave it, `tracing` emits
//! events.
#![forbid(unsafe_code)]

mod body;
mod client_ip;
mod exempt;
mod forwarded;
mod headers;
mod key;
mod layer;
mod refusal;
mod retry_after;
mod rules;
mod service;

pub use body::ResponseBody;
pub use client_ip::{ClientIp, ForwardedHeader, PeerAddr};
pub use ipnet;
pub use key::{Key, WithoutKey};
pub use layer::RateLimitLayer;
pub use refusal::Refusal;
pub use rules::Admission;
pub use service::{RateLimit, ResponseFuture};
pub use sluice_client;

#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
