//! What is measured: the commands, as data.
//!
//! All contenders use the same keys. Each has a database of its own on the server, filled with its own state
//! before, so that all states are there at once and a measurement never meets another's keys. What lasts,
//! lasts for an hour or half of one, and so is there from the first round to the last. A plain value has as
//! many bytes as a limiter's state.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::load::Connections;
use crate::wire::{KEY, Request};

/// As long as the state of `LIMIT`: 19 digits of time, `:1000000/3600000:1000000`. At most 44 bytes keep the
/// string of a `SET` inside its key's object, which is the server's best case.
const VALUE: &str = "a-plain-value-of-forty-three-bytes-in-total";

/// A million an hour: the pace that is granted is far above any measurement's, and a bucket that is half used
/// stays for half an hour.
const LIMIT: &str = "LIMIT 1000000 EX 3600";

/// The command that most others are compared with.
pub(crate) const SET_PX: &str = "SET k v PX";
/// The command that the latency and growth of limits are told by.
pub(crate) const ACQUIRE: &str = "RATELIMIT.ACQUIRE, granted";

const SET_NX_GRANTED: &str = "SET k v NX PX, granted";
const SET_NX_REFUSED: &str = "SET k v NX PX, refused";
const SET_NX_AND_DELETE: &str = "SET NX PX + delete in Lua";

/// What a key can hold, where memory is told.
pub(crate) const STRING: &str = "a string of as many bytes, with PX";
pub(crate) const LIMITER: &str = "a limiter";
const STRING_LOCK: &str = "a lock by SET NX PX";
const LOCK: &str = "a lock";

/// What a contender is compared with.
#[derive(Clone)]
pub(crate) struct Yardstick {
    /// The name of another contender.
    pub(crate) name: &'static str,
    /// So many times as fast as that one it has to be, on Redis 8.2.3 with a pipeline of 32.
    pub(crate) goal: Option<f64>,
}

#[derive(Clone)]
pub(crate) struct Contender {
    pub(crate) name: String,
    /// Sent once for every key before anything is measured.
    pub(crate) prepare: Vec<Request>,
    /// One operation: all of these, one after the other, for one key.
    pub(crate) requests: Vec<Request>,
    pub(crate) yardsticks: Vec<Yardstick>,
    /// Each operation wants a key that is not there: a pass takes each key once, and then empties the
    /// database.
    pub(crate) on_new_keys: bool,
    /// An operation changes what the next one finds, or its key does not last: all keys are prepared before
    /// each pass, which then takes each of them once.
    pub(crate) on_fresh_keys: bool,
    /// Clients that all use one key do not disturb each other's outcome.
    pub(crate) on_one_key: bool,
    /// Measured with an AOF and with a replica too.
    pub(crate) persisted: bool,
    /// Measured for latency too.
    pub(crate) latency: bool,
    /// A prepared key may be gone again at any time: how long somebody else's command keeps its key is not
    /// ours to say.
    pub(crate) may_expire: bool,
    /// What the prepared keys hold, if their memory is measured.
    pub(crate) state: Option<String>,
}

impl Contender {
    fn new(name: &str, requests: &[(&str, &str)]) -> Self {
        let requests = requests.iter().map(|(line, wanted)| Request::new(line, wanted)).collect();
        Self {
            name: name.to_owned(),
            prepare: Vec::new(),
            requests,
            yardsticks: Vec::new(),
            on_new_keys: false,
            on_fresh_keys: false,
            on_one_key: false,
            persisted: false,
            latency: false,
            may_expire: false,
            state: None,
        }
    }

    fn prepared(mut self, line: &str, wanted: &str) -> Self {
        self.prepare.push(Request::new(line, wanted));
        self
    }

    fn against(mut self, name: &'static str, goal: impl Into<Option<f64>>) -> Self {
        self.yardsticks.push(Yardstick { name, goal: goal.into() });
        self
    }

    fn on_new_keys(self) -> Self {
        Self { on_new_keys: true, ..self }
    }

    fn on_fresh_keys(self) -> Self {
        Self { on_fresh_keys: true, ..self }
    }

    fn on_one_key(self) -> Self {
        Self { on_one_key: true, ..self }
    }

    fn persisted(self) -> Self {
        Self { persisted: true, ..self }
    }

    fn may_expire(self) -> Self {
        Self { may_expire: true, ..self }
    }

    fn state(self, name: &str) -> Self {
        Self { state: Some(name.to_owned()), ..self }
    }

    fn latency(self) -> Self {
        Self { latency: true, ..self }
    }
}

