//! What one connection sends at once: calls of ours and of others, each plain or wrapped in something.

use crate::chance::Chance;
use crate::manner::Manner;
use crate::ours::{self, Ours};
use crate::payloads::Payloads;
use crate::setting::Spared;
use crate::strangers;
use crate::words::{Words, line};

/// One command, and what is known of its answer.
pub(crate) struct Sent {
    pub(crate) words: Words,
    /// Ours, not wrapped in anything: its answer has a shape.
    pub(crate) ours: Option<&'static Ours>,
}

/// The library of functions that FCALL calls.
pub(crate) const LIBRARY: &str = "#!lua name=hostile
local function call(keys, args) return redis.pcall(unpack(args)) end
redis.register_function('call', call)
redis.register_function{function_name='look', callback=call, flags={'no-writes'}}
redis.register_function{function_name='anyhow', callback=call, flags={'allow-oom', 'allow-stale'}}";

const SCRIPTS: &[&str] = &[
    "return redis.pcall(unpack(ARGV))",
    "return redis.call(unpack(ARGV))",
    "redis.setresp(3) return redis.pcall(unpack(ARGV))",
    "redis.call('SET', '{k}9', 1, 'PX', 9) redis.pcall(unpack(ARGV)) return redis.call(unpack(ARGV))",
    "#!lua flags=no-writes\nreturn redis.pcall(unpack(ARGV))",
    "#!lua flags=allow-oom\nreturn redis.pcall(unpack(ARGV))",
    "#!lua\nlocal a = redis.pcall(unpack(ARGV)) redis.pcall('DEL', '{k}1') return {a, redis.pcall(unpack(ARGV))}",
];

/// As RM_Call has them: replicated, with errors, by the user's rights, on full memory, in RESP3, and let wait. As a
/// script (S) only with errors: without, Valkey 9.1.2 ends where any call is refused.
const FORMATS: &[&str] = &["!v", "!Ev", "!Mv", "!ESv", "!ECv", "!3v", "!0v", "!Kv", "!EKv", "!EMSWv"];

/// Up to so many commands.
pub(crate) fn batch(
    spared: Spared,
    manner: Manner,
    most: usize,
    payloads: &Payloads,
    chance: &mut Chance,
) -> Vec<Sent> {
    let mut batch = Vec::new();
    let length = 1 + chance.below(most);
    while batch.len() < length {
        match chance.below(40) {
            0 => transaction(&mut batch, spared, payloads, chance),
            1 => batch.push(plain(line(chance.pick(&["EXEC", "DISCARD"])))),
            2 if matches!(manner, Manner::Resp2 | Manner::Resp3) => {
                batch.push(plain(line(chance.pick(&["HELLO 3", "HELLO 2"]))));
            }
            _ => batch.push(one(payloads, chance)),
        }
    }
    batch
}

fn transaction(batch: &mut Vec<Sent>, spared: Spared, payloads: &Payloads, chance: &mut Chance) {
    batch.push(plain(line("MULTI")));
    for _ in 0..chance.below(8) {
        let mut sent = match chance.below(30) {
            0 => plain(line("CLIENT PAUSE 2 WRITE")),
            _ => one(payloads, chance),
        };
        if spared.is_spared(&sent.words) {
            sent = plain(line("PING"));
        }
        batch.push(sent);
    }
    batch.push(plain(line(chance.pick(&["EXEC", "EXEC", "EXEC", "DISCARD"]))));
}

fn one(payloads: &Payloads, chance: &mut Chance) -> Sent {
    if chance.one_in(3) {
        return plain(strangers::call(payloads, chance));
    }
    let (ours, words) = ours::call(chance);
    match wrapped(&words, chance) {
        Some(words) => plain(words),
        None => Sent { words, ours: Some(ours) },
    }
}

pub(crate) fn plain(words: Words) -> Sent {
    Sent { words, ours: None }
}

/// One in five is called by a script, a function or a module.
pub(crate) fn wrapped(words: &Words, chance: &mut Chance) -> Option<Words> {
    let number_of_keys = chance.pick(&["0", "0", "1"]);
    let front = match chance.below(30) {
        0 | 1 => line("EVAL"),
        2 => line("EVAL_RO"),
        3 => line(&format!("FCALL {} {number_of_keys}", chance.pick(&["call", "anyhow", "none"]))),
        4 => line(&format!("FCALL_RO look {number_of_keys}")),
        5 => line(&format!("CALLER.CALL {}", chance.pick(FORMATS))),
        _ => return None,
    };
    let mut all = front;
    if all[0].starts_with(b"EVAL") {
        all.extend([chance.pick(SCRIPTS).into(), number_of_keys.into()]);
    }
    if !all[0].starts_with(b"CALLER") && number_of_keys == "1" {
        all.push(words.get(1).cloned().unwrap_or_default());
    }
    all.extend(words.iter().cloned());
    Some(all)
}
