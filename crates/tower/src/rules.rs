//! What a layer knows, and what that comes to for one request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use sluice_client::{Decision, Error, Limiter, Limits, Source};

use crate::body::ResponseBody;
use crate::exempt::Exempt;
use crate::headers::{self, Policies};
use crate::key::{Key, Missing, WithoutKey};
use crate::refusal::Refusal;
use crate::retry_after;

/// What happens to a request beyond the limit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OverLimit {
    /// It waits its turn.
    Wait,
    /// It is refused at once.
    Refuse,
}

type LimitsOf = Arc<dyn Fn(&Parts) -> Option<Limits> + Send + Sync>;
type ResponseTo = Arc<dyn Fn(&Refusal<'_>, &Parts) -> Response<Bytes> + Send + Sync>;

pub(crate) struct Rules<C: Source> {
    over_limit: OverLimit,
    limiter: Limiter<C>,
    key: Key,
    pub(crate) prefix: Bytes,
    pub(crate) without_key: WithoutKey,
    pub(crate) exempt: Exempt,
    /// The longest hold that an answer from inside may set.
    pub(crate) longest_hold: Duration,
    /// Whether it has been said that the peer is not known.
    warned: Arc<AtomicBool>,
    pub(crate) limits: Option<LimitsOf>,
    pub(crate) policies: Policies,
    pub(crate) advertised: bool,
    pub(crate) response: ResponseTo,
}

/// A request that was counted, and under what: an extension of the request that the inner service
/// sees, for example to settle the cost of a call that was an estimate.
///
/// ```
/// use sluice_client::Limiter;
/// use sluice_tower::Admission;
///
/// async fn settle(limiter: Limiter, admission: Admission, tokens: u64) {
///     let limiter = limiter.with(admission.limits);
///     if let Err(error) = limiter.settle(&admission.key, &[1, tokens]).await {
///         eprintln!("{tokens} tokens are not settled: {error}");
///     }
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Admission {
    /// The key in Redis, with the layer's prefix.
    pub key: Bytes,
    /// The limits of this request, with the costs that it was charged.
    pub limits: Limits,
    /// What was decided; [`Decision::Unchecked`] if the server is out of reach and the limiter is
    /// [`Outage::Open`](sluice_client::Outage::Open).
    pub decision: Decision,
}

/// What the rules come to for one request.
pub(crate) enum Ruling {
    Admitted(Admission),
    /// It is exempt, costs nothing, or has no key and passes without: it is not counted, and no headers are
    /// added.
    Uncounted,
    WithoutKey,
    WithoutPeer,
    Limited(Limits, Decision),
    Undecided(Error),
}

impl<C: Source> Rules<C> {
    pub(crate) fn new(over_limit: OverLimit, limiter: Limiter<C>, key: Key) -> Self {
        Self {
            over_limit,
            limiter,
            key,
            prefix: Bytes::new(),
            without_key: WithoutKey::default(),
            exempt: Exempt::default(),
            longest_hold: Duration::ZERO,
            warned: Arc::default(),
            limits: None,
            policies: Policies::default(),
            advertised: true,
            response: Arc::new(|refusal, _| refusal.response()),
        }
    }

    /// Says on a response to an admitted request where its sender stands.
    pub(crate) fn advertise(&self, headers: &mut HeaderMap, limits: &Limits, decision: &Decision) {
        if self.advertised {
            headers::advertise(headers, decision, limits, &self.policies);
        }
    }

    pub(crate) fn refuse<B>(&self, refusal: &Refusal<'_>, request: &Parts) -> Response<ResponseBody<B>> {
        (self.response)(refusal, request).map(ResponseBody::refusal)
    }

    pub(crate) fn refuse_limited<B>(
        &self,
        limits: &Limits,
        decision: Decision,
        request: &Parts,
    ) -> Response<ResponseBody<B>> {
        let policy = self.policies.name(decision.index().unwrap_or(0));
        let refusal = match decision {
            Decision::Never { .. } => Refusal::TooCostly { decision, policy: &policy },
            _ => Refusal::Limited { decision, policy: &policy },
        };
        let mut response = self.refuse(&refusal, request);
        self.advertise(response.headers_mut(), limits, &decision);
        headers::retry_after(response.headers_mut(), &decision);
        response
    }
}

impl<C: Source> Rules<C> {
    fn without_key(&self, missing: Missing) -> Ruling {
        if missing == Missing::Peer && !self.warned.swap(true, Ordering::Relaxed) {
            #[cfg(feature = "tracing")]
            tracing::error!(
                "limits for each client address need to know the peer, and the server does not say: serve axum \
                 with into_make_service_with_connect_info::<SocketAddr>() and the feature `axum` of sluice-tower, \
                 tonic with its feature `tonic` or `tonic-tls`, or insert PeerAddr into the request's extensions"
            );
        }
        match (self.without_key, missing) {
            (WithoutKey::Pass, _) => Ruling::Uncounted,
            (WithoutKey::Refuse, Missing::Key) => Ruling::WithoutKey,
            (WithoutKey::Refuse, Missing::Peer) => Ruling::WithoutPeer,
        }
    }

    /// An answer from inside may hold the key for everybody, if it says for how long.
    pub(crate) async fn heed(&self, status: StatusCode, headers: &HeaderMap, key: &[u8]) {
        if self.longest_hold.is_zero() {
            return;
        }
        let Some(time) = retry_after::of(status, headers, SystemTime::now()) else { return };
        let time = time.min(self.longest_hold);
        let held = self.limiter.hold(key, time).await;
        #[cfg(feature = "tracing")]
        match held {
            Ok(held) => tracing::info!(?held, %status, "a key is held, as the answer asks"),
            Err(error) => tracing::warn!(%error, %status, "a key could not be held"),
        }
        #[cfg(not(feature = "tracing"))]
        drop(held);
    }

    /// Where requests wait, this lasts until it is the turn of the request. Dropping the future gives it up.
    pub(crate) async fn decide(&self, request: &Parts) -> Ruling {
        if self.exempt.is(request) {
            return Ruling::Uncounted;
        }
        let key = match self.key.find(request) {
            Ok(key) => key,
            Err(missing) => return self.without_key(missing),
        };
        let key = Bytes::from([&self.prefix, &key[..]].concat());
        let other = self.limits.as_ref().and_then(|limits| limits(request));
        let limits = other.unwrap_or(*self.limiter.limits());
        if limits.as_slice().iter().all(|limit| limit.tokens() == 0) {
            return Ruling::Uncounted;
        }
        let limiter = self.limiter.with(limits);
        let decision = match self.over_limit {
            OverLimit::Wait => limiter.acquire(&key).await,
            OverLimit::Refuse => limiter.try_acquire(&key).await,
        };
        match decision.map(|permit| permit.decision()) {
            Ok(decision) if decision.is_granted() => Ruling::Admitted(Admission { key, limits, decision }),
            Ok(decision) => Ruling::Limited(limits, decision),
            Err(error) => Ruling::Undecided(error),
        }
    }
}

impl<C: Source> Clone for Rules<C> {
    fn clone(&self) -> Self {
        Self {
            over_limit: self.over_limit,
            limiter: self.limiter.clone(),
            key: self.key.clone(),
            prefix: self.prefix.clone(),
            without_key: self.without_key,
            exempt: self.exempt.clone(),
            longest_hold: self.longest_hold,
            warned: Arc::clone(&self.warned),
            limits: self.limits.clone(),
            policies: self.policies.clone(),
            advertised: self.advertised,
            response: Arc::clone(&self.response),
        }
    }
}

impl<C: Source> fmt::Debug for Rules<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("over_limit", &self.over_limit)
            .field("limiter", &self.limiter)
            .field("key", &self.key)
            .field("prefix", &self.prefix)
            .field("without_key", &self.without_key)
            .field("exempt", &self.exempt)
            .field("longest_hold", &self.longest_hold)
            .field("policies", &self.policies)
            .field("advertised", &self.advertised)
            .finish_non_exhaustive()
    }
}
