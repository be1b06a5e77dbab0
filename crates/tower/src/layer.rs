//! The layer, and all that can be said about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use sluice_client::{Limiter, Limits, Source, redis};
use tower_layer::Layer;

use crate::headers::Policies;
use crate::key::{Key, WithoutKey};
use crate::refusal::Refusal;
use crate::rules::{OverLimit, Rules};
use crate::service::RateLimit;

/// Limits what passes on to the inner service: [`wait`](Self::wait) or [`refuse`](Self::refuse).
///
/// The limits, the longest wait and what happens in an outage are those of the
/// [`Limiter`]; its clones share queues and connection, so one limiter does for many layers. Cheap to
/// clone. With tokio only, as the limiter.
///
/// A request that waits holds a clone of the inner service that is ready for it. So a
/// `ConcurrencyLimit` belongs outside of this layer, unless those who wait shall count.
pub struct RateLimitLayer<C: Source = redis::Client> {
    rules: Arc<Rules<C>>,
}

impl<C: Source> RateLimitLayer<C> {
    /// Requests wait their turn, as long as [`Limiter::max_wait`], first in, first out over all processes.
    /// One whose sender hangs up gives its turn up, because its future is dropped. When the queue is
    /// longer, a request is refused with 429 at once.
    pub fn wait(limiter: Limiter<C>, key: impl Into<Key>) -> Self {
        Self::new(OverLimit::Wait, limiter, key.into())
    }

    /// Requests beyond the limit are refused with 429 at once.
    pub fn refuse(limiter: Limiter<C>, key: impl Into<Key>) -> Self {
        Self::new(OverLimit::Refuse, limiter, key.into())
    }

    fn new(over_limit: OverLimit, limiter: Limiter<C>, key: Key) -> Self {
        Self { rules: Arc::new(Rules::new(over_limit, limiter, key)) }
    }

    /// Put before every key, so that several layers or services share a server but no buckets. Empty
    /// unless said otherwise.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Bytes>) -> Self {
        self.rules_mut().prefix = prefix.into();
        self
    }

    /// What happens to a request without a key; it is refused unless said otherwise.
    #[must_use]
    pub fn without_key(mut self, without_key: WithoutKey) -> Self {
        self.rules_mut().without_key = without_key;
        self
    }

    /// Requests by these methods pass without being counted, and without headers: `OPTIONS` unless said
    /// otherwise, so that a browser's preflight costs no token and is not refused. That is for a service that
    /// does nothing for an `OPTIONS`; for another, say none.
    #[must_use]
    pub fn exempt_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.rules_mut().exempt.methods = methods.into_iter().collect();
        self
    }

    /// Requests for these paths pass without being counted, and without headers: `/health` is that path alone,
    /// `/static/` all that begin with it. None unless said otherwise.
    #[must_use]
    pub fn exempt_paths(mut self, paths: impl IntoIterator<Item: Into<String>>) -> Self {
        self.rules_mut().exempt.paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// When the inner service answers 429 or 503 with a `Retry-After`, as an upstream that is asked too much
    /// does, holds the key for everybody for that long, but no longer than `longest`: see
    /// [`Limiter::hold`]. Not unless said so. Those who wait already hear of it if the limiter is told to
    /// [`heed_holds`](Limiter::heed_holds).
    ///
    /// The answer is passed on as it is, one round trip to the server later.
    #[must_use]
    pub fn hold_on_retry_after(mut self, longest: Duration) -> Self {
        self.rules_mut().longest_hold = longest;
        self
    }

    /// Other limits or costs for some requests; with `None`, those of the limiter. A request that costs
    /// nothing in any limit passes without being counted, and without headers.
    ///
    /// Requests with one key and different limits share one count: each is held to its own limits and
    /// counts in those of the others. So a few may have a limit of 100 beside 80 for the many, and a plan
    /// can change while its tenant calls. Where plans shall not share, let the key tell them apart.
    ///
    /// ```
    /// use sluice_client::{Limit, Limiter, Limits};
    /// use sluice_tower::{Key, RateLimitLayer};
    ///
    /// const LLM: Limits = Limit::per_minute(60).and(Limit::per_minute(90_000));
    ///
    /// fn layer(limiter: Limiter) -> RateLimitLayer {
    ///     let tenant = Key::header("x-tenant".parse().expect("a header's name"));
    ///     RateLimitLayer::refuse(limiter, tenant).policies(["requests", "tokens"]).limits(|request| {
    ///         let tokens = request.headers.get("x-max-tokens")?.to_str().ok()?.parse().ok()?;
    ///         LLM.with_costs(&[1, tokens]).ok()
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn limits(mut self, limits: impl Fn(&Parts) -> Option<Limits> + Send + Sync + 'static) -> Self {
        self.rules_mut().limits = Some(Arc::new(limits));
        self
    }

    /// What the limits are called in headers and problems, in their order. The first is `default` unless
    /// said otherwise, and those without a name are called after it: `default-2`. Anything but printable
    /// ASCII, and quotes and backslashes, become `_`.
    #[must_use]
    pub fn policies(mut self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        self.rules_mut().policies = Policies::named(names);
        self
    }

    /// Leaves the headers `RateLimit` and `RateLimit-Policy` away. `Retry-After` stays.
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        self.rules_mut().advertised = false;
        self
    }

    /// Makes the answer to a request that is refused; [`Refusal::response`] is what it is otherwise. The
    /// headers are added to it, `Retry-After` unless it is there.
    ///
    /// ```
    /// # use sluice_client::Limiter;
    /// # use sluice_tower::{Key, RateLimitLayer};
    /// # fn layer(limiter: Limiter) -> RateLimitLayer {
    /// RateLimitLayer::refuse(limiter, Key::path()).respond_with(|refusal, request| {
    ///     let mut response = refusal.response();
    ///     *response.body_mut() = format!("{}: {}\n", refusal.status(), request.uri).into();
    ///     response.headers_mut().remove("content-type");
    ///     response
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn respond_with(
        mut self,
        response: impl Fn(&Refusal<'_>, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.rules_mut().response = Arc::new(response);
        self
    }

    /// The rules of this layer alone: services that were made from it before keep theirs.
    fn rules_mut(&mut self) -> &mut Rules<C> {
        Arc::make_mut(&mut self.rules)
    }
}

impl<C: Source> Clone for RateLimitLayer<C> {
    fn clone(&self) -> Self {
        Self { rules: Arc::clone(&self.rules) }
    }
}

impl<C: Source> fmt::Debug for RateLimitLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").field("rules", &self.rules).finish()
    }
}

impl<S, C: Source> Layer<S> for RateLimitLayer<C> {
    type Service = RateLimit<S, C>;

    fn layer(&self, inner: S) -> RateLimit<S, C> {
        RateLimit::new(inner, Arc::clone(&self.rules))
    }
}
