//! What the module's commands may be answered.

use sluice_core::grammar::error::CommandError;
use sluice_testing::Reply;

use crate::words::Words;

/// One of our errors, or one of the server's that has a code; none repeats what was sent.
pub(crate) fn is_told(text: &str) -> bool {
    const OF_THE_SERVER: &[&str] = &[
        "ASK",
        "BUSY",
        "CLUSTERDOWN",
        "EXECABORT",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "MOVED",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "REDIRECT",
        "TRYAGAIN",
        "UNBLOCKED",
    ];
    let code = text.split(' ').next().unwrap_or_default();
    // What is wrong in a text of policies is told with a policy's place.
    let in_a_text = text.strip_prefix("ERR policy ").and_then(|text| text.split_once(": "));
    let in_a_text = in_a_text.is_some_and(|(place, what)| {
        let is_place = place.parse().is_ok_and(|place| (1..=257).contains(&place));
        is_place && CommandError::recognise(&format!("ERR {what}")).is_some()
    });
    let second_word = text.starts_with("ERR unknown subcommand "); // the server's own, which repeats the word
    in_a_text || second_word || CommandError::recognise(text).is_some() || OF_THE_SERVER.contains(&code)
}

pub(crate) fn acquired(words: &Words, reply: &Reply) -> bool {
    let waits = words.iter().skip(2).any(|word| word.eq_ignore_ascii_case(b"MAXWAIT"));
    is_verdict(reply) && reply.array().len() == if waits { 7 } else { 6 }
}

pub(crate) fn given_back(_: &Words, reply: &Reply) -> bool {
    is_verdict(reply) && matches!(reply.ints()[..], [0 | 1, _, _, _, _, _])
}

fn is_verdict(reply: &Reply) -> bool {
    let Reply::Array(items) = reply else { return false };
    if !items.iter().all(|item| matches!(item, Reply::Int(_))) {
        return false;
    }
    let [granted, wait, remaining, burst, reset, index, rest @ ..] = &reply.ints()[..] else { return false };
    *granted >= 0
        && (*wait >= 0 || (*wait == -1 && *granted == 0))
        && (0..=*burst).contains(remaining)
        && *burst > 0
        && *reset >= 0
        && (0..8).contains(index)
        && rest.iter().all(|act_us| *act_us >= 0)
}

pub(crate) fn shows_top(words: &Words, reply: &Reply) -> bool {
    let Reply::Array(rows) = reply else {
        return matches!(reply, Reply::Simple(text) if text == "OK") && words.len() == 2;
    };
    let is_row = |row: &Reply| match row {
        Reply::Array(row) => match &row[..] {
            [Reply::Bulk(name), Reply::Int(db), Reply::Int(refused), Reply::Int(over)] => {
                name.len() <= 47 && (0..16).contains(db) && (0..*refused).contains(over)
            }
            _ => false,
        },
        _ => false,
    };
    rows.len() <= 512 && rows.iter().all(is_row)
}

/// By any numbers, so that only the form is certain.
pub(crate) fn throttled(_: &Words, reply: &Reply) -> bool {
    let Reply::Array(items) = reply else { return false };
    let is_form = items.len() == 5 && items.iter().all(|item| matches!(item, Reply::Int(_)));
    is_form && matches!(reply.ints()[..], [0, _, _, -1, _] | [1, ..])
}

pub(crate) fn is_count(reply: &Reply, most: i64) -> bool {
    matches!(reply, Reply::Int(count) if (0..=most).contains(count))
}

pub(crate) fn lists_policies(_: &Words, reply: &Reply) -> bool {
    matches!(reply, Reply::Array(list) if list.len() <= 256 && list.iter().all(|one| one.text().contains(" LIMIT ")))
}

pub(crate) fn shows_policy(_: &Words, reply: &Reply) -> bool {
    let (Reply::Array(_) | Reply::Map(_)) = reply else { return reply.is_null() };
    let pairs = reply.pairs();
    let names: Vec<_> = pairs.iter().map(|(name, _)| name.text()).collect();
    names == ["limits", "granted", "refused", "shadow"]
        && pairs[0].1.text().starts_with("LIMIT ")
        && pairs[1..].iter().all(|(_, count)| matches!(count, Reply::Int(0..)))
}

pub(crate) fn is_time(reply: &Reply) -> bool {
    matches!(reply, Reply::Int(ms) if *ms >= 0)
}

pub(crate) fn shows_limits(_: &Words, reply: &Reply) -> bool {
    match reply {
        Reply::Null => true,
        Reply::Array(limits) => !limits.is_empty() && limits.iter().all(|limit| !limit.pairs().is_empty()),
        _ => false,
    }
}

pub(crate) fn is_lease(reply: &Reply) -> bool {
    let Reply::Array(items) = reply else { return false };
    items.iter().all(|item| matches!(item, Reply::Int(_)))
        && match reply.ints()[..] {
            [0, 0, ms] => ms == -2,
            [0 | 1, fence, ms] => fence > 0 && ms > 0,
            _ => false,
        }
}

pub(crate) fn released(_: &Words, reply: &Reply) -> bool {
    matches!(reply, Reply::Int(0 | 1))
}

pub(crate) fn shows_lock(_: &Words, reply: &Reply) -> bool {
    let (Reply::Array(_) | Reply::Map(_)) = reply else { return reply.is_null() };
    let pairs = reply.pairs();
    let mut known = pairs.iter().map(|(name, value)| match (name.text(), value) {
        ("holders" | "waiters", Reply::Array(_)) => true,
        ("waiting", Reply::Int(many)) => *many >= 0,
        _ => false,
    });
    pairs.len() == 3 && known.all(|known| known)
}
