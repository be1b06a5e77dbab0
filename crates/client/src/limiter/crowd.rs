//! Those of a process who ask for the same key and limits at once: who asks alone, who waits to be asked for
//! with others, and who is told what.
//!
//! ```text
//! the first two          each asks by itself
//! those who come then    wait; when an answer comes, one question goes out for all of them
//! ```
//!
//! So a busy key costs the server two questions a round trip, however many callers there are, and a quiet one
//! none but its own. Where tokens are taken ahead, one question is out at most, and most callers need none.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::ahead::{Ahead, Answered, Found, Plan};
use super::shares::Shares;
use crate::decision::Decision;
use crate::error::Result;
use crate::limit_reply::LimitReply;
use crate::limits::Limits;

/// How many questions are out at most.
const OUT: usize = 2;

/// How many callers share a question at most.
const BATCH: usize = 4096;

/// What callers have in common who share a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) limits: Limits,
    pub(super) plan: Option<Plan>,
    /// How long the server has for an answer: nobody is to have less than they want, because others want less.
    pub(super) deadline: Duration,
}

/// A caller who waits for what it is told.
pub(super) trait Caller {
    /// Whether nobody waits there any longer.
    fn is_gone(&self) -> bool;
}

/// The callers of one key and limits.
pub(super) struct Crowd<C> {
    terms: Terms,
    ahead: Ahead,
    /// Questions whose answers are awaited.
    out: usize,
    /// Whether one of them is for those who wait; the next one goes out when it is answered.
    asking: bool,
    waiting: VecDeque<C>,
}

/// What a caller does who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is told at once; and somebody has to begin to ask for those who will come.
    Told(Decision, Begin),
    /// It asks by itself, and says when it is [over](Crowd::over).
    Alone,
    /// It waits; and somebody has to begin to ask.
    Wait(Begin),
}

/// Whether somebody has to begin to ask for others.
pub(super) type Begin = bool;

/// One question for several.
pub(super) struct Batch<C> {
    callers: Vec<C>,
    /// For how many calls it asks: as many as there are callers, and some for those who will come.
    pub(super) calls: u64,
}

impl<C: Caller> Crowd<C> {
    pub(super) fn new(terms: Terms) -> Self {
        Self { terms, ahead: Ahead::default(), out: 0, asking: false, waiting: VecDeque::new() }
    }

    pub(super) fn is_of(&self, terms: &Terms) -> bool {
        self.terms == *terms
    }

    /// Whether nobody is here and nothing is remembered.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let forgotten = self.terms.plan.is_none_or(|plan| self.ahead.is_over(now, &plan));
        self.out == 0 && self.waiting.is_empty() && forgotten
    }

    /// A call comes. One that waits is [added](Self::wait) then.
    pub(super) fn arrive(&mut self, now: Instant) -> Entry {
        let found = self.terms.plan.map_or(Found::Few, |plan| self.ahead.arrive(now, &plan));
        match found {
            Found::Told(decision) => {
                let more = decision.is_granted() && self.is_more_wanted(now);
                Entry::Told(decision, more && self.begin())
            }
            // Who comes behind others goes behind them.
            Found::Few if self.out < OUT && self.waiting.is_empty() => {
                self.out += 1;
                Entry::Alone
            }
            Found::Few => Entry::Wait(self.out == 0 && self.begin()),
            Found::Nothing => Entry::Wait(self.begin()),
        }
    }

    pub(super) fn wait(&mut self, caller: C) {
        self.waiting.push_back(caller);
    }

    /// One who asked alone is answered or gone. True: somebody has to ask for those who wait.
    pub(super) fn over(&mut self) -> Begin {
        self.out = self.out.saturating_sub(1);
        !self.waiting.is_empty() && self.begin()
    }

    /// Whether somebody has to begin to ask; from now on somebody does.
    fn begin(&mut self) -> Begin {
        let begins = if self.terms.plan.is_some() { !self.asking } else { self.out < OUT };
        if begins {
            self.out += 1;
            self.asking = true;
        }
        begins
    }

    fn is_more_wanted(&self, now: Instant) -> bool {
        !self.asking && self.terms.plan.is_some_and(|plan| self.ahead.wanted(now, &plan) > 0)
    }

    /// The next question; `None` when there is nothing to ask any more, and then nobody does.
    pub(super) fn next(&mut self, now: Instant) -> Option<Batch<C>> {
        let mut callers = Vec::new();
        while callers.len() < BATCH {
            let Some(caller) = self.waiting.pop_front() else { break };
            if !caller.is_gone() {
                callers.push(caller);
            }
        }
        let ahead = self.terms.plan.map_or(0, |plan| self.ahead.wanted(now, &plan));
        let calls = (callers.len() as u64).saturating_add(ahead);
        if calls == 0 {
            self.stop();
            return None;
        }
        Some(Batch { callers, calls })
    }

    /// Nobody asks any longer for those who wait. They are gone, or answer this with a question of their own.
    pub(super) fn stop(&mut self) {
        self.out = self.out.saturating_sub(1);
        self.asking = false;
    }

    /// Those who wait and are not asked for any more.
    pub(super) fn abandon(&mut self) -> VecDeque<C> {
        self.stop();
        std::mem::take(&mut self.waiting)
    }

    /// A question that was written after `asked_at` is answered: what each caller is told.
    pub(super) fn answered(
        &mut self,
        batch: Batch<C>,
        reply: &Result<LimitReply>,
        asked_at: Instant,
        now: Instant,
        chance: f64,
    ) -> Vec<(C, Result<Decision>)> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                self.ahead.failed(now);
                return batch.callers.into_iter().map(|caller| (caller, Err(error.clone()))).collect();
            }
        };
        let shares = Shares::of(reply, &self.terms.limits);
        let mut callers: VecDeque<C> = batch.callers.into_iter().filter(|caller| !caller.is_gone()).collect();
        let mut left = shares.granted();
        let mut told = Vec::with_capacity(callers.len());
        while left > 0 {
            let Some(caller) = callers.pop_front() else { break };
            left -= 1;
            told.push((caller, Ok(shares.grant(left, Duration::ZERO))));
        }
        match shares.refusal() {
            Some(refusal) => told.extend(callers.into_iter().map(|caller| (caller, Ok(refusal)))),
            // They head the next question.
            None => {
                for caller in callers.into_iter().rev() {
                    self.waiting.push_front(caller);
                }
            }
        }
        if let Some(plan) = self.terms.plan {
            let answered = Answered { shares, asked_at, asked_for: batch.calls, left };
            self.ahead.answered(&answered, now, chance, &plan);
            self.serve(now, &mut told);
        }
        told
    }

    /// Those who came meanwhile have what is held now, or a refusal that is known now.
    fn serve(&mut self, now: Instant, told: &mut Vec<(C, Result<Decision>)>) {
        while let Some(caller) = self.waiting.pop_front() {
            if caller.is_gone() {
                continue;
            }
            let Some(decision) = self.ahead.take(now).or_else(|| self.ahead.refuse(now)) else {
                self.waiting.push_front(caller);
                return;
            };
            told.push((caller, Ok(decision)));
        }
    }

    /// Something was given back: what was refused may be there now.
    pub(super) fn open(&mut self) {
        self.ahead.open();
    }
}
