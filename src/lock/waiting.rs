//! Those that wait: joining the queue, being granted, leaving it.
//!
//! Strictly first in, first out: only the head of a queue is granted, by [`admit`]. That happens in
//! the RELEASE itself, before a TRY or an ACQUIRE of somebody else, or when the key's alarm rings:
//! at the end of the lease that stands in the way, and soon after a stranger has deleted, renamed
//! or overwritten the lock.
//!
//! A grant is written before its client is woken, and nobody is in the queue whose client has gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_core::grammar::lock::parse_acquire;
use sluice_core::grammar::names;
use sluice_core::lock::queue::{LockName, Waiter, Waiters};
use sluice_core::lock::{Claim, Reply};
use sluice_core::time::Millis;

use super::held::LockKey;
use crate::error::Error;
use crate::server::timers::{self, Timer};
use crate::server::{Arg, Args, Context, Mode, OwnedArg, wake};
use crate::{config, info};

/// How soon to look again when the server may not write now, in ms.
const PAUSED_MS: u64 = 10;

/// How long a key is left alone at the most, in ms: a clock that was set, or an expiry that a
/// stranger changed, rings no alarm.
const CHECK_MS: u64 = 1_000;

/// The longest BLOCK that is timed here, in ms. The server times every BLOCK, but looks only a few
/// times a second; for an hour that is close enough.
const TIMED_MS: u64 = 60 * 60 * 1_000;

/// What an alarm is for.
enum Ring {
    /// To look whether the head of a queue can be granted.
    Look(Arc<LockName>),
    /// To end a wait.
    GiveUp(u64),
}

struct Alarm {
    timer: Timer,
    token: u64,
    /// Rings at the next turn of the server's loop; no other needs to be set.
    soon: bool,
}

/// How a wait ended, for [`answer`] to say.
enum Outcome {
    Granted(Reply),
    /// The owner gave it up, asked again elsewhere, or holds the lock already.
    NotHeld,
    WrongType,
}

#[derive(Default)]
struct State {
    waiters: Waiters<Alarm>,
    outcomes: HashMap<u64, Outcome>,
    /// The end of each wait that is timed here.
    limits: HashMap<u64, Alarm>,
    rings: HashMap<u64, Ring>,
}

/// A lock because another module may call us from a thread of its own, under the server's global
/// lock. The server is never called while it is held, as that may call back.
static STATE: Mutex<Option<State>> = Mutex::new(None);

/// How many wait; a glance spares most commands the rest.
static WAITING: AtomicU64 = AtomicU64::new(0);

fn with_state<T>(run: impl FnOnce(&mut State) -> T) -> T {
    let mut state: MutexGuard<'_, _> = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let state = state.get_or_insert_default();
    let result = run(state);
    WAITING.store(state.waiters.total() as u64, Ordering::Relaxed);
    result
}

/// How many wait for any lock.
pub(crate) fn total() -> u64 {
    WAITING.load(Ordering::Relaxed)
}

/// The place of a key of the command's, if anybody waits for it.
pub(crate) fn place(ctx: &Context<'_>, key: Arg<'_>) -> Option<LockName> {
    if total() == 0 {
        return None;
    }
    let place = LockName { db: ctx.db(), key: key.bytes().into() };
    (count(&place) > 0).then_some(place)
}

/// How many wait for this key.
pub(crate) fn count(place: &LockName) -> usize {
    with_state(|state| state.waiters.count(place))
}

/// Whether the head of the queue could be granted, had it been looked at.
pub(crate) fn head_fits(place: &LockName, key: &LockKey<'_>) -> bool {
    head_holders(place).is_none_or(|holders| key.view().admits(holders))
}

fn head_holders(place: &LockName) -> Option<usize> {
    with_state(|state| state.waiters.head(place).map(|head| head.claim().holders))
}

