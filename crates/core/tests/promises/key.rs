//! A key as a server holds it: a string with an expiry, read before each call and written after it
//! only when the verdict says so.

use sluice_core::limit::bucket::Standing;
use sluice_core::limit::call::{Acquire, Buckets, Change, GiveBack, Verdict};
use sluice_core::limit::codec;
use sluice_core::limit::gcra;
use sluice_core::limit::quota::Quota;
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) max_wait: Millis,
    value: Option<(Vec<u8>, u64)>,
}

impl Key {
    pub(crate) fn new(max_wait: Millis) -> Self {
        Self { max_wait, value: None }
    }

    /// The stored state; empty where there is no key.
    pub(crate) fn buckets(&mut self, now: Nanos) -> Buckets {
        self.value.take_if(|(_, expires_at_ms)| now.0 / NS_PER_MS >= *expires_at_ms);
        let value = self.value.as_ref();
        value.map_or_else(Buckets::new, |(bytes, _)| codec::decode(bytes).expect("our own state"))
    }

    pub(crate) fn acquire(&mut self, call: &Acquire, now: Nanos) -> Verdict {
        let mut buckets = self.buckets(now);
        let verdict = gcra::acquire(call, &mut buckets, now, self.max_wait);
        self.commit(&verdict, &buckets, now);
        verdict
    }

    pub(crate) fn peek(&mut self, call: &Acquire, now: Nanos) -> Verdict {
        gcra::acquire(call, &mut self.buckets(now), now, self.max_wait)
    }

    pub(crate) fn give_back(&mut self, call: &GiveBack, now: Nanos) -> Verdict {
        let mut buckets = self.buckets(now);
        let verdict = gcra::give_back(call, &mut buckets, now, self.max_wait);
        self.commit(&verdict, &buckets, now);
        verdict
    }

    /// What INFO shows; empty where it answers nil.
    pub(crate) fn look(&mut self, now: Nanos) -> Vec<(Quota, Standing)> {
        let seen = gcra::look(&self.buckets(now), now, self.max_wait);
        seen.into_iter().flatten().collect()
    }

    fn commit(&mut self, verdict: &Verdict, buckets: &Buckets, now: Nanos) {
        match verdict.change {
            Change::Keep => {}
            Change::Delete => self.value = None,
            Change::Write => {
                let mut bytes = vec![b'?'; codec::encoded_len(buckets)];
                codec::encode(buckets, &mut bytes);
                if let Some((old, _)) = &self.value {
                    let stored = codec::decode(old).expect("our own state");
                    if same_limits(&stored, buckets) {
                        assert_eq!(old.len(), bytes.len(), "overwritten in place");
                    }
                    // What the module goes by when it writes nothing but the times.
                    if !verdict.repaired && stored.len() == buckets.len() {
                        let mut overwritten = old.clone();
                        codec::encode_times(buckets, &mut overwritten);
                        assert_eq!(overwritten, bytes, "the same, written the short way");
                    }
                }
                let expires_at_ms = gcra::expires_at_ms(buckets);
                assert!(expires_at_ms > now.0 / NS_PER_MS, "an expiry in the past deletes the key");
                self.value = Some((bytes, expires_at_ms));
            }
        }
    }
}

fn same_limits(left: &Buckets, right: &Buckets) -> bool {
    left.iter().map(|bucket| bucket.quota()).eq(right.iter().map(|bucket| bucket.quota()))
}
