//! What the tests of the locks share: the fence that belongs to noon, and what LOCK.INFO shows.

use sluice_testing::{Client, Reply};

use crate::shared::NOON_MS;

/// The first fence at noon: the clock in µs. As long as the clock stands, each grant takes the next number.
pub(crate) const F: i64 = NOON_MS * 1000;

/// All that LOCK.INFO shows of a key: `A F+0 ttl 1000 held 0, B F+1 ttl 500 held 3; 0 wait`, or `free`.
#[track_caller]
pub(crate) fn shown(client: &mut Client, key: &str) -> String {
    let info = client.call(&["LOCK.INFO", key]);
    if info.is_null() {
        return "free".to_owned();
    }
    let [holders, waiting, waiters] = values(&info, ["holders", "waiting", "waiters"]);
    assert_eq!(waiters.array().len() as i64, waiting.int().min(100), "{info:?}");
    let holders: Vec<_> = holders.array().iter().map(holder).collect();
    format!("{}; {} wait", holders.join(", "), waiting.int())
}

fn holder(map: &Reply) -> String {
    let [owner, fence, ttl_ms, held_ms] = values(map, ["owner", "fence", "ttl-ms", "held-ms"]);
    let (owner, after_noon) = (owner.bytes().escape_ascii(), fence.int() - F);
    format!("{owner} F{after_noon:+} ttl {} held {}", ttl_ms.int(), held_ms.int())
}

/// The values of a map with just these fields, in this order.
#[track_caller]
fn values<const N: usize>(map: &Reply, fields: [&str; N]) -> [Reply; N] {
    let pairs = map.pairs();
    assert_eq!(pairs.iter().map(|(name, _)| name.text()).collect::<Vec<_>>(), fields, "{map:?}");
    std::array::from_fn(|n| pairs[n].1.clone())
}