/// All contenders, in the order of the tables. Loads the scripts into the server. `peers` are commands of
/// somebody else, with `__key__` for the key.
pub(crate) fn all(server: &mut Connections, peers: &[&str]) -> Result<Vec<Contender>, String> {
    let gcra = server.load_script(include_str!("lua/gcra.lua"))?;
    let release = server.load_script(include_str!("lua/release.lua"))?;
    let extend = server.load_script(include_str!("lua/extend.lua"))?;
    let peers = peers.iter().map(|line| {
        let name = line.replace(KEY, "k");
        let peer = Contender::new(&name, &[(line, "")]).prepared(line, "").state(&name);
        peer.against(SET_PX, None).on_one_key().persisted().latency().may_expire()
    });
    let limits = [limits(&gcra), mixed(), [1, 8, 64].map(strict).into()].concat();
    Ok([plain(), limits, locks(&release, &extend), peers.collect()].concat())
}

/// The server's own commands on a plain value.
fn plain() -> Vec<Contender> {
    let set = &format!("SET __key__ {VALUE} PX 1800000");
    vec![
        Contender::new("PING", &[("PING", "+PONG")]).against(SET_PX, None).on_one_key(),
        Contender::new("GET", &[("GET __key__", &format!("$43 {VALUE}"))])
            .prepared(set, "+OK")
            .against(SET_PX, None)
            .on_one_key()
            .latency(),
        Contender::new("INCR", &[("INCR __key__", "")])
            .prepared("SET __key__ 1000000", "+OK")
            .against(SET_PX, None)
            .on_one_key()
            .persisted(),
        Contender::new(SET_PX, &[(set, "+OK")])
            .prepared(set, "+OK")
            .state(STRING)
            .on_one_key()
            .persisted()
            .latency(),
    ]
}

/// Limits by our commands and by a script, whose digest is `gcra`.
fn limits(gcra: &str) -> Vec<Contender> {
    let half_used = &format!("RATELIMIT.ACQUIRE __key__ {LIMIT} COST 500000");
    let two = "LIMIT 1000000 EX 3600 LIMIT 2000000 EX 7200";
    let two_half_used = "LIMIT 1000000 EX 3600 COST 500000 LIMIT 2000000 EX 7200 COST 500000";
    let one_an_hour = "RATELIMIT.ACQUIRE __key__ LIMIT 1 EX 3600";
    let lua_one_an_hour = &format!("EVALSHA {gcra} 1 __key__ 1 1 3600 1");
    vec![
        Contender::new(ACQUIRE, &[(&format!("RATELIMIT.ACQUIRE __key__ {LIMIT}"), "*6 :1 :0")])
            .prepared(half_used, "*6 :1 :0")
            .state(LIMITER)
            .against(SET_PX, 0.85)
            .against("GCRA in Lua, granted", 4.5)
            .on_one_key()
            .persisted()
            .latency(),
        Contender::new(
            "GCRA in Lua, granted",
            &[(&format!("EVALSHA {gcra} 1 __key__ 1000000 1000000 3600 1"), "*4 :1")],
        )
        .prepared(&format!("EVALSHA {gcra} 1 __key__ 1000000 1000000 3600 500000"), "*4 :1")
        .against(SET_PX, None)
        .on_one_key()
        .persisted(),
        Contender::new("RATELIMIT.ACQUIRE, refused", &[(one_an_hour, "*6 :0")])
            .prepared(one_an_hour, "*6 :1 :0 :0 :1")
            .against(SET_PX, 1.0)
            .against("GCRA in Lua, refused", None)
            .on_one_key()
            .persisted()
            .latency(),
        Contender::new("GCRA in Lua, refused", &[(lua_one_an_hour, "*4 :0 :0")])
            .prepared(lua_one_an_hour, "*4 :1 :0")
            .against(SET_PX, None)
            .on_one_key()
            .persisted(),
        Contender::new(
            "RATELIMIT.ACQUIRE, two limits",
            &[(&format!("RATELIMIT.ACQUIRE __key__ {two}"), "*6 :1 :0")],
        )
        .prepared(&format!("RATELIMIT.ACQUIRE __key__ {two_half_used}"), "*6 :1 :0")
        .against(SET_PX, None)
        .on_one_key()
        .persisted(),
        Contender::new("RATELIMIT.PEEK", &[(&format!("RATELIMIT.PEEK __key__ {LIMIT}"), "*6 :1 :0")])
            .prepared(half_used, "*6 :1 :0")
            .against("GET", None)
            .on_one_key(),
        Contender::new("RATELIMIT.RETURN", &[(&format!("RATELIMIT.RETURN __key__ {LIMIT}"), "*6 :1 :0")])
            .prepared(half_used, "*6 :1 :0")
            .against(SET_PX, None)
            .on_one_key(),
    ]
}