/// Makes the client of the running command wait, if the server lets it. Its owner's older wait
/// ends. Not with the key open.
pub(crate) fn join(
    ctx: &Context<'_>,
    name: Arg<'_>,
    claim: &Claim<'_>,
    limit: Millis,
) -> Result<bool, Error> {
    let place = Arc::new(LockName { db: ctx.db(), key: name.bytes().into() });
    let full = with_state(|state| {
        state.waiters.count(&place) >= config::max_waiters()
            && state.waiters.find(&place, claim.owner).is_none()
    });
    if full {
        return Err(Error::TooManyWaiters);
    }
    let Some(id) = ctx.block_on(name, limit) else { return Ok(false) };
    let older = with_state(|state| {
        let older = state.waiters.join(Arc::clone(&place), Waiter::new(id, claim))?;
        state.outcomes.insert(older.id, Outcome::NotHeld);
        Some(older.id)
    });
    if (1..=TIMED_MS).contains(&limit.get()) {
        let alarm = ring_in(limit.get(), Ring::GiveUp(id));
        with_state(|state| state.limits.insert(id, alarm));
    }
    if let Some(older) = older {
        wake(older);
    }
    watch(&place, &LockKey::open(ctx, name, Mode::Read)?);
    Ok(true)
}

/// Cancels the wait of an owner: the number to [`wake`] once the key is written.
fn cancel(place: &LockName, owner: &[u8]) -> Option<u64> {
    let (id, alarm) = with_state(|state| {
        let id = state.waiters.find(place, owner)?.id;
        let (_, alarm) = state.waiters.leave(id)?;
        state.outcomes.insert(id, Outcome::NotHeld);
        Some((id, alarm))
    })?;
    silence(alarm);
    Some(id)
}

/// Grants the lock to those at the head of its queue, as far as it goes. Returns the numbers to
/// [`wake`] once the key is written.
pub(crate) fn admit(place: &LockName, key: &mut LockKey<'_>) -> Vec<u64> {
    let mut ended = Vec::new();
    while let Some(head) = with_state(|state| state.waiters.head(place).cloned()) {
        let claim = head.claim();
        let outcome = if key.view().own(claim.owner).is_some() {
            Outcome::NotHeld
        } else if key.view().admits(claim.holders) {
            Outcome::Granted(key.grant(&claim))
        } else {
            break;
        };
        let alarm = with_state(|state| {
            state.outcomes.insert(head.id, outcome);
            state.waiters.leave(head.id).and_then(|(_, alarm)| alarm)
        });
        silence(alarm);
        ended.push(head.id);
    }
    ended
}

/// After a RELEASE, which may have made room: cancels the owner's own wait and grants the lock to
/// those who come next. Returns the numbers to [`wake`] once the key is written.
///
/// Inside MULTI and scripts the grant waits for their end, so that what they do next comes first.
pub(crate) fn after_release(
    ctx: &Context<'_>,
    name: Arg<'_>,
    owner: &[u8],
    key: &mut LockKey<'_>,
) -> Vec<u64> {
    let Some(place) = place(ctx, name) else { return Vec::new() };
    let mut ended = Vec::from_iter(cancel(&place, owner));
    if ctx.may_block() {
        ended.extend(admit(&place, key));
    }
    watch(&place, key);
    ended
}

/// [`watch`], if anybody waits for this key of the command's.
pub(crate) fn watch_if_any(ctx: &Context<'_>, name: Arg<'_>, key: &LockKey<'_>) {
    if let Some(place) = place(ctx, name) {
        watch(&place, key);
    }
}

/// Sets the alarm of a key for when the head of its queue may be granted.
pub(crate) fn watch(place: &LockName, key: &LockKey<'_>) {
    if let Some(holders) = head_holders(place) {
        let ms = if key.view().admits(holders) { 0 } else { key.view().opens_in_ms(holders).unwrap_or(0) };
        set_alarm(place, ms.min(CHECK_MS));
    }
}

/// Has a key looked at as soon as the running command is over, if anybody waits for it.
pub(crate) fn poke(db: i32, key: &[u8]) {
    if total() > 0 {
        set_alarm(&LockName { db, key: key.into() }, 0);
    }
}

/// The same for all keys of a database, or of all.
pub(crate) fn poke_all(db: Option<i32>) {
    for place in with_state(|state| state.waiters.places(db)) {
        set_alarm(&place, 0);
    }
}

/// A wait is over: it was granted or cancelled, its time is up, or the operator ended it. Says so
/// to the client.
pub(crate) fn answer(ctx: &Context<'_>, args: Args<'_>, id: u64) {
    let (outcome, limit) = with_state(|state| (state.outcomes.remove(&id), state.limits.remove(&id)));
    silence(limit);
    match outcome {
        Some(Outcome::Granted(reply)) => reply_with(ctx, &reply),
        Some(Outcome::WrongType) => ctx.reply_error(&Error::WrongType.text(names::LOCK_ACQUIRE)),
        Some(Outcome::NotHeld) => not_held(ctx, args),
        None => {
            gone(id);
            info::LOCK_WAIT_TIMEOUTS.add(1);
            not_held(ctx, args);
        }
    }
}

