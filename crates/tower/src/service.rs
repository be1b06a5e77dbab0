//! The service: a request is decided about, and then passed on or answered.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use sluice_client::{Source, redis};
use tower_service::Service;

use crate::body::ResponseBody;
use crate::refusal::Refusal;
use crate::rules::{Rules, Ruling};

/// What [`RateLimitLayer`](crate::RateLimitLayer) makes of a service.
pub struct RateLimit<S, C: Source = redis::Client> {
    inner: S,
    rules: Arc<Rules<C>>,
}

impl<S, C: Source> RateLimit<S, C> {
    pub(crate) const fn new(inner: S, rules: Arc<Rules<C>>) -> Self {
        Self { inner, rules }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: Clone, C: Source> Clone for RateLimit<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), rules: Arc::clone(&self.rules) }
    }
}

impl<S: fmt::Debug, C: Source> fmt::Debug for RateLimit<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("inner", &self.inner).field("rules", &self.rules).finish()
    }
}

impl<S, C, RequestBody, Inner> Service<Request<RequestBody>> for RateLimit<S, C>
where
    S: Service<Request<RequestBody>, Response = Response<Inner>> + Clone + Send + 'static,
    S::Future: Send,
    C: Source,
    RequestBody: Send + 'static,
    Inner: Body<Data = Bytes> + Send,
{
    type Response = Response<ResponseBody<Inner>>;
    type Error = S::Error;
    type Future = ResponseFuture<Self::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        // The service that was polled ready has to be the one that is called: a clone of it need not be
        // ready. It is kept ready while the request waits, so that its turn is used at once when it comes.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let rules = Arc::clone(&self.rules);
        ResponseFuture(Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let admission = match rules.decide(&parts).await {
                Ruling::Admitted(admission) => Some(admission),
                Ruling::Uncounted => None,
                Ruling::Limited(limits, decision) => {
                    return Ok(rules.refuse_limited(&limits, decision, &parts));
                }
                Ruling::WithoutKey => {
                    #[cfg(feature = "tracing")]
                    tracing::debug!(path = parts.uri.path(), "a request without a key is refused");
                    return Ok(rules.refuse(&Refusal::WithoutKey, &parts));
                }
                Ruling::WithoutPeer => return Ok(rules.refuse(&Refusal::WithoutPeer, &parts)),
                Ruling::Undecided(error) => {
                    #[cfg(feature = "tracing")]
                    tracing::error!(%error, "the rate limit of a request cannot be checked");
                    return Ok(rules.refuse(&Refusal::Undecided(&error), &parts));
                }
            };
            if let Some(admission) = &admission {
                parts.extensions.insert(admission.clone());
            }
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            if let Some(admission) = admission {
                rules.heed(response.status(), response.headers(), &admission.key).await;
                rules.advertise(response.headers_mut(), &admission.limits, &admission.decision);
            }
            Ok(response.map(ResponseBody::inner))
        }))
    }
}

/// The response to a request, when its turn has come and the inner service has answered. Dropping it
/// gives the turn up.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<R, E>(Pin<Box<dyn Future<Output = Result<R, E>> + Send>>);

impl<R, E> Future for ResponseFuture<R, E> {
    type Output = Result<R, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<R, E> fmt::Debug for ResponseFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body::SizeHint;
    use sluice_client::redis::aio::ConnectionLike;
    use sluice_client::redis::{Cmd, Pipeline, RedisFuture, Value};
    use sluice_client::{Limit, Limiter, Outage, Ready};
    use tower::ServiceExt;

    use super::*;
    use crate::rules::OverLimit;

    /// A server that grants everything, after a wait if asked for one.
    #[derive(Clone)]
    struct Granting {
        wait_ms: i64,
    }

    impl ConnectionLike for Granting {
        fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
            let reply = Value::Array([1, self.wait_ms, 0, 1, 1000, 0].map(Value::Int).to_vec());
            Box::pin(async move { Ok(reply) })
        }

        fn req_packed_commands<'a>(
            &'a mut self,
            _: &'a Pipeline,
            _: usize,
            _: usize,
        ) -> RedisFuture<'a, Vec<Value>> {
            unreachable!("the limiter sends no pipelines")
        }

        fn get_db(&self) -> i64 {
            0
        }
    }

    fn limited<S>(inner: S, wait_ms: i64) -> RateLimit<S, Ready<Granting>> {
        let limiter = Limiter::new(Ready(Granting { wait_ms }), Limit::per_second(1), Outage::Closed);
        RateLimit::new(inner, Arc::new(Rules::new(OverLimit::Wait, limiter, "k".into())))
    }

    struct Nothing;

    impl Body for Nothing {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            Poll::Ready(None)
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(7)
        }
    }

    /// A service that only the one that was polled ready may be asked, as with a permit or a slot.
    struct Permitted {
        ready: bool,
        calls: Arc<AtomicUsize>,
    }

    impl Clone for Permitted {
        fn clone(&self) -> Self {
            Self { ready: false, calls: Arc::clone(&self.calls) }
        }
    }

    impl Service<Request<()>> for Permitted {
        type Response = Response<Nothing>;
        type Error = String;
        type Future = std::future::Ready<Result<Response<Nothing>, String>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
            self.ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(mem::take(&mut self.ready), "called without being ready");
            self.calls.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(Response::new(Nothing)))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_service_that_is_called_is_the_one_that_was_ready() {
        let calls = Arc::new(AtomicUsize::new(0));
        let mut service = limited(Permitted { ready: false, calls: Arc::clone(&calls) }, 1000);
        for n in 1..=3 {
            let response = service.ready().await.unwrap().call(Request::new(()));
            // Readied for the next one while this one waits.
            service.ready().await.unwrap();
            let response = response.await.unwrap();
            assert_eq!(calls.load(Ordering::SeqCst), n);
            assert_eq!(response.body().size_hint().exact(), Some(7), "the body is the inner one's");
        }
    }

    #[tokio::test]
    async fn what_is_not_ready_is_not_called_and_its_error_is_handed_on() {
        #[derive(Clone)]
        struct Broken;
        impl Service<Request<()>> for Broken {
            type Response = Response<Nothing>;
            type Error = String;
            type Future = std::future::Ready<Result<Response<Nothing>, String>>;
            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
                Poll::Ready(Err("broken".to_owned()))
            }
            fn call(&mut self, _: Request<()>) -> Self::Future {
                unreachable!("it is never ready")
            }
        }
        assert_eq!(limited(Broken, 0).oneshot(Request::new(())).await.err().unwrap(), "broken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_is_dropped_never_reaches_the_service() {
        let calls = Arc::new(AtomicUsize::new(0));
        let service = limited(Permitted { ready: false, calls: Arc::clone(&calls) }, 1000);
        let request = service.oneshot(Request::new(()));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(999), request).await.is_err());
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        assert_eq!(calls.load(Ordering::SeqCst), 0);
    }
}
