//! The module's commands: what a call of each looks like. What it may be answered is in `answers`.

use std::time::{SystemTime, UNIX_EPOCH};

use sluice_core::grammar::names::{self, CommandName};
use sluice_testing::Reply;

use crate::answers::{
    acquired, given_back, is_count, is_lease, is_time, is_told, lists_policies, released, shows_limits,
    shows_lock, shows_policy, shows_top, throttled,
};
use crate::chance::Chance;
use crate::words::{Words, hostile, hurry, key, line, owner, spoil};

/// One command.
pub(crate) struct Ours {
    pub(crate) name: CommandName,
    /// How often it is called, beside the others.
    weight: usize,
    /// What follows the key, or the name where there is none.
    words: fn(&mut Chance) -> Words,
    /// Whether the call, by its words, may be answered this, which is no error.
    can_be: fn(&Words, &Reply) -> bool,
}

/// Every command. One that is missing here makes a test red.
pub(crate) const ALL: &[Ours] = &[
    Ours { name: names::RATELIMIT_ACQUIRE, weight: 10, words: acquire, can_be: acquired },
    Ours { name: names::RATELIMIT_PEEK, weight: 3, words: acquire, can_be: acquired },
    Ours { name: names::RATELIMIT_RETURN, weight: 5, words: give_back, can_be: given_back },
    Ours { name: names::RATELIMIT_INFO, weight: 2, words: |_| vec![], can_be: shows_limits },
    Ours { name: names::RATELIMIT_HOLD, weight: 3, words: hold, can_be: |_, reply| is_time(reply) },
    Ours { name: names::RATELIMIT_TURN, weight: 2, words: turn, can_be: |_, reply| is_time(reply) },
    Ours { name: names::RATELIMIT_TOP, weight: 2, words: top, can_be: shows_top },
    // Alone it does nothing.
    Ours {
        name: names::RATELIMIT_POLICY,
        weight: 1,
        words: |chance| vec![hostile(chance)],
        can_be: |_, _| false,
    },
    Ours {
        name: names::RATELIMIT_POLICY_SET,
        weight: 3,
        words: policy,
        can_be: |_, reply| is_count(reply, 1),
    },
    Ours {
        name: names::RATELIMIT_POLICY_DEL,
        weight: 1,
        words: |chance| vec![policy_name(chance); 1 + chance.below(2)],
        can_be: |_, reply| is_count(reply, 256),
    },
    Ours {
        name: names::RATELIMIT_POLICY_REPLACE,
        weight: 1,
        words: policies,
        can_be: |_, reply| is_count(reply, 256),
    },
    Ours { name: names::RATELIMIT_POLICY_LIST, weight: 1, words: |_| vec![], can_be: lists_policies },
    Ours {
        name: names::RATELIMIT_POLICY_GET,
        weight: 1,
        words: |chance| vec![policy_name(chance)],
        can_be: shows_policy,
    },
    Ours { name: names::LOCK_TRY, weight: 7, words: claim, can_be: |_, reply| is_lease(reply) },
    Ours { name: names::LOCK_ACQUIRE, weight: 5, words: wait, can_be: |_, reply| is_lease(reply) },
    Ours { name: names::LOCK_EXTEND, weight: 3, words: extend, can_be: |_, reply| is_lease(reply) },
    Ours { name: names::LOCK_RELEASE, weight: 7, words: |chance| vec![owner(chance)], can_be: released },
    Ours { name: names::LOCK_INFO, weight: 3, words: |_| vec![], can_be: shows_lock },
    // For replication only: everybody else is answered an error.
    Ours { name: names::LOCK_LOAD, weight: 1, words: load, can_be: |_, _| false },
    Ours { name: names::CL_THROTTLE, weight: 4, words: throttle, can_be: throttled },
];

/// One of the commands, with one of the few keys.
pub(crate) fn call(chance: &mut Chance) -> (&'static Ours, Words) {
    let of = any(chance, |_| true);
    let key = key(chance);
    (of, of.call(key, chance))
}

