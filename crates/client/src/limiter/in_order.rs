//! Several futures at once, begun in an order.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Polls them all, always the first of them first, until the last has ended.
pub(super) async fn in_order<F: Future<Output = ()> + Unpin>(futures: Vec<F>) {
    let mut futures: Vec<Option<F>> = futures.into_iter().map(Some).collect();
    poll_fn(|cx| {
        for place in &mut futures {
            if place.as_mut().is_some_and(|future| Pin::new(future).poll(cx).is_ready()) {
                *place = None;
            }
        }
        futures.retain(Option::is_some);
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
