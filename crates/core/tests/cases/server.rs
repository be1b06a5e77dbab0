//! A server of keys and strings, on the core alone, with the clock that each command brings.

use std::collections::HashMap;
use std::ffi::CStr;

use serde_json::{Value, json};
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names::{self, CommandName};
use sluice_core::grammar::{policy as policy_grammar, ratelimit as grammar};
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Acquire, Change, GiveBack, Mode, Reply};
use sluice_core::limit::codec;
use sluice_core::limit::expiry::{Expiry, expiry};
use sluice_core::limit::give_back::give_back;
use sluice_core::limit::holding;
use sluice_core::limit::look::look;
use sluice_core::limit::quota::Kind;
use sluice_core::limit::state::State;
use sluice_core::policy::shadow::decide;
use sluice_core::policy::table::Table;
use sluice_core::policy::text;
use sluice_core::time::{Millis, Nanos};

/// A string, and when its key expires.
struct Stored {
    text: String,
    expires_ms: Option<u64>,
}

pub(crate) struct Server {
    keys: HashMap<String, Stored>,
    bounds: Bounds,
    policies: Table,
}

impl Server {
    pub(crate) fn new() -> Self {
        let ms = |ms| Millis::new(ms).unwrap();
        let bounds = Bounds { max_wait: ms(60_000), max_debt: ms(3_600_000) };
        Self { keys: HashMap::new(), bounds, policies: Table::default() }
    }

    /// The reply to a command at this instant, as JSON has it.
    pub(crate) fn answer(&mut self, line: &str, now_ms: u64) -> Value {
        self.keys.retain(|_, stored| stored.expires_ms.is_none_or(|ms| ms > now_ms));
        let words = words(line);
        match words[0] {
            "GET" => self.keys.get(words[1]).map_or(Value::Null, |stored| json!(stored.text)),
            "EXISTS" => json!(u8::from(self.keys.contains_key(words[1]))),
            "DEL" => json!(u8::from(self.keys.remove(words[1]).is_some())),
            "PEXPIRETIME" => json!(self.keys[words[1]].expires_ms),
            "SET" => {
                let stored = Stored { text: words[2].to_owned(), expires_ms: None };
                self.keys.insert(words[1].to_owned(), stored);
                json!("OK")
            }
            "CONFIG" => {
                assert_eq!(words[2], "sluice.max-debt-ms");
                self.bounds.max_debt = Millis::new(words[3].parse().unwrap()).unwrap();
                json!("OK")
            }
            "RATELIMIT.POLICY" => self.policy(words[1], &words[2..]),
            name => {
                let name = *names::ALL.iter().find(|known| known.as_str() == name).unwrap();
                self.command(name, &words[1..], Nanos::from_millis(now_ms))
                    .unwrap_or_else(|error| json!({ "error": error.text(name).to_str().unwrap() }))
            }
        }
    }

    fn command(&mut self, name: CommandName, words: &[&str], now: Nanos) -> Result<Value, CommandError> {
        let arity = |least: usize, most: usize| match (least..=most).contains(&words.len()) {
            true => Ok(()),
            false => Err(CommandError::Arity),
        };
        let behind = || words[1..].iter().map(|word| word.as_bytes());
        let bounds = self.bounds;
        Ok(match name.as_str() {
            "RATELIMIT.ACQUIRE" => {
                let mut call = Acquire::new();
                let policy = grammar::read_acquire(behind(), &self.policies, &mut call)?;
                let mut state = self.state(words[0])?;
                let verdict = decide(policy, &mut call, &mut state, now, &bounds);
                self.carry_out(words[0], verdict.change, &state, now);
                if let Some(policy) = policy {
                    self.policies.count(policy, &verdict);
                }
                if matches!(call.mode, Mode::Wait(_)) && verdict.reply.granted == 1 {
                    let act_ms = now.as_millis() as i64 + verdict.reply.wait_ms;
                    assert_eq!((verdict.act_us + 999) / 1_000, act_ms, "{words:?}");
                } else {
                    assert_eq!(verdict.act_us, 0, "{words:?}");
                }
                integers(&verdict.reply)
            }
            "RATELIMIT.PEEK" => {
                let mut call = Acquire::new();
                let policy = grammar::read_peek(behind(), &self.policies, &mut call)?;
                integers(&decide(policy, &mut call, &mut self.state(words[0])?, now, &bounds).reply)
            }
            "RATELIMIT.RETURN" => {
                let mut call = GiveBack::new();
                grammar::read_return(behind(), &self.policies, &mut call)?;
                let mut state = self.state(words[0])?;
                let verdict = give_back(&call, &mut state, now, &bounds);
                self.carry_out(words[0], verdict.change, &state, now);
                integers(&verdict.reply)
            }
            "RATELIMIT.INFO" => match look(self.state(words[0])?, now, &bounds) {
                None => Value::Null,
                Some(look) => {
                    let mut maps = Vec::new();
                    for standing in look.standings {
                        let mut map = json!({
                            "count": standing.quota.count(),
                            "period-ms": standing.quota.period_ms(),
                            "burst": standing.quota.burst(),
                            "remaining": standing.remaining,
                            "next-ms": standing.next_ms,
                            "reset-ms": standing.reset_ms,
                        });
                        match standing.quota.kind() {
                            Kind::Rate => {}
                            Kind::Strict => map["kind"] = json!("strict"),
                            Kind::Align(offset_ms) => {
                                map["kind"] = json!("align");
                                map["align-ms"] = json!(offset_ms);
                            }
                        }
                        if let Some(place) = standing.place {
                            map["place"] = json!(place);
                        }
                        maps.push(map);
                    }
                    if look.held_ms > 0 {
                        maps.push(json!({ "held-ms": look.held_ms }));
                    }
                    json!(maps)
                }
            },
            "RATELIMIT.HOLD" => {
                arity(2, usize::MAX)?;
                let time = grammar::parse_hold(behind())?;
                let mut state = self.state(words[0])?;
                let held = match time {
                    Some(time) => holding::hold(&mut state, now, time, &bounds),
                    None => holding::release(&mut state, now, &bounds),
                };
                self.carry_out(words[0], held.change, &state, now);
                json!(held.held_ms)
            }
            "RATELIMIT.TURN" => {
                arity(2, 2)?;
                let told = grammar::parse_turn(behind())?;
                json!(holding::turn_ms(&self.state(words[0])?, now, told))
            }
            other => panic!("{other} is no command of these cases"),
        })
    }