/// One of the commands that do.
pub(crate) fn any(chance: &mut Chance, which: impl Fn(&Ours) -> bool) -> &'static Ours {
    let weight = |ours: &&Ours| if which(ours) { ours.weight } else { 0 };
    let mut left = chance.below(ALL.iter().map(|ours| weight(&ours)).sum());
    let mut found = ALL.iter();
    loop {
        let ours = found.next().expect("a command with a weight");
        match left.checked_sub(weight(&ours)) {
            Some(less) => left = less,
            None => return ours,
        }
    }
}

impl Ours {
    /// A call of it on this key: right, or nearly.
    pub(crate) fn call(&self, key: Vec<u8>, chance: &mut Chance) -> Words {
        let lower = chance.one_in(20);
        let spelled = |name: &str| if lower { name.to_lowercase() } else { name.to_owned() };
        let mut words: Words = self.name.words().map(|name| spelled(name).into_bytes()).collect();
        if self.has_key() {
            words.push(key);
        }
        words.extend((self.words)(chance));
        spoil(&mut words, chance);
        hurry(&mut words);
        words
    }

    /// Whether it is a command on a key.
    pub(crate) fn has_key(&self) -> bool {
        let without = [names::RATELIMIT_POLICY, names::RATELIMIT_TOP];
        !without.iter().any(|name| self.name.words().next() == name.words().next())
    }

    /// Panics if this is no answer to the call.
    pub(crate) fn check(&self, words: &Words, reply: &Reply) {
        let can_be = match reply {
            Reply::Error(text) => is_told(text),
            reply => (self.can_be)(words, reply),
        };
        assert!(can_be, "{} was answered {reply:?}", crate::trail::shown(words));
    }
}

/// Limits of a call: a policy's, or spelled out.
fn limits(chance: &mut Chance) -> Words {
    if !chance.one_in(4) {
        return clauses(chance);
    }
    let mut words = vec![[b"@", &policy_name(chance)[..]].concat()];
    if chance.one_in(2) {
        words.extend(line("COST"));
        words.extend((0..chance.pick(&[1, 1, 2, 3, 8, 9])).map(|_| chance.below(5).to_string().into_bytes()));
    }
    words
}

/// One of the few policies, or another.
fn policy_name(chance: &mut Chance) -> Vec<u8> {
    chance.pick(&["a", "a", "b", "b", "C.1_-", "none"]).into()
}

fn policy(chance: &mut Chance) -> Words {
    let mut words = vec![policy_name(chance)];
    words.extend(clauses(chance));
    if chance.one_in(3) {
        words.push(b"SHADOW".to_vec());
    }
    words
}

/// Some policies as one text; now and then one twice.
fn policies(chance: &mut Chance) -> Words {
    let mut parts = Vec::new();
    for _ in 0..chance.pick(&[0, 1, 2, 3, 3, 300]) {
        let mut policy = policy(chance);
        if chance.one_in(2) {
            policy[0] = format!("p{}", chance.below(1000)).into_bytes();
        }
        parts.push(policy.join(&b' '));
    }
    vec![parts.join(chance.pick(&[&b";"[..], b"\n", b"; "]))]
}

/// Limits that many calls share, so that they meet; and others.
fn clauses(chance: &mut Chance) -> Words {
    const SHARED: &[&str] = &[
        "LIMIT 10 EX 1",
        "LIMIT 20 EX 1 BURST 1",
        "LIMIT 3 PX 1000",
        "LIMIT 100 EX 60 BURST 20",
        "LIMIT 5 PX 300 STRICT",
        "LIMIT 30 EX 60 STRICT COST 3",
        "LIMIT 3 EX 86400 ALIGN 54000",
        "LIMIT 90000 EX 60 COST 1500",
        "LIMIT 7 EX 1 COST 0",
        "LIMIT 1 EX 3155760000",
        "LIMIT 1000000 PX 1 BURST 9223372036854775807",
        "LIMIT 9223372036854775807 EX 3155760000 STRICT",
    ];
    let mut words = Words::new();
    for _ in 0..chance.pick(&[1, 1, 1, 1, 2, 2, 3, 8, 9]) {
        if !chance.one_in(4) {
            words.extend(line(chance.pick(SHARED)));
            continue;
        }
        let (count, time) = (1 + chance.below(20), 1 + chance.below(5000));
        words.extend(line(&format!("LIMIT {count} {} {time}", chance.pick(&["PX", "px", "EX"]))));
        match chance.below(6) {
            0 => words.extend(line(&format!("BURST {}", 1 + chance.below(2 * count)))),
            1 => words.push(b"STRICT".to_vec()),
            2 => words.extend(line(&format!("ALIGN {}", chance.below(100_000)))),
            _ => {}
        }
        if chance.one_in(3) {
            words.extend(line(&format!("COST {}", chance.below(2 * count))));
        }
    }
    words
}

