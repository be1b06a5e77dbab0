//! What a server has of a key.

use sluice_testing::{Client, Reply};

use crate::now::now_us;

/// How many tokens of a key's limits are used.
///
/// # Errors
/// That its limits, which are always charged the same, do not agree.
pub(super) fn used(client: &mut Client, key: &str) -> Result<i64, String> {
    let reply = client.call(&["RATELIMIT.INFO", key]);
    if reply.is_null() {
        return Ok(0);
    }
    let used =
        reply.array().iter().map(|limit| field(limit, "burst").int() - field(limit, "remaining").int());
    let used: Vec<_> = used.collect();
    match used[..] {
        [first, ref rest @ ..] if rest.iter().all(|other| *other == first) => Ok(first),
        _ => Err(format!("{key}: its limits were charged the same, and have now used {used:?}")),
    }
}

/// How many tokens of a key's only limit have been used since it was first charged, about that time, if each takes so
/// many ms to come back and it has never been full since.
///
/// # Errors
/// That it is no whole number, by a second or more.
pub(super) fn paced(client: &mut Client, key: &str, since_ms: i64, token_ms: i64) -> Result<i64, String> {
    let reply = client.call(&["RATELIMIT.INFO", key]);
    if reply.is_null() {
        return Ok(0);
    }
    let full_ms = now_us() / 1000 + field(&reply.array()[0], "reset-ms").int();
    let used = (full_ms - since_ms + token_ms / 2).div_euclid(token_ms);
    let off_ms = full_ms - since_ms - used * token_ms;
    if off_ms.abs() < 1000 {
        Ok(used)
    } else {
        Err(format!("{key}: {used} tokens used and {off_ms} ms of one"))
    }
}

/// Who holds a lock: owner, fence, deadline in unix ms.
pub(super) fn held(client: &mut Client, key: &str) -> Vec<(String, i64, i64)> {
    // INFO tells what is left of a lease: the time that it is told at has to be the server's.
    let mut replies = client.pipeline(&["MULTI", "TIME", &format!("LOCK.INFO {key}"), "EXEC"]);
    let answers = replies.pop().unwrap();
    let [time, info] = answers.array() else { panic!("{answers:?}") };
    if info.is_null() {
        return Vec::new();
    }
    let part = |index: usize| time.array()[index].text().parse::<i64>().unwrap();
    let now_ms = part(0) * 1000 + part(1) / 1000;
    let shown = |holder: &Reply| {
        let owner = field(holder, "owner").text().to_owned();
        (owner, field(holder, "fence").int(), now_ms + field(holder, "ttl-ms").int())
    };
    field(info, "holders").array().iter().map(shown).collect()
}

/// A field of a map that INFO answers.
pub(crate) fn field(map: &Reply, name: &str) -> Reply {
    let pairs = map.pairs();
    pairs
        .into_iter()
        .find(|(field, _)| field.text() == name)
        .unwrap_or_else(|| panic!("no {name}: {map:?}"))
        .1
}
