//! What 0.1.0 answered, and every later version answers otherwise: the files that it wrote stay as they are. All of it
//! loads, and is carried on with.
//!
//! - A key lives a little longer than until the ms in which it is full, so that it need not be made anew at each call.
//! - A reservation is answered with a seventh integer, its act.
//! - A limit that changes joins the one that it was, and counts what was used in tokens, not as a share.
//! - LOCK.INFO answers `waiters` as a list, and their number as `waiting`.
//! - A forced debt is kept up to `sluice.max-debt-ms`, not up to the longest queue.

use super::compatibility::{ASKED_MS, WRITTEN_MS};

/// Answered otherwise by whoever has loaded the files.
const LOADED: [[&str; 2]; 2] = [
    // 17 s more than a bucket and the longest queue.
    ["RATELIMIT.PEEK limit:debt LIMIT 5 EX 10 COST 22 FORCE", "[1, 77900, 0, 5, 87900, 0]"],
    // Nearly 4 of 4 tokens are used: both of 2.
    ["RATELIMIT.PEEK limit:changed LIMIT 2 EX 20 COST 2", "[0, 20000, 0, 2, 20000, 0]"],
];

/// And by whoever is asked the commands anew: 2 tokens of `LIMIT 2 EX 20` were used when `LIMIT 4 EX 80` was asked for
/// one. That was refused, as all was taken for used; now 2 of the 4 are left, and each limit counts the calls of both.
const ASKED_ANEW: [[&str; 2]; 5] = [
    [
        "GET limit:changed",
        "\"1900000030000000000~1900000020000:2/20000:2|1900000060000000000~1900000060000:4/80000:4\"",
    ],
    ["PEXPIRETIME limit:changed", "1900000075000"],
    [
        "RATELIMIT.INFO limit:changed",
        "[[\"count\", 2, \"period-ms\", 20000, \"burst\", 2, \"remaining\", 0, \"next-ms\", 19900, \"reset-ms\", 29900, \
         \"place\", 0], [\"count\", 4, \"period-ms\", 80000, \"burst\", 4, \"remaining\", 1, \"next-ms\", 19900, \
         \"reset-ms\", 59900, \"place\", 0]]",
    ],
    ["RATELIMIT.PEEK limit:changed LIMIT 2 EX 20 COST 2", "[0, 29900, 0, 2, 29900, 0]"],
    ["RATELIMIT.PEEK limit:changed LIMIT 4 EX 80", "[1, 0, 0, 4, 79900, 0]"],
];

/// Whether this question is answered otherwise today. Fails if it is, and not by what is said above.
#[track_caller]
pub(super) fn is_answered_otherwise(question: &str, then: &str, now: &str, asked_anew: bool) -> bool {
    let listed = |list: &[[&str; 2]]| {
        list.iter().find(|[asked, _]| *asked == question).map(|[_, today]| today.to_string())
    };
    let today = if asked_anew { listed(&ASKED_ANEW).or_else(|| listed(&LOADED)) } else { listed(&LOADED) };
    if let Some(today) = today {
        assert_eq!(now, today, "{question}");
        return true;
    }
    if asked_anew && now != then && question.starts_with("PEXPIRETIME ") && !question.contains("lock") {
        assert_slack(now.parse().unwrap(), then.parse().unwrap(), question);
        return true;
    }
    if question.starts_with("LOCK.INFO ") {
        assert_eq!(now, then.replace(r#""waiters", 0]"#, r#""waiting", 0, "waiters", []]"#), "{question}");
        return true;
    }
    if question.starts_with("RATELIMIT.PEEK ") && question.contains(" MAXWAIT ") {
        assert_act(now, then, question);
        return true;
    }
    false
}

/// A key lives until all is full, for a second at least; and for a quarter of that longer at most, within a second and
/// a minute.
#[track_caller]
fn assert_slack(expires_ms: i64, full_ms: i64, question: &str) {
    let need_ms = full_ms.max(WRITTEN_MS + 1000);
    let slack_ms = ((need_ms - WRITTEN_MS) / 4).clamp(1000, 60_000);
    assert!(
        (need_ms..=need_ms + slack_ms).contains(&expires_ms),
        "{question}: {expires_ms}, full at {full_ms}"
    );
}

/// The six integers are what they were, and the act is when the wait ends.
#[track_caller]
fn assert_act(now: &str, then: &str, question: &str) {
    let (six, act_us) = now.trim_end_matches(']').rsplit_once(", ").unwrap();
    assert_eq!(format!("{six}]"), then, "{question}");
    let [granted, wait_ms] =
        [0, 1].map(|field| six[1..].split(", ").nth(field).unwrap().parse::<i64>().unwrap());
    let act_ms = if granted == 1 { ASKED_MS + wait_ms } else { 0 };
    assert_eq!((act_us.parse::<i64>().unwrap() + 999) / 1000, act_ms, "{question}");
}
