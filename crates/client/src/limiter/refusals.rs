//! Refusals that are known already, so that what an abuser sends stops here.
//!
//! Only refusals: they stay true until their time, unless somebody gives tokens back. A grant from
//! memory would let too much through.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::decision::Decision;
use crate::limits::Limits;

struct Refusal {
    limits: Limits,
    /// Before the question was sent, so that what is remembered ends rather too early than too late.
    asked: Instant,
    decision: Decision,
}

/// The refusals of up to `capacity` keys, none unless asked for.
#[derive(Default)]
pub(super) struct Refusals {
    capacity: usize,
    keys: HashMap<Box<[u8]>, Refusal>,
}

impl Refusals {
    pub(super) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
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
        let refusal = self.keys.get(key).filter(|refusal| refusal.limits == *limits)?;
        let decision = refusal.decision.later(now.saturating_duration_since(refusal.asked));
        decision.retry_after().is_some_and(|left| left > max_wait).then_some(decision)
    }

    pub(super) fn put(&mut self, key: &[u8], limits: Limits, asked: Instant, decision: Decision) {
        if self.capacity == 0 {
            return;
        }
        if self.keys.len() >= self.capacity && !self.keys.contains_key(key) {
            self.keys.retain(|_, refusal| {
                refusal.decision.later(asked.saturating_duration_since(refusal.asked)).retry_after()
                    > Some(Duration::ZERO)
            });
        }
        if self.keys.len() < self.capacity || self.keys.contains_key(key) {
            self.keys.insert(key.into(), Refusal { limits, asked, decision });
        }
    }

    pub(super) fn forget(&mut self, key: &[u8]) {
        self.keys.remove(key);
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
        let mut refusals = Refusals::default();
        refusals.put(b"k", limits, now, denied(1000));
        assert_eq!(refusals.find(b"k", &limits, now, ms(0)), None, "not asked to remember");

        refusals.set_capacity(1);
        refusals.put(b"k", limits, now, denied(1000));
        assert_eq!(refusals.find(b"k", &limits, now + ms(400), ms(0)), Some(denied(600)));
        assert_eq!(refusals.find(b"k", &limits, now + ms(1000), ms(0)), None);
        assert_eq!(refusals.find(b"k", &limits, now, ms(1000)), None, "who would wait so long is served");
        assert_eq!(refusals.find(b"k", &Limit::per_second(2).into(), now, ms(0)), None);

        refusals.put(b"full", limits, now + ms(999), denied(1000));
        assert_eq!(refusals.find(b"full", &limits, now + ms(999), ms(0)), None, "there is room for one");
        refusals.put(b"next", limits, now + ms(1000), denied(1000));
        assert!(refusals.find(b"next", &limits, now + ms(1000), ms(0)).is_some());
        refusals.forget(b"next");
        assert_eq!(refusals.find(b"next", &limits, now + ms(1000), ms(0)), None);
    }
}