fn acquire(chance: &mut Chance) -> Words {
    let mut words = limits(chance);
    match chance.below(6) {
        0 => words.push(b"PARTIAL".to_vec()),
        1 => words.push(b"FORCE".to_vec()),
        2 | 3 => words.extend(line(&format!("MAXWAIT {}", chance.pick(&[0, 5, 1000, 60_000])))),
        _ => {}
    }
    words
}

fn give_back(chance: &mut Chance) -> Words {
    let mut words = limits(chance);
    match chance.below(3) {
        0 => words.extend(line(&format!("DUE {}", chance.below(2000)))),
        1 => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
            words.extend(line(&format!("AT {}", now + chance.below(2_000_000) as u128)));
        }
        _ => {}
    }
    words
}

fn hold(chance: &mut Chance) -> Words {
    match chance.below(3) {
        0 => line("OFF"),
        1 => line(&format!("PX {}", 1 + chance.below(2000))),
        _ => line(&format!("EX {}", 1 + chance.below(3))),
    }
}

fn turn(chance: &mut Chance) -> Words {
    line(&chance.below(70_000).to_string())
}

fn top(chance: &mut Chance) -> Words {
    match chance.below(4) {
        0 => vec![],
        1 => line("RESET"),
        _ => line(&(1 + chance.below(512)).to_string()),
    }
}

fn throttle(chance: &mut Chance) -> Words {
    let mut words = line(&format!("{} {} {}", chance.below(6), 1 + chance.below(9), 1 + chance.below(3)));
    if chance.one_in(2) {
        words.push(chance.pick(&["0", "1", "2", "-1"]).into());
    }
    words
}

fn lease(chance: &mut Chance) -> Words {
    match chance.below(10) {
        0 => line("EX 1"),
        1 => line("px 600000"),
        2 => line("EX 3155760000"),
        _ => line(&format!("PX {}", chance.pick(&[1, 1, 2, 5, 20, 100, 1000, 60_000]))),
    }
}

fn extend(chance: &mut Chance) -> Words {
    [vec![owner(chance)], lease(chance)].concat()
}

fn claim(chance: &mut Chance) -> Words {
    let mut words = extend(chance);
    if chance.one_in(3) {
        words.extend(line(&format!("HOLDERS {}", chance.pick(&[1, 2, 3, 5, 1024]))));
    }
    words
}

fn wait(chance: &mut Chance) -> Words {
    let mut words = claim(chance);
    words.extend(line(&format!("BLOCK {}", 1 + chance.below(3))));
    words
}

fn load(chance: &mut Chance) -> Words {
    let count = 1 + chance.below(3);
    let mut words = line(&count.to_string());
    for _ in 0..count {
        words.push(owner(chance));
        words.extend((0..3).map(|_| hostile(chance)));
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sluice_core::grammar::keyword::Keyword;

    use super::*;

    #[test]
    fn every_command_and_every_keyword_is_called() {
        let names =
            |commands: Vec<CommandName>| commands.iter().map(|name| name.as_str()).collect::<BTreeSet<_>>();
        assert_eq!(names(ALL.iter().map(|ours| ours.name).collect()), names(names::ALL.to_vec()));

        let mut chance = Chance::new(1);
        let mut right = BTreeSet::new();
        for _ in 0..20_000 {
            let (ours, _) = call(&mut chance);
            right.extend((ours.words)(&mut chance));
        }
        for keyword in Keyword::ALL {
            assert!(right.contains(keyword.as_str().as_bytes()), "no call has {}", keyword.as_str());
        }
    }
}
