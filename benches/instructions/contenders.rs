//! What is counted: each command with what has to be there before, and the reply that shows that it did its work.

/// One command over a hundred keys.
pub(crate) struct Contender {
    /// How it is called in the table and in the file of committed figures.
    pub(crate) name: &'static str,
    pub(crate) module: Module,
    /// Run once for each key beforehand; `*` stands for its number.
    pub(crate) before: &'static [&'static str],
    /// The wall clock stands still, and makes this step whenever a command has been run for all keys.
    pub(crate) step_ms: i64,
    /// Counted, one of them after the other.
    pub(crate) commands: &'static [&'static str],
    /// How each reply to them begins.
    pub(crate) replies: &'static [&'static [i64]],
    /// A figure more than 5 % above the committed one is a failure.
    pub(crate) gated: bool,
    /// The same work in a bare C module.
    pub(crate) floor: Option<&'static str>,
    /// Another contender, and which part of its figure this one's may be at most.
    pub(crate) at_most: Option<(&'static str, f64)>,
}

/// What the server has to load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Module {
    Sluice,
    /// `crates/testing/c/floor.c`
    Floor,
}

const fn ours(
    name: &'static str,
    commands: &'static [&'static str],
    replies: &'static [&'static [i64]],
) -> Contender {
    Contender {
        name,
        module: Module::Sluice,
        before: &[],
        step_ms: 0,
        commands,
        replies,
        gated: false,
        floor: None,
        at_most: None,
    }
}

const fn floor(
    name: &'static str,
    command: &'static [&'static str],
    replies: &'static [&'static [i64]],
) -> Contender {
    Contender { module: Module::Floor, ..ours(name, command, replies) }
}

const STRICT: &str = "RATELIMIT.ACQUIRE key:* LIMIT 100 EX 60 STRICT";

/// So many calls fall into every minute: of that many ms of acts a state keeps an entry each, and every call adds one
/// and lets the oldest go.
const fn strict(
    name: &'static str,
    a_minute: i64,
    before: &'static [&'static str],
    replies: &'static [&'static [i64]],
) -> Contender {
    let step_ms = (60_000 + a_minute - 1) / a_minute;
    Contender { gated: true, before, step_ms, ..ours(name, &[STRICT], replies) }
}

