//! The RATELIMIT commands: parse, load, decide, store, reply, as the module does it.

use redis::Value;
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names::CommandName;
use sluice_core::grammar::ratelimit as grammar;
use sluice_core::grammar::settings::{MAX_DEBT_MS, MAX_WAIT_MS, NumberSetting};
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Mode, Reply, Verdict};
use sluice_core::limit::gcra::acquire;
use sluice_core::limit::give_back::{can_have_been, give_back};
use sluice_core::limit::holding;
use sluice_core::limit::look::{Standing, look};
use sluice_core::limit::quota::Kind;
use sluice_core::time::{Millis, Nanos};

use super::keys::Keys;
use super::reply::{integers, map, number, text};

/// The settings at their defaults.
fn bounds() -> Bounds {
    let ms = |setting: NumberSetting| u64::try_from(setting.default).ok().and_then(Millis::new);
    Bounds { max_wait: ms(MAX_WAIT_MS).unwrap_or_default(), max_debt: ms(MAX_DEBT_MS).unwrap_or_default() }
}

impl Keys {
    /// Carries out a command of the family.
    pub(super) fn limit_command(
        &mut self,
        name: CommandName,
        key: &[u8],
        words: &[&[u8]],
        now: Nanos,
    ) -> Result<Value, CommandError> {
        let (words, bounds) = (words.iter().copied(), bounds());
        match name.as_str() {
            "RATELIMIT.ACQUIRE" => {
                let call = grammar::parse_acquire(words)?;
                check_wait(call.mode, &bounds)?;
                let mut state = self.limits(key, now)?;
                let verdict = acquire(&call, &mut state, now, &bounds);
                self.store_limits(key, verdict.change, &state, now);
                Ok(decision(call.mode, &verdict))
            }
            "RATELIMIT.PEEK" => {
                let call = grammar::parse_peek(words)?;
                check_wait(call.mode, &bounds)?;
                let verdict = acquire(&call, &mut self.limits(key, now)?, now, &bounds);
                Ok(decision(call.mode, &verdict))
            }
            "RATELIMIT.RETURN" => {
                let call = grammar::parse_return(words)?;
                if !can_have_been(call.why, now, &bounds) {
                    return Err(CommandError::At);
                }
                let mut state = self.limits(key, now)?;
                let verdict = give_back(&call, &mut state, now, &bounds);
                self.store_limits(key, verdict.change, &state, now);
                Ok(decision(Mode::Plain, &verdict))
            }
            "RATELIMIT.HOLD" => {
                let time = grammar::parse_hold(words)?;
                let mut state = self.limits(key, now)?;
                let held = match time {
                    Some(time) => holding::hold(&mut state, now, time, &bounds),
                    None => holding::release(&mut state, now, &bounds),
                };
                self.store_limits(key, held.change, &state, now);
                Ok(Value::Int(held.held_ms))
            }
            "RATELIMIT.TURN" => {
                let told = grammar::parse_turn(words)?;
                Ok(Value::Int(holding::turn_ms(&self.limits(key, now)?, now, told)))
            }
            "RATELIMIT.INFO" => self.limit_info(key, now, &bounds),
            _ => Err(CommandError::Server),
        }
    }

    fn limit_info(&self, key: &[u8], now: Nanos, bounds: &Bounds) -> Result<Value, CommandError> {
        let Some(seen) = look(self.limits(key, now)?, now, bounds) else { return Ok(Value::Nil) };
        let held = (seen.held_ms > 0).then(|| map(vec![("held-ms", Value::Int(seen.held_ms))]));
        Ok(Value::Array(seen.standings.iter().map(standing).chain(held).collect()))
    }
}

fn check_wait(mode: Mode, bounds: &Bounds) -> Result<(), CommandError> {
    match mode {
        Mode::Wait(wait) if wait > bounds.max_wait => Err(CommandError::MaxWaitSetting),
        _ => Ok(()),
    }
}

fn decision(mode: Mode, verdict: &Verdict) -> Value {
    let Reply { granted, wait_ms, remaining, burst, reset_ms, index } = verdict.reply;
    match mode {
        Mode::Wait(_) => integers([granted, wait_ms, remaining, burst, reset_ms, index, verdict.act_us]),
        _ => integers([granted, wait_ms, remaining, burst, reset_ms, index]),
    }
}

fn standing(standing: &Standing) -> Value {
    let Standing { quota, remaining, next_ms, reset_ms, place } = standing;
    let mut pairs = vec![
        ("count", number(quota.count())),
        ("period-ms", number(quota.period_ms())),
        ("burst", number(quota.burst())),
        ("remaining", number(*remaining)),
        ("next-ms", Value::Int(*next_ms)),
        ("reset-ms", Value::Int(*reset_ms)),
    ];
    match quota.kind() {
        Kind::Rate => {}
        Kind::Strict => pairs.push(("kind", text(b"strict"))),
        Kind::Align(offset_ms) => {
            pairs.extend([("kind", text(b"align")), ("align-ms", number(offset_ms))]);
        }
    }
    pairs.extend(place.map(|place| ("place", Value::Int(i64::from(place)))));
    map(pairs)
}
