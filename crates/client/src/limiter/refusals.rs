//! Refusals that are known already, so that what an abuser sends stops here.
//!
//! Only refusals: they stay true until their time, unless somebody gives tokens back. A grant from
//! memory would let too much through.

use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::decision::Decision;
use crate::limits::Limits;

#[derive(Clone, Copy)]
struct Refusal {
    limits: Limits,
    /// Before the question was sent, so that what is remembered ends rather too early than too late.
    asked: Instant,
    decision: Decision,
}

/// The refusals of so many keys: a sharded cache, in which every step takes constant time however full it is.
pub(super) struct Refusals(Cache<Box<[u8]>, Refusal>);

impl Refusals {
    pub(super) fn of(keys: usize) -> Self {
        Self(Cache::new(keys))
    }

    /// What was answered, as it would be answered now; `None` if it is no longer certain to be a
    /// refusal for someone who would wait for `max_wait`.
    pub(super) fn find(
        &self,
        key: &[u8],
        limits: &Limits,
        now: Instant,
        max_wait: Duration,
    ) -> Option<Decision> {
        let refusal = self.0.get(key).filter(|refusal| refusal.limits == *limits)?;
        let decision = refusal.decision.later(now.saturating_duration_since(refusal.asked));
        decision.retry_after().is_some_and(|left| left > max_wait).then_some(decision)
    }

    pub(super) fn put(&self, key: &[u8], limits: Limits, asked: Instant, decision: Decision) {
        self.0.insert(key.into(), Refusal { limits, asked, decision });
    }

    pub(super) fn forget(&self, key: &[u8]) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;

    fn denied(ms: u64) -> Decision {
        let retry_after = Duration::from_millis(ms);
        Decision::Denied { retry_after, remaining: 0, burst: 1, reset: retry_after, index: 0 }
    }

    #[test]
    fn a_refusal_is_known_until_its_time_and_no_longer() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let limits = Limits::from(Limit::per_second(1));
        let refusals = Refusals::of(10);
        refusals.put(b"k", limits, now, denied(1000));
        assert_eq!(refusals.find(b"k", &limits, now + ms(400), ms(0)), Some(denied(600)));
        assert_eq!(refusals.find(b"k", &limits, now + ms(1000), ms(0)), None);
        assert_eq!(refusals.find(b"k", &limits, now, ms(1000)), None, "who would wait so long is served");
        assert_eq!(refusals.find(b"k", &Limit::per_second(2).into(), now, ms(0)), None);

        refusals.forget(b"k");
        assert_eq!(refusals.find(b"k", &limits, now, ms(0)), None);
    }

    #[test]
    fn no_more_keys_are_kept_than_was_said() {
        let (now, limits) = (Instant::now(), Limits::from(Limit::per_second(1)));
        let refusals = Refusals::of(100);
        for n in 0..1000_u32 {
            refusals.put(&n.to_be_bytes(), limits, now, denied(1000));
            assert!(refusals.find(&n.to_be_bytes(), &limits, now, Duration::ZERO).is_some());
        }
        assert!((1..=100).contains(&refusals.0.len()), "{}", refusals.0.len());
    }
}
