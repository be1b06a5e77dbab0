//! What is counted: each command with what has to be there before, and the reply that shows that it did its work.

/// One command over a hundred keys.
pub(crate) struct Contender {
    /// How it is called in the table and in the file of committed figures.
    pub(crate) name: &'static str,
    pub(crate) module: Module,
    /// Run once for each key beforehand; `*` stands for its number.
    pub(crate) before: &'static [&'static str],
    /// Counted, one of them after the other.
    pub(crate) commands: &'static [&'static str],
    /// How each reply to them begins.
    pub(crate) replies: &'static [&'static [i64]],
    /// A figure more than 5 % above the committed one is a failure.
    pub(crate) gated: bool,
    /// The same work in a bare C module.
    pub(crate) floor: Option<&'static str>,
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
    Contender { name, module: Module::Sluice, before: &[], commands, replies, gated: false, floor: None }
}

const fn floor(
    name: &'static str,
    command: &'static [&'static str],
    replies: &'static [&'static [i64]],
) -> Contender {
    Contender { module: Module::Floor, ..ours(name, command, replies) }
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
    Contender {
        gated: true,
        floor: Some("bare C: refused"),
        before: &["RATELIMIT.ACQUIRE key:* LIMIT 1 EX 100000"],
        ..ours("ACQUIRE refused", &["RATELIMIT.ACQUIRE key:* LIMIT 1 EX 100000"], &[&[0]])
    },
    Contender {
        floor: Some("bare C: granted, two limits"),
        ..ours(
            "ACQUIRE granted, two limits",
            &["RATELIMIT.ACQUIRE key:* LIMIT 100 EX 60 LIMIT 1000 EX 3600"],
            &[&[1, 0]],
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
