//! Who answers: finds the command, carries it out, and sees to what waits.

use std::sync::Arc;

use redis::{Arg, Cmd, Value};
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::lock as grammar;
use sluice_core::grammar::names::{self, CommandName};
use sluice_core::time::Nanos;

use super::inside::{Inside, Shared};
use super::locks::Joined;
use super::reply;
use super::wait::Wait;

/// How those commands begin that are a server's affair: operators' tables and counts, and what is there on request.
const ELSEWHERE: [&str; 3] = ["RATELIMIT.POLICY", "RATELIMIT.TOP", "CL.THROTTLE"];

/// What came of a command.
enum Outcome {
    Answered(Value),
    Waits(Joined),
}

/// The answer to a command; an error is a value too.
pub(super) async fn answer(server: &Arc<Shared>, command: &Cmd) -> Value {
    // Where nothing is waited for, nobody else on a runtime would ever have a turn.
    tokio::task::consume_budget().await;
    let words = words(command);
    match server.with(|inside, now| inside.execute(&words, true, now)) {
        Outcome::Answered(value) => value,
        Outcome::Waits(joined) => {
            let [_, key, owner, ..] = words[..] else { return Value::Nil };
            Wait::new(Arc::clone(server), key, owner, joined).await_answer().await
        }
    }
}

/// The answers to commands at one instant. None of them waits.
pub(super) fn transaction<'a>(server: &Shared, commands: impl Iterator<Item = &'a Cmd>) -> Vec<Value> {
    server.with(|inside, now| {
        commands
            .map(|command| match inside.execute(&words(command), false, now) {
                Outcome::Answered(value) => value,
                Outcome::Waits(_) => Value::Nil,
            })
            .collect()
    })
}

/// A cursor, which none of these commands has, is a word that none of them knows.
fn words(command: &Cmd) -> Vec<&[u8]> {
    let word = |arg| if let Arg::Simple(bytes) = arg { bytes } else { &b""[..] };
    command.args_iter().map(word).collect()
}

impl Inside {
    fn execute(&mut self, words: &[&[u8]], may_wait: bool, now: Nanos) -> Outcome {
        let Some((command, rest)) = words.split_first() else {
            return Outcome::Answered(reply::error("ERR empty command"));
        };
        let known = |name: &&CommandName| command.eq_ignore_ascii_case(name.as_str().as_bytes());
        let is_here = |name: &&CommandName| !ELSEWHERE.iter().any(|word| name.as_str().starts_with(word));
        match names::ALL.iter().find(known).filter(is_here) {
            Some(name) => self.of_the_module(*name, rest, may_wait, now).unwrap_or_else(|error| {
                Outcome::Answered(reply::error(&error.text(*name).to_string_lossy()))
            }),
            None => Outcome::Answered(self.of_the_server(command, rest, now)),
        }
    }

    /// PING and DEL.
    fn of_the_server(&mut self, command: &[u8], rest: &[&[u8]], now: Nanos) -> Value {
        if command.eq_ignore_ascii_case(b"PING") && rest.is_empty() {
            Value::SimpleString("PONG".to_owned())
        } else if command.eq_ignore_ascii_case(b"DEL") {
            if rest.is_empty() {
                return reply::error("ERR wrong number of arguments for 'del' command");
            }
            let mut deleted = 0;
            for key in rest {
                deleted += u64::from(self.keys.delete(key, now));
                self.desk.changed(&mut self.keys, key, now);
            }
            reply::number(deleted)
        } else {
            let name = String::from_utf8_lossy(command).replace(['\r', '\n'], " ");
            reply::error(&format!("ERR unknown command '{name}'"))
        }
    }

    fn of_the_module(
        &mut self,
        name: CommandName,
        rest: &[&[u8]],
        may_wait: bool,
        now: Nanos,
    ) -> Result<Outcome, CommandError> {
        let least_most = arity(name);
        let ([key, words @ ..], true) = (rest, least_most.contains(&(rest.len() + 1))) else {
            return Err(CommandError::Arity);
        };
        let (keys, desk) = (&mut self.keys, &mut self.desk);
        let behind = words.iter().copied();
        let value = match name.as_str() {
            "LOCK.TRY" => desk.try_lock(keys, key, &grammar::parse_try(behind)?, now)?,
            "LOCK.ACQUIRE" => {
                let (claim, limit) = grammar::parse_acquire(behind)?;
                if !may_wait {
                    desk.try_lock(keys, key, &claim, now)?
                } else {
                    match desk.acquire(keys, key, (&claim, limit), now)? {
                        Ok(value) => value,
                        Err(joined) => return Ok(Outcome::Waits(joined)),
                    }
                }
            }
            "LOCK.EXTEND" => desk.extend(keys, key, grammar::parse_extend(behind)?, now)?,
            "LOCK.RELEASE" => desk.release(keys, key, grammar::parse_release(behind)?, now)?,
            "LOCK.INFO" => desk.info(keys, key, now)?,
            "LOCK.LOAD" => return Err(CommandError::NotReplayed),
            _ => keys.limit_command(name, key, words, now)?,
        };
        Ok(Outcome::Answered(value))
    }
}

/// How many words a command has, its name among them, as servers check it before the module sees it.
fn arity(name: CommandName) -> std::ops::RangeInclusive<usize> {
    match name.as_str() {
        "RATELIMIT.ACQUIRE" | "RATELIMIT.PEEK" | "RATELIMIT.RETURN" => 3..=usize::MAX,
        "RATELIMIT.INFO" | "LOCK.INFO" => 2..=2,
        "RATELIMIT.HOLD" => 3..=usize::MAX,
        "RATELIMIT.TURN" | "LOCK.RELEASE" => 3..=3,
        "LOCK.TRY" => 5..=usize::MAX,
        "LOCK.ACQUIRE" => 7..=usize::MAX,
        "LOCK.EXTEND" => 5..=5,
        _ => 4..=usize::MAX,
    }
}
