//! Values that are not ours: none of our commands changes them, whatever its words are and whoever calls it.

use sluice_testing::{Client, Reply, args};

use crate::batch::wrapped;
use crate::chance::Chance;
use crate::ours;
use crate::trail::{Trail, shown};
use crate::words::line;

/// How each is made.
const VALUES: &[&str] = &[
    "SET {f}number 12",
    "SET {f}text 1800000000600001000:100/60000:020",
    "SET {f}long 1800000000600001000:100/60000:20;1800000000600001000:100/60000:20;x",
    "APPEND {f}raw 0000000000000000000:100/60000:20!",
    "RPUSH {f}list a b",
    "HSET {f}hash a b",
    "SADD {f}set a b",
    "SADD {f}numbers 1 2",
    "ZADD {f}zset 1 a",
    "XADD {f}stream * a b",
    "PFADD {f}log a",
];

/// A lock is foreign to limits, and a limit to locks.
const LOCK: &str = "LOCK.TRY {f}lock owner PX 600000 HOLDERS 2";
const LIMIT: &str = "RATELIMIT.ACQUIRE {f}limit LIMIT 100 EX 600 COST 50";

/// Calls them all, and looks whether they are as they were. How many calls that took.
pub(crate) fn stay_as_they_are(client: &mut Client, chance: &mut Chance, trail: &mut Trail) -> u64 {
    let mut keys = Vec::new();
    for (value, family) in
        VALUES.iter().map(|value| (*value, "")).chain([(LOCK, "RATELIMIT."), (LIMIT, "LOCK.")])
    {
        let key = line(value).swap_remove(1);
        client.call(&args!["DEL", key]);
        assert!(!matches!(client.ask(value), Reply::Error(_)), "{value}");
        keys.push((key, family));
    }
    let look = |client: &mut Client| {
        let sum = |(key, _): &(Vec<u8>, _)| {
            let digest = client.call(&args!["DEBUG", "DIGEST-VALUE", key]);
            (digest, client.call(&args!["PEXPIRETIME", key]), client.call(&args!["TYPE", key]))
        };
        keys.iter().map(sum).collect::<Vec<_>>()
    };
    let before = look(client);
    const CALLS: usize = 200;
    for _ in 0..CALLS {
        let (key, family) = &keys[chance.below(keys.len())];
        let ours = ours::any(chance, |ours| ours.has_key() && ours.name.family().starts_with(family));
        let mut words = ours.call(key.clone(), chance);
        words.resize(words.len().max(2), Vec::new()); // it may have been spoilt
        words[1].clone_from(key);
        let words = wrapped(&words, chance).unwrap_or(words);
        trail.note("foreign", &words);
        client.call(&words);
    }
    client.assert_in_step();
    for ((after, before), (key, _)) in look(client).iter().zip(&before).zip(&keys) {
        assert_eq!(after, before, "{} was changed", shown(&vec![key.clone()]));
        client.call(&args!["DEL", key]);
    }
    CALLS as u64
}
