//! What an operator does meanwhile.

use sluice_core::grammar::settings;

use crate::chance::Chance;
use crate::words::{Words, hostile, line};

/// Settings of the server, each with what it may be; the first is what it should be when all is quiet.
const SETTINGS: &[(&str, &[&str])] = &[
    ("maxmemory", &["0", "0", "0", "1", "3mb", "1gb"]),
    ("maxmemory-policy", &["noeviction", "allkeys-lru", "allkeys-random", "volatile-ttl", "volatile-lfu"]),
    // A pause ends at the next of so many ticks a second.
    ("hz", &["200", "500"]),
    ("active-expire-effort", &["1", "10"]),
    ("lazyfree-lazy-user-del", &["no", "yes"]),
    ("lazyfree-lazy-expire", &["no", "yes"]),
    ("lazyfree-lazy-eviction", &["no", "yes"]),
    ("lazyfree-lazy-server-del", &["no", "yes"]),
    ("notify-keyspace-events", &["KEA", "", "Kd"]),
    ("min-replicas-to-write", &["0", "0", "0", "1", "2"]),
    ("appendfsync", &["everysec", "always", "no"]),
    ("activedefrag", &["no", "yes"]),
    ("active-defrag-ignore-bytes", &["1"]),
    ("active-defrag-threshold-lower", &["0"]),
    ("slowlog-log-slower-than", &["0", "10000"]),
    ("latency-monitor-threshold", &["0", "1"]),
    ("busy-reply-threshold", &["5000"]),
    ("replica-serve-stale-data", &["yes", "no"]),
    ("repl-diskless-load", &["disabled", "swapdb"]),
    ("rdbcompression", &["yes", "no"]),
    ("list-max-listpack-size", &["-2", "1"]),
    ("sluice.top", &["yes", "yes", "no"]),
    (
        "sluice.policies",
        &[
            "",
            "a LIMIT 5 EX 1; b LIMIT 3 PX 300 STRICT SHADOW",
            "a LIMIT 2 EX 1\nC.1_- LIMIT 9 EX 9 COST 3",
            "a LIMIT 0 EX 1",
        ],
    ),
];

const DEEDS: &[&str] = &[
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "DEBUG SET-ACTIVE-EXPIRE 1",
    "DEBUG SET-ACTIVE-EXPIRE 1",
    "CLIENT PAUSE 3 WRITE",
    "CLIENT PAUSE 2 ALL",
    "CLIENT UNPAUSE",
    "CLIENT LIST",
    "INFO sluice",
    "INFO everything",
    "CONFIG REWRITE",
    "CONFIG GET sluice.*",
    "INFO sluice_policies",
    "MEMORY PURGE",
    "SCRIPT FLUSH",
    "FUNCTION FLUSH",
    "DEBUG RELOAD",
    "FLUSHALL",
    "SWAPDB 0 2",
];

/// What the rights of the user become with whom some clients have logged in; what frames a batch is always allowed.
const RIGHTS: &[&str] = &[
    "+@all ~* &*",
    "+@all ~* &*",
    "+@all ~* &*",
    "nocommands",
    "resetkeys",
    "resetkeys ~{k}1 ~{k}2",
    "resetkeys %R~{k}*",
    "-lock.acquire",
    "-@write",
    "-ratelimit.policy|replace",
    "-@all +lock.acquire +lock.release",
    "off",
    "on",
];

pub(crate) const USER: &str = "hostile";
pub(crate) const PASSWORD: &str = "secret";

/// One deed of theirs.
pub(crate) fn deed(chance: &mut Chance) -> Words {
    match chance.below(10) {
        0..3 => {
            let (name, values) = chance.pick(SETTINGS);
            vec![b"CONFIG".to_vec(), b"SET".to_vec(), name.into(), chance.pick(values).into()]
        }
        3 | 4 => {
            let setting = chance.pick(settings::ALL);
            let name = format!("sluice.{}", setting.name.to_string_lossy());
            let value = match chance.below(6) {
                0 => setting.min.to_string().into(),
                1 => setting.max.to_string().into(),
                2 => hostile(chance),
                3 => chance.below(5).to_string().into(),
                _ => setting.default.to_string().into(),
            };
            vec![b"CONFIG".to_vec(), b"SET".to_vec(), name.into(), value]
        }
        5 => rights(chance.pick(RIGHTS)),
        _ => line(chance.pick(DEEDS)),
    }
}

/// The user, with these rights and those that every batch needs.
pub(crate) fn rights(rights: &str) -> Words {
    line(&format!("ACL SETUSER {USER} >{PASSWORD} {rights} +echo +multi +exec +discard +auth"))
}

/// Everything as it should be when all is quiet.
pub(crate) fn calm() -> Vec<Words> {
    let mut calm = vec![line("CLIENT UNPAUSE"), line("DEBUG SET-ACTIVE-EXPIRE 1"), rights("on +@all ~* &*")];
    for (name, values) in SETTINGS {
        calm.push(vec![b"CONFIG".to_vec(), b"SET".to_vec(), (*name).into(), values[0].into()]);
    }
    for setting in settings::ALL {
        calm.push(line(&format!("CONFIG SET sluice.{} {}", setting.name.to_string_lossy(), setting.default)));
    }
    calm
}