/// A client that waited has gone; whoever is behind it may be next.
pub(crate) fn gone(id: u64) {
    let (limit, left) = with_state(|state| {
        state.outcomes.remove(&id);
        let left = state.waiters.place(id).zip(state.waiters.leave(id));
        (state.limits.remove(&id), left)
    });
    silence(limit);
    if let Some((place, (_, alarm))) = left {
        silence(alarm);
        set_alarm(&place, 0);
    }
}

/// An alarm rings.
pub(crate) fn alarm(ctx: &Context<'_>, token: u64) {
    match with_state(|state| state.rings.remove(&token)) {
        Some(Ring::Look(place)) => look(ctx, &place),
        Some(Ring::GiveUp(id)) => {
            with_state(|state| state.limits.remove(&id));
            wake(id);
        }
        None => {}
    }
}

/// Looks whether the head of a queue can be granted now.
fn look(ctx: &Context<'_>, place: &LockName) {
    with_state(|state| state.waiters.set_alarm(place, None).ok());
    if count(place) == 0 {
        return;
    }
    if !ctx.may_write() {
        return set_alarm(place, PAUSED_MS);
    }
    ctx.select_db(place.db);
    let name = OwnedArg::new(&place.key);
    if !ctx.owns(name.arg()) {
        // The slot has moved: the server is about to send all who wait -MOVED.
        return set_alarm(place, CHECK_MS);
    }
    for id in hand_over(ctx, name.arg(), place) {
        wake(id);
    }
}

/// Writes what the head of the queue, and those behind it, can be given.
fn hand_over(ctx: &Context<'_>, name: Arg<'_>, place: &LockName) -> Vec<u64> {
    let Ok(mut key) = LockKey::open(ctx, name, Mode::Write) else {
        return dismiss(place);
    };
    let ended = admit(place, &mut key);
    watch(place, &key);
    // Cannot fail: the key holds a lock or nothing. If it did, leases would end by themselves.
    let _ = key.commit();
    ended
}

/// Something else is in the key: all who wait are told so.
fn dismiss(place: &LockName) -> Vec<u64> {
    let mut ended = Vec::new();
    while let Some(id) = with_state(|state| state.waiters.head(place).map(|head| head.id)) {
        let alarm = with_state(|state| {
            state.outcomes.insert(id, Outcome::WrongType);
            state.waiters.leave(id).and_then(|(_, alarm)| alarm)
        });
        silence(alarm);
        ended.push(id);
    }
    ended
}

/// Sets the alarm of a key in place of the one before, unless that one rings soon anyway.
fn set_alarm(place: &LockName, ms: u64) {
    let shared = with_state(|state| {
        let rings_soon = state.waiters.alarm(place).is_some_and(|alarm| alarm.soon);
        state.waiters.shared(place).filter(|_| !rings_soon)
    });
    if let Some(shared) = shared {
        let alarm = ring_in(ms, Ring::Look(shared));
        silence(with_state(|state| {
            state.waiters.set_alarm(place, Some(alarm)).unwrap_or_else(|alarm| alarm)
        }));
    }
}

fn ring_in(ms: u64, ring: Ring) -> Alarm {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let token = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    with_state(|state| state.rings.insert(token, ring));
    Alarm { timer: timers::set(ms, token), token, soon: ms == 0 }
}

fn silence(alarm: Option<Alarm>) {
    if let Some(Alarm { timer, token, .. }) = alarm {
        with_state(|state| state.rings.remove(&token));
        timers::stop(timer);
    }
}

fn not_held(ctx: &Context<'_>, args: Args<'_>) {
    let replied = parse_acquire(args.behind_key()).map_err(Error::from).and_then(|(claim, _)| {
        let name = args.key().ok_or(Error::WrongType)?;
        let key = LockKey::open(ctx, name, Mode::Read)?;
        let view = key.view();
        reply_with(ctx, &view.own(claim.owner).unwrap_or_else(|| view.refusal(claim.holders)));
        Ok(())
    });
    if let Err(error) = replied {
        ctx.reply_error(&error.text(names::LOCK_ACQUIRE));
    }
}

/// The three integers.
pub(crate) fn reply_with(ctx: &Context<'_>, reply: &Reply) {
    let Reply { held, fence, ms } = *reply;
    ctx.reply_integers([held, fence, ms]);
}