/// An owner of a lock is as long as a UUID without its dashes.
pub(crate) const CONTENDERS: &[Contender] = &[
    ours("PING", &["PING"], &[&[]]),
    ours("SET k v PX", &["SET key:* 1795640112345678900:100/60000:100 PX 3600000"], &[&[]]),
    Contender {
        gated: true,
        floor: Some("bare C: granted"),
        ..ours("ACQUIRE granted", &["RATELIMIT.ACQUIRE key:* LIMIT 100 EX 60"], &[&[1, 0]])
    },
    // Of this, counting for RATELIMIT.TOP is some 150 instructions; the hash, of another seed each time, decides how many of
    // the keys share a set that is too small for them, which is the dearest case.
    Contender {
        gated: true,
        floor: Some("bare C: refused"),
        at_most: Some(("ACQUIRE refused, not counted by key", 1.025)),
        before: &["RATELIMIT.ACQUIRE key:* LIMIT 1 EX 100000"],
        ..ours("ACQUIRE refused", &["RATELIMIT.ACQUIRE key:* LIMIT 1 EX 100000"], &[&[0]])
    },
    Contender {
        before: &["RATELIMIT.ACQUIRE key:* LIMIT 1 EX 100000", "CONFIG SET sluice.top no"],
        ..ours("ACQUIRE refused, not counted by key", &["RATELIMIT.ACQUIRE key:* LIMIT 1 EX 100000"], &[&[0]])
    },
    Contender {
        floor: Some("bare C: granted, two limits"),
        ..ours(
            "ACQUIRE granted, two limits",
            &["RATELIMIT.ACQUIRE key:* LIMIT 100 EX 60 LIMIT 1000 EX 3600"],
            &[&[1, 0]],
        )
    },
    // The same limits by name: the policy is set once for each key, which changes nothing after the first.
    Contender {
        gated: true,
        at_most: Some(("ACQUIRE granted", 0.92)),
        before: &["RATELIMIT.POLICY SET api LIMIT 100 EX 60"],
        ..ours("ACQUIRE granted, by a policy", &["RATELIMIT.ACQUIRE key:* @api"], &[&[1, 0]])
    },
    Contender {
        gated: true,
        at_most: Some(("ACQUIRE granted, two limits", 0.85)),
        before: &["RATELIMIT.POLICY SET api LIMIT 100 EX 60 LIMIT 1000 EX 3600"],
        ..ours("ACQUIRE granted, by a policy of two limits", &["RATELIMIT.ACQUIRE key:* @api"], &[&[1, 0]])
    },
    // Another policy for each key, and as many that nobody names.
    Contender {
        before: &[
            "RATELIMIT.POLICY SET policy-* LIMIT 100 EX 60",
            "RATELIMIT.POLICY SET more-* LIMIT 100 EX 60",
        ],
        ..ours("ACQUIRE granted, by one of 200 policies", &["RATELIMIT.ACQUIRE key:* @policy-*"], &[&[1, 0]])
    },
    // Thirty calls a second: the key is there and its bucket is full again whenever one comes.
    Contender {
        gated: true,
        step_ms: 33,
        ..ours(
            "ACQUIRE granted on an idle key",
            &["RATELIMIT.ACQUIRE key:* LIMIT 100 EX 1"],
            &[&[1, 0, 99, 100, 10, 0]],
        )
    },
    // As `ACQUIRE granted` is: all calls come in one ms.
    Contender { gated: true, ..ours("STRICT granted, one entry", &[STRICT], &[&[1, 0]]) },
    strict("STRICT granted, 8 entries", 8, &[STRICT; 8], &[&[1, 0, 92]]),
    strict("STRICT granted, 64 entries", 64, &[STRICT; 64], &[&[1, 0, 36]]),
    // The figure is that of both together.
    Contender {
        gated: true,
        ..ours(
            "ACQUIRE granted, two callers mixed",
            &["RATELIMIT.ACQUIRE key:* LIMIT 1000 EX 60", "RATELIMIT.ACQUIRE key:* LIMIT 2000 EX 60"],
            &[&[1, 0], &[1, 0]],
        )
    },
    Contender {
        before: &["RATELIMIT.ACQUIRE key:* LIMIT 100 EX 60"],
        ..ours("PEEK", &["RATELIMIT.PEEK key:* LIMIT 100 EX 60"], &[&[1, 0]])
    },
    Contender {
        before: &["RATELIMIT.ACQUIRE key:* LIMIT 100 EX 60000 COST 100"],
        ..ours("RETURN", &["RATELIMIT.RETURN key:* LIMIT 100 EX 60000"], &[&[1, 0]])
    },
    Contender {
        gated: true,
        ..ours("CL.THROTTLE granted", &["CL.THROTTLE key:* 999999 100 60"], &[&[0, 1_000_000]])
    },
    Contender {
        gated: true,
        before: &["CL.THROTTLE key:* 0 1 100000"],
        ..ours("CL.THROTTLE refused", &["CL.THROTTLE key:* 0 1 100000"], &[&[1, 1, 0]])
    },
    Contender {
        gated: true,
        ..ours(
            "LOCK.TRY granted, RELEASE",
            &[
                "LOCK.TRY key:* 0123456789abcdef0123456789abcdef PX 60000",
                "LOCK.RELEASE key:* 0123456789abcdef0123456789abcdef",
            ],
            &[&[1], &[1]],
        )
    },
    Contender {
        gated: true,
        before: &["LOCK.TRY key:* 0123456789abcdef0123456789abcdef PX 3600000"],
        ..ours("LOCK.TRY refused", &["LOCK.TRY key:* ffffffffffffffffffffffffffffffff PX 60000"], &[&[0]])
    },
    Contender {
        before: &["LOCK.TRY key:* 0123456789abcdef0123456789abcdef PX 60000"],
        ..ours("LOCK.EXTEND", &["LOCK.EXTEND key:* 0123456789abcdef0123456789abcdef PX 60000"], &[&[1]])
    },
    Contender {
        before: &["SET key:* 0123456789abcdef0123456789abcdef NX PX 3600000"],
        ..ours("SET k v NX PX refused", &["SET key:* ffffffffffffffffffffffffffffffff NX PX 60000"], &[&[]])
    },
    floor("bare C: granted", &["BARELIMIT.ACQUIRE key:* LIMIT 100 EX 60"], &[&[1, 0]]),
    Contender {
        before: &["BARELIMIT.ACQUIRE key:* LIMIT 1 EX 100000"],
        ..floor("bare C: refused", &["BARELIMIT.ACQUIRE key:* LIMIT 1 EX 100000"], &[&[0]])
    },
    floor(
        "bare C: granted, two limits",
        &["BARELIMIT.ACQUIRE key:* LIMIT 100 EX 60 LIMIT 1000 EX 3600"],
        &[&[1, 0]],
    ),
];
