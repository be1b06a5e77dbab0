//! The commands as [`redis::Cmd`], all spelled by the grammar that the module parses.
//!
//! Everything in this crate goes through here. Use it where neither an extension trait nor a
//! pipeline will do: in a transaction, in a pool of one's own, to look at what is sent.
//!
//! Nothing is checked here but the types: an empty owner or a call without any cost is refused by
//! the server, in its own words. Times are sent in ms, rounded up, at most 100 years.

use std::time::{Duration, SystemTime};

use redis::Cmd;
use sluice_core::grammar::names::{self, CommandName};
use sluice_core::grammar::{lock, ratelimit};
use sluice_core::limit::call::{Acquire, GiveBack, Mode, Why};
use sluice_core::lock::Claim;

use crate::limits::Limits;
use crate::wire::{millis, unix_us};

/// `RATELIMIT.ACQUIRE`: take the tokens if they are all there.
pub fn ratelimit_acquire(key: impl AsRef<[u8]>, limits: impl Into<Limits>) -> Cmd {
    acquire(names::RATELIMIT_ACQUIRE, key.as_ref(), limits.into(), Mode::Plain)
}

/// `RATELIMIT.ACQUIRE ... MAXWAIT ms`: take them now if they will be there within `max_wait`.
pub fn ratelimit_reserve(key: impl AsRef<[u8]>, limits: impl Into<Limits>, max_wait: Duration) -> Cmd {
    acquire(names::RATELIMIT_ACQUIRE, key.as_ref(), limits.into(), Mode::Wait(millis(max_wait)))
}

/// `RATELIMIT.ACQUIRE ... PARTIAL`: take as many as there are. All costs but 0 must be equal.
pub fn ratelimit_acquire_part(key: impl AsRef<[u8]>, limits: impl Into<Limits>) -> Cmd {
    acquire(names::RATELIMIT_ACQUIRE, key.as_ref(), limits.into(), Mode::Partial)
}

/// `RATELIMIT.ACQUIRE ... FORCE`: take them all, into debt if need be.
pub fn ratelimit_force(key: impl AsRef<[u8]>, limits: impl Into<Limits>) -> Cmd {
    acquire(names::RATELIMIT_ACQUIRE, key.as_ref(), limits.into(), Mode::Force)
}

/// `RATELIMIT.PEEK`: what a plain call would be answered.
pub fn ratelimit_peek(key: impl AsRef<[u8]>, limits: impl Into<Limits>) -> Cmd {
    acquire(names::RATELIMIT_PEEK, key.as_ref(), limits.into(), Mode::Plain)
}

/// `RATELIMIT.RETURN`: give the costs back.
pub fn ratelimit_refund(key: impl AsRef<[u8]>, limits: impl Into<Limits>) -> Cmd {
    give_back(key.as_ref(), limits.into(), Why::Refund)
}

/// `RATELIMIT.RETURN ... AT us`: give up the reservation whose turn comes at `act_at`, as its answer said.
pub fn ratelimit_give_up_at(key: impl AsRef<[u8]>, limits: impl Into<Limits>, act_at: SystemTime) -> Cmd {
    give_back(key.as_ref(), limits.into(), Why::ActAt(unix_us(act_at)))
}

/// `RATELIMIT.RETURN ... DUE ms`: give up a reservation whose turn comes in `due`, when the command
/// arrives. It is late by its way there; [`ratelimit_give_up_at`] names the turn exactly.
pub fn ratelimit_give_up(key: impl AsRef<[u8]>, limits: impl Into<Limits>, due: Duration) -> Cmd {
    give_back(key.as_ref(), limits.into(), Why::DueIn(millis(due)))
}

/// `RATELIMIT.HOLD key PX ms`: nobody acts before that time is over; what was used stays used.
pub fn ratelimit_hold(key: impl AsRef<[u8]>, time: Duration) -> Cmd {
    let time = Some(millis(time));
    spell(names::RATELIMIT_HOLD, key.as_ref(), |word| ratelimit::encode_hold(time, word))
}

/// `RATELIMIT.HOLD key OFF`: end a hold.
pub fn ratelimit_end_hold(key: impl AsRef<[u8]>) -> Cmd {
    spell(names::RATELIMIT_HOLD, key.as_ref(), |word| ratelimit::encode_hold(None, word))
}

/// `RATELIMIT.TURN`: a turn is due that was told so long ago; has a hold moved it?
pub fn ratelimit_turn(key: impl AsRef<[u8]>, told: Duration) -> Cmd {
    let told = millis(told);
    spell(names::RATELIMIT_TURN, key.as_ref(), |word| ratelimit::encode_turn(told, word))
}

/// `RATELIMIT.INFO`: the stored state.
pub fn ratelimit_info(key: impl AsRef<[u8]>) -> Cmd {
    spell(names::RATELIMIT_INFO, key.as_ref(), |_| {})
}

/// `LOCK.TRY`: take the lock if it is free.
pub fn lock_try(key: impl AsRef<[u8]>, owner: impl AsRef<[u8]>, lease: Duration, holders: usize) -> Cmd {
    let claim = Claim { owner: owner.as_ref(), lease: millis(lease), holders };
    spell(names::LOCK_TRY, key.as_ref(), |word| lock::encode_try(&claim, word))
}

