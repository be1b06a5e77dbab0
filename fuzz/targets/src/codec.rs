//! The stored string of a limiter.

use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::codec::{MAX_LEN, MIN_LEN, decode, encode, encode_times, encoded_len};
use sluice_core::limit::look::look;
use sluice_core::limit::meter::Gauge;
use sluice_core::limit::state::State;
use sluice_core::time::{Millis, Nanos};

use crate::key::text;

/// No bytes stop the reader, and what it reads has no other spelling, and keeps to the bounds of limits. It can be
/// looked at whatever the time is.
pub fn codec(bytes: &[u8]) {
    let Some(state) = decode(bytes) else { return };
    assert!((MIN_LEN..=MAX_LEN).contains(&bytes.len()));
    assert_eq!(encoded_len(&state), bytes.len());
    assert_eq!(text(&state).as_bytes(), bytes, "{}", bytes.escape_ascii());
    keeps_within_bounds(&state);

    let mut short = vec![0; bytes.len().saturating_sub(1)];
    encode(&state, &mut short); // what comes of it is no state, and nothing breaks
    encode_times(&state, &mut short);

    let bounds = Bounds { max_wait: millis(60_000), max_debt: millis(3_600_000) };
    for now in [0, 1_795_640_112_345_678_900, u64::MAX] {
        let again = decode(bytes).expect("what was read is read again");
        if let Some(look) = look(again, Nanos(now), &bounds) {
            assert!(look.held_ms >= 0);
            for standing in look.standings {
                assert!(standing.remaining <= standing.quota.burst());
                assert!(standing.next_ms >= 0 && standing.reset_ms >= standing.next_ms);
            }
        }
    }
}

fn keeps_within_bounds(state: &State) {
    for meter in &state.meters {
        match &meter.gauge {
            Gauge::Bucket(bucket) => assert!(bucket.remainder() < bucket.quota().count()),
            Gauge::Window(window) => {
                let out = window.entries().iter().map(|entry| u128::from(entry.tokens)).sum::<u128>();
                assert!(out <= u128::from(window.quota().count()));
            }
        }
    }
}

fn millis(ms: u64) -> Millis {
    Millis::new(ms).expect("less than 100 years")
}