    fn policy(&mut self, subcommand: &str, words: &[&str]) -> Value {
        let words = || words.iter().map(|word| word.as_bytes());
        let error = |text: &CStr| json!({ "error": text.to_str().unwrap() });
        match subcommand {
            "SET" => {
                let set = policy_grammar::parse_set(words())
                    .and_then(|(name, policy)| self.policies.set(name, policy));
                set.map_or_else(
                    |wrong| error(&wrong.text(names::RATELIMIT_POLICY_SET)),
                    |new| json!(u8::from(new)),
                )
            }
            "DEL" => json!(self.policies.delete(words())),
            "REPLACE" => {
                let replaced = self.policies.replace(words().next().unwrap());
                replaced.map_or_else(
                    |wrong| error(&wrong.text(names::RATELIMIT_POLICY_REPLACE)),
                    |count| json!(count),
                )
            }
            "LIST" => self.policies.iter().map(|(name, policy, _)| text::named(name, policy)).collect(),
            "GET" => self.policies.get(words().next().unwrap()).map_or(Value::Null, |(policy, counts)| {
                json!({
                    "limits": text::limits(policy),
                    "granted": counts.granted,
                    "refused": counts.refused,
                    "shadow": counts.shadow,
                })
            }),
            other => panic!("{other} is no command of these cases"),
        }
    }

    fn state(&self, key: &str) -> Result<State, CommandError> {
        match self.keys.get(key) {
            Some(stored) => codec::decode(stored.text.as_bytes()).ok_or(CommandError::WrongType),
            None => Ok(State::new()),
        }
    }

    fn carry_out(&mut self, key: &str, change: Change, state: &State, now: Nanos) {
        let mut out = vec![b'?'; codec::encoded_len(state)];
        codec::encode(state, &mut out);
        let before = self.keys.get(key);
        match change {
            Change::Keep => return,
            Change::Delete => {
                self.keys.remove(key);
                return;
            }
            Change::Write => {}
            Change::WriteTimes => {
                let mut in_place = before.expect("something to write over").text.clone().into_bytes();
                codec::encode_times(state, &mut in_place);
                assert_eq!(in_place.escape_ascii().to_string(), out.escape_ascii().to_string());
            }
        }
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            codec::decode(text.as_bytes()).map(|read| read.meters.len()),
            Some(state.meters.len()),
            "{text}"
        );
        let expires_ms = before.and_then(|stored| stored.expires_ms);
        let expires_ms = match expiry(state, now, expires_ms) {
            Expiry::Kept => expires_ms,
            Expiry::At(ms) => Some(ms),
        };
        self.keys.insert(key.to_owned(), Stored { text, expires_ms });
    }
}

/// The words of a line; what stands between quotes is one.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(n, part)| if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
        .collect()
}

fn integers(reply: &Reply) -> Value {
    json!([reply.granted, reply.wait_ms, reply.remaining, reply.burst, reply.reset_ms, reply.index])
}