/// `LOCK.ACQUIRE ... BLOCK ms`: wait for the lock; a `block` of 0 has no limit. The connection is
/// blocked meanwhile, and must not time its replies out.
pub fn lock_acquire(
    key: impl AsRef<[u8]>,
    owner: impl AsRef<[u8]>,
    lease: Duration,
    holders: usize,
    block: Duration,
) -> Cmd {
    let claim = Claim { owner: owner.as_ref(), lease: millis(lease), holders };
    spell(names::LOCK_ACQUIRE, key.as_ref(), |word| lock::encode_acquire(&claim, millis(block), word))
}

/// `LOCK.EXTEND`: set what is left of a lease.
pub fn lock_extend(key: impl AsRef<[u8]>, owner: impl AsRef<[u8]>, lease: Duration) -> Cmd {
    spell(names::LOCK_EXTEND, key.as_ref(), |word| lock::encode_extend(owner.as_ref(), millis(lease), word))
}

/// `LOCK.RELEASE`: end a lease, or a wait.
pub fn lock_release(key: impl AsRef<[u8]>, owner: impl AsRef<[u8]>) -> Cmd {
    spell(names::LOCK_RELEASE, key.as_ref(), |word| word(owner.as_ref()))
}

/// `LOCK.INFO`: who holds a lock, and how many wait.
pub fn lock_info(key: impl AsRef<[u8]>) -> Cmd {
    spell(names::LOCK_INFO, key.as_ref(), |_| {})
}

fn acquire(name: CommandName, key: &[u8], limits: Limits, mode: Mode) -> Cmd {
    let call = Acquire { clauses: limits.clauses(), mode };
    spell(name, key, |word| ratelimit::encode_acquire(&call, word))
}

fn give_back(key: &[u8], limits: Limits, why: Why) -> Cmd {
    let call = GiveBack { clauses: limits.clauses(), why };
    spell(names::RATELIMIT_RETURN, key, |word| ratelimit::encode_return(&call, word))
}

fn spell(name: CommandName, key: &[u8], words: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Cmd {
    let mut command = Cmd::with_capacity(16, 128 + key.len());
    command.arg(name.as_str()).arg(key);
    words(&mut |word| {
        command.arg(word);
    });
    command
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::limit::Limit;

    fn line(command: &Cmd) -> String {
        let words = command.args_iter().map(|arg| match arg {
            redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn commands_read_as_documented() {
        let limits = Limit::per_second(10).burst(20).and(Limit::per_hour(1000).strict().cost(3));
        let limits = limits.and(Limit::per_hour(1000).aligned(Duration::from_secs(1800)));
        let words = "k LIMIT 10 PX 1000 BURST 20 LIMIT 1000 PX 3600000 STRICT COST 3 \
                     LIMIT 1000 PX 3600000 ALIGN 1800";
        let at = UNIX_EPOCH + Duration::from_micros(1_900_000_000_000_001);
        let ms = Duration::from_millis;
        for (command, text) in [
            (ratelimit_acquire("k", limits), format!("RATELIMIT.ACQUIRE {words}")),
            (ratelimit_reserve("k", limits, ms(5)), format!("RATELIMIT.ACQUIRE {words} MAXWAIT 5")),
            (ratelimit_acquire_part("k", limits), format!("RATELIMIT.ACQUIRE {words} PARTIAL")),
            (ratelimit_force("k", limits), format!("RATELIMIT.ACQUIRE {words} FORCE")),
            (ratelimit_peek("k", limits), format!("RATELIMIT.PEEK {words}")),
            (ratelimit_refund("k", limits), format!("RATELIMIT.RETURN {words}")),
            (ratelimit_give_up("k", limits, ms(7)), format!("RATELIMIT.RETURN {words} DUE 7")),
            (ratelimit_give_up_at("k", limits, at), format!("RATELIMIT.RETURN {words} AT 1900000000000001")),
            (ratelimit_hold("k", ms(1500)), "RATELIMIT.HOLD k PX 1500".to_owned()),
            (ratelimit_end_hold("k"), "RATELIMIT.HOLD k OFF".to_owned()),
            (ratelimit_turn("k", ms(9)), "RATELIMIT.TURN k 9".to_owned()),
            (ratelimit_info("k"), "RATELIMIT.INFO k".to_owned()),
            (lock_try("k", "me", ms(9), 1), "LOCK.TRY k me PX 9".to_owned()),
            (lock_try("k", "me", ms(9), 3), "LOCK.TRY k me PX 9 HOLDERS 3".to_owned()),
            (lock_acquire("k", "me", ms(9), 1, ms(0)), "LOCK.ACQUIRE k me PX 9 BLOCK 0".to_owned()),
            (lock_extend("k", "me", ms(9)), "LOCK.EXTEND k me PX 9".to_owned()),
            (lock_release("k", "me"), "LOCK.RELEASE k me".to_owned()),
            (lock_info("k"), "LOCK.INFO k".to_owned()),
        ] {
            assert_eq!(line(&command), text);
        }
    }
}
