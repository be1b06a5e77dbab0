//! Commands that are not ours, on the same few keys.

use crate::chance::Chance;
use crate::payloads::{Payloads, state};
use crate::words::{Words, hostile, key, line};

/// As often as in the list; what frees a key is there often, or few calls of ours would find one of their own.
/// `k` is a key, `n` a small number, `t` a time, `*` any word, `d` a database.
const ONE: &[&str] = &[
    "GET k",
    "SET k *",
    "SET k * PX t",
    "SET k * KEEPTTL",
    "GETSET k *",
    "GETDEL k",
    "GETEX k PX t",
    "GETEX k PERSIST",
    "APPEND k *",
    "STRLEN k",
    "GETRANGE k n n",
    "SETRANGE k n *",
    "SETBIT k n 1",
    "GETBIT k n",
    "BITCOUNT k",
    "INCR k",
    "INCRBYFLOAT k n",
    "MSET k * k *",
    "MGET k k",
    "SETNX k *",
    "DEL k",
    "DEL k",
    "DEL k",
    "DEL k",
    "DEL k",
    "UNLINK k",
    "UNLINK k",
    "UNLINK k",
    "UNLINK k",
    "DEL k k",
    "UNLINK k",
    "EXISTS k",
    "TOUCH k",
    "TYPE k",
    "DUMP k",
    "RANDOMKEY",
    "KEYS *",
    "SCAN 0",
    "DBSIZE",
    "EXPIRE k n",
    "PEXPIRE k t",
    "PEXPIREAT k t",
    "EXPIRE k 0",
    "PEXPIRE k -1",
    "PERSIST k",
    "PERSIST k",
    "TTL k",
    "PTTL k",
    "PEXPIRETIME k",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k",
    "COPY k k REPLACE",
    "SORT k",
    "COPY k k DB d REPLACE",
    "MOVE k d",
    "SELECT d",
    "SELECT 0",
    "SWAPDB d d",
    "LPUSH k *",
    "RPOP k",
    "LRANGE k 0 n",
    "LMOVE k k LEFT RIGHT",
    "BLPOP k 0.002",
    "BLMOVE k k LEFT LEFT 0.001",
    "SADD k * *",
    "SPOP k",
    "SINTERSTORE k k k",
    "ZADD k n *",
    "ZRANGE k 0 -1",
    "ZPOPMIN k",
    "BZPOPMIN k 0.001",
    "HSET k * *",
    "HGETALL k",
    "HDEL k *",
    "XADD k * a b",
    "XLEN k",
    "XREAD BLOCK 1 STREAMS k $",
    "PFADD k *",
    "PFCOUNT k",
    "GEOADD k 1 1 *",
    "OBJECT ENCODING k",
    "OBJECT FREQ k",
    "OBJECT IDLETIME k",
    "OBJECT REFCOUNT k",
    "MEMORY USAGE k",
    "MEMORY USAGE k SAMPLES 0",
    "DEBUG OBJECT k",
    "DEBUG DIGEST-VALUE k",
    "LCS k k",
    "BITOP NOT k k",
    "WATCH k",
    "WATCH k k",
    "UNWATCH",
    "PING",
    "TIME",
    "WAIT 0 1",
    "PUBLISH k *",
    "INFO sluice",
    "INFO everything",
    "COMMAND GETKEYS LOCK.TRY k * PX n",
    "COMMAND INFO lock.acquire",
    "COMMAND DOCS ratelimit.acquire",
    "CLIENT INFO",
    "CLIENT ID",
    "CLIENT NO-EVICT ON",
    "CLIENT TRACKING OFF",
    "CLIENT CACHING YES",
    "LATENCY LATEST",
    "SLOWLOG GET n",
    "ACL WHOAMI",
    "ACL DRYRUN default LOCK.TRY k a PX 1",
    "SCRIPT EXISTS *",
    "FUNCTION LIST",
    "LOCK.NONE k",
    "RATELIMIT.ACQUIRE",
    "LOCK.TRY",
    "LOCK.TRY k",
    "*",
    "MODULE LIST",
    "EXPIRE k *",
    "SET k",
];

/// What does not bear to be done often: each is rare among the others.
const RARE: &[&str] = &[
    "FLUSHDB",
    "FLUSHDB ASYNC",
    "FLUSHALL",
    "FLUSHALL ASYNC",
    "FLUSHALL SYNC",
    "SWAPDB 0 1",
    "CLIENT PAUSE n WRITE",
    "CLIENT PAUSE n ALL",
    "CLIENT PAUSE n",
    "CLIENT UNPAUSE",
    "SCRIPT FLUSH",
    "MEMORY PURGE",
    "MEMORY DOCTOR",
    "LATENCY RESET",
    "MODULE UNLOAD sluice",
    "CONFIG RESETSTAT",
    "SLOWLOG RESET",
];

/// One of them.
pub(crate) fn call(payloads: &Payloads, chance: &mut Chance) -> Words {
    match chance.below(100) {
        0..6 => payloads.restore(chance),
        // A stored limiter, or nearly one.
        6..9 => vec![b"SET".to_vec(), key(chance), state(chance), b"PX".to_vec(), time(chance)],
        9 => filled(chance.pick(RARE), chance),
        _ => filled(chance.pick(ONE), chance),
    }
}

fn filled(pattern: &str, chance: &mut Chance) -> Words {
    let mut words = line(pattern);
    for word in words.iter_mut().skip(usize::from(pattern != "*")) {
        match word.as_slice() {
            b"k" => *word = key(chance),
            b"n" => *word = (1 + chance.below(4)).to_string().into(),
            b"t" => *word = time(chance),
            b"d" => *word = chance.below(3).to_string().into(),
            b"*" => *word = anything(chance),
            _ => {}
        }
    }
    words
}

fn time(chance: &mut Chance) -> Vec<u8> {
    chance.pick(&["1", "2", "10", "100", "1000", "60000", "1000000000000"]).into()
}

/// Not large: a key that grows by each of a million calls is of no use to anybody.
fn anything(chance: &mut Chance) -> Vec<u8> {
    let mut word = hostile(chance);
    if !chance.one_in(50) {
        word.truncate(100);
    }
    word
}