/// One key in the hands of callers that do not have the same in mind, or of one that seldom comes.
fn mixed() -> Vec<Contender> {
    // Full 10 µs after a call; the key lasts for a second or two.
    let idle = "RATELIMIT.ACQUIRE __key__ LIMIT 100000 EX 1";
    let untouched = "*6 :1 :0 :99999 :100000";
    let [one, other] = [LIMIT, "LIMIT 2000000 EX 3600"].map(|it| format!("RATELIMIT.ACQUIRE __key__ {it}"));
    let [one_used, other_used] = [&one, &other].map(|it| format!("{it} COST 250000"));
    vec![
        Contender::new("RATELIMIT.ACQUIRE, idle key", &[(idle, untouched)])
            .prepared(idle, untouched)
            .against(SET_PX, None)
            .against(ACQUIRE, 1.0)
            .on_fresh_keys()
            .persisted(),
        Contender::new("RATELIMIT.ACQUIRE, two callers", &[(&one, "*6 :1 :0"), (&other, "*6 :1 :0")])
            .prepared(&one_used, "*6 :1 :0")
            .prepared(&other_used, "*6 :1 :0")
            .against(ACQUIRE, None)
            .persisted(),
    ]
}

/// A window that has so many entries, before a call and after it: the oldest is over and goes, and the call adds one.
fn strict(entries: u32) -> Contender {
    let limit = "LIMIT 1000000 EX 3600 STRICT";
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    // What is out will be back in half an hour, a second apart.
    let out = if entries > 1 { ",1+1800000" } else { "" };
    let more = ",1+1000".repeat(entries.saturating_sub(2) as usize);
    let state = format!("1@{}{out}{more}:1000000/3600000:S", now_ms - 1000);
    let left = 1_000_000 - entries;
    Contender::new(
        &format!("STRICT, granted, {entries} {}", if entries == 1 { "entry" } else { "entries" }),
        &[(&format!("RATELIMIT.ACQUIRE __key__ {limit}"), &format!("*6 :1 :0 :{left} :1000000"))],
    )
    // As long as a call would let it live.
    .prepared(&format!("SET __key__ {state} PX 3630000"), "+OK")
    .against(ACQUIRE, None)
    .on_fresh_keys()
    .persisted()
}

/// Locks by our commands and by SET NX PX with scripts, of which these are the digests.
fn locks(release: &str, extend: &str) -> Vec<Contender> {
    let take = "LOCK.TRY __key__ owner-of-twenty-byte PX 1800000";
    let set = "SET __key__ owner-of-twenty-byte NX PX 1800000";
    vec![
        Contender::new("LOCK.TRY, granted", &[(take, "*3 :1")]).against(SET_NX_GRANTED, None).on_new_keys(),
        Contender::new(SET_NX_GRANTED, &[(set, "+OK")]).against(SET_PX, None).on_new_keys(),
        Contender::new("LOCK.TRY, refused", &[(take, "*3 :0")])
            .prepared("LOCK.TRY __key__ other-of-twenty-byte PX 3600000", "*3 :1")
            .state(LOCK)
            .against(SET_NX_REFUSED, 0.8)
            .on_one_key()
            .latency(),
        Contender::new(SET_NX_REFUSED, &[(set, "$-1")])
            .prepared("SET __key__ other-of-twenty-byte NX PX 3600000", "+OK")
            .state(STRING_LOCK)
            .against(SET_PX, None)
            .on_one_key(),
        Contender::new(
            "LOCK.TRY + LOCK.RELEASE",
            &[(take, "*3 :1"), ("LOCK.RELEASE __key__ owner-of-twenty-byte", ":1")],
        )
        .against(SET_NX_AND_DELETE, 1.6)
        .persisted(),
        Contender::new(
            SET_NX_AND_DELETE,
            &[(set, "+OK"), (&format!("EVALSHA {release} 1 __key__ owner-of-twenty-byte"), ":1")],
        )
        .against(SET_PX, None)
        .persisted(),
        Contender::new("LOCK.EXTEND", &[("LOCK.EXTEND __key__ owner-of-twenty-byte PX 1800000", "*3 :1")])
            .prepared(take, "*3 :1")
            .against("extend in Lua", None)
            .on_one_key()
            .persisted(),
        Contender::new(
            "extend in Lua",
            &[(&format!("EVALSHA {extend} 1 __key__ owner-of-twenty-byte 1800000"), ":1")],
        )
        .prepared(set, "+OK")
        .against(SET_PX, None)
        .on_one_key()
        .persisted(),
    ]
}
