//! Clients that wait for a lock for as long as it takes, until something happens to them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sluice_testing::{Client, Kind, Reply};

use crate::batch::{Sent, plain};
use crate::chance::Chance;
use crate::ours::{self, Ours};
use crate::setting::Setting;
use crate::talker::Talker;
use crate::tally::Tally;
use crate::trail::Trail;
use crate::words::{KEYS, line};

/// A key that nobody else touches.
const ALONE: &str = "{k}alone";

/// More than that wait at once only if the server lets them.
const MOST: usize = 12;

pub(crate) struct Waits {
    acquire: &'static Ours,
    waiting: Vec<Wait>,
    /// How many ever waited: no two have the same name.
    ever: u64,
    /// Who was told that they do not hold the lock: what they asked, and what they heard.
    refused: HashMap<Vec<u8>, String>,
}

struct Wait {
    talker: Talker,
    owner: String,
    asked: String,
    /// Which of the answers is that of the call that waits.
    place: usize,
}

impl Waits {
    pub(crate) fn none() -> Self {
        let acquire = ours::ALL.iter().find(|ours| ours.name.as_str() == "LOCK.ACQUIRE");
        let acquire = acquire.expect("it is one of ours");
        Self { acquire, waiting: Vec::new(), ever: 0, refused: HashMap::new() }
    }

    /// One more waits, in one of the databases.
    pub(crate) fn join(&mut self, talker: Talker, setting: Setting, chance: &mut Chance, trail: &mut Trail) {
        let key = chance.pick(KEYS);
        let database = if setting.databases() > 1 && chance.one_in(4) { "1" } else { "0" };
        self.wait(talker, key, database, chance, trail);
    }

    fn wait(
        &mut self,
        mut talker: Talker,
        key: &'static str,
        database: &str,
        chance: &mut Chance,
        trail: &mut Trail,
    ) {
        self.ever += 1;
        let owner = format!("w{}", self.ever);
        let lease = chance.pick(&[1, 5, 30, 200, 60_000]);
        let limit = chance.pick(&[0, 0, 30, 60_000]);
        let asked = format!("LOCK.ACQUIRE {key} {owner} PX {lease} BLOCK {limit}");
        let mut batch = vec![];
        if database != "0" {
            batch.push(plain(line(&format!("SELECT {database}"))));
        }
        let place = batch.len();
        batch.push(Sent { words: line(&asked), ours: Some(self.acquire) });
        if chance.one_in(4) {
            batch.push(plain(line(&format!("LOCK.RELEASE {key} {owner}"))));
        }
        talker.send(batch, trail);
        self.waiting.push(Wait { talker, owner, asked, place });
    }

    pub(crate) fn are_many(&self) -> bool {
        self.waiting.len() >= MOST
    }

    /// One of those who wait.
    pub(crate) fn one(&mut self, chance: &mut Chance) -> Option<&mut Talker> {
        let many = self.waiting.len();
        if many == 0 { None } else { Some(&mut self.waiting[chance.below(many)].talker) }
    }

    /// In one turn of the server's loop the lock becomes free for one who waits, and the wait is ended.
    pub(crate) fn snatch(
        &mut self,
        talker: Talker,
        operator: &mut Client,
        chance: &mut Chance,
        trail: &mut Trail,
    ) {
        operator.pipeline(&[format!("DEL {ALONE}"), format!("LOCK.TRY {ALONE} snatched PX 60000")]);
        self.wait(talker, ALONE, "0", chance, trail);
        let Some(Wait { talker, asked, .. }) = self.waiting.last_mut() else { return };
        let end = Instant::now() + Duration::from_secs(20);
        // Until the server has read it; it may be refused at once, where the time is over or the rules do not let it.
        while operator.ask(&format!("CLIENT LIST ID {}", talker.id)).text().contains(" cmd=client|id ") {
            assert!(Instant::now() < end, "it is not read");
        }
        let how = chance.pick(&["UNBLOCK # TIMEOUT", "UNBLOCK # ERROR", "UNBLOCK # ERROR", "KILL ID #"]);
        talker.told_twice |= how.ends_with("ERROR");
        talker.doomed |= how.starts_with("KILL");
        asked.push_str(&format!(", then RELEASE and {how}"));
        let how = how.replace('#', &talker.id.to_string());
        let lines = [format!("LOCK.RELEASE {ALONE} snatched"), format!("CLIENT {how}")];
        lines.iter().for_each(|sent| trail.note("operator", &line(sent)));
        operator.pipeline(&lines);
    }

    /// One of them hangs up.
    pub(crate) fn hang_up(&mut self, chance: &mut Chance) {
        let many = self.waiting.len();
        if many > 0 {
            drop(self.waiting.swap_remove(chance.below(many)));
        }
    }

    /// All connections may be closed by what the server is told now.
    pub(crate) fn doom(&mut self) {
        self.waiting.iter_mut().for_each(|wait| wait.talker.doomed = true);
    }

    /// The role of the server changes: whoever waits is told so and hung up on, by Redis 7.0 also beside a grant.
    pub(crate) fn send_away(&mut self) {
        self.doom();
        self.waiting.iter_mut().for_each(|wait| wait.talker.told_twice = true);
    }

    /// Ends all waits, and hears what each was answered.
    pub(crate) fn end(&mut self, operator: &mut Client, kind: Kind, tally: &mut Tally, chance: &mut Chance) {
        for Wait { mut talker, owner, asked, place } in std::mem::take(&mut self.waiting) {
            let how = if chance.one_in(2) { "TIMEOUT" } else { "ERROR" };
            talker.told_twice |= how == "ERROR";
            let end = Instant::now() + Duration::from_secs(20);
            // Until the last of what it sent has been answered: the question behind it.
            loop {
                let state = operator.ask(&format!("CLIENT LIST ID {}", talker.id));
                if state.text().is_empty() || state.text().contains(" cmd=echo ") {
                    break;
                }
                assert!(Instant::now() < end, "it still waits: {state:?}");
                operator.ask(&format!("CLIENT UNBLOCK {} {how}", talker.id));
            }
            tally.waits += 1;
            let told_twice = tally.told_twice;
            if !talker.hear(kind, tally) {
                tally.ended += 1;
                continue;
            }
            let granted = matches!(&talker.heard[place], Reply::Array(ints) if ints[0] == Reply::Int(1));
            tally.granted += u64::from(granted);
            if !granted && tally.told_twice == told_twice {
                let heard = format!("{asked}, answered {:?}", talker.heard);
                self.refused.insert(owner.into_bytes(), heard);
            }
        }
    }

    /// Whether somebody holds who was told that it does not.
    pub(crate) fn has_ghosts(&self, holders: &[Vec<u8>]) -> bool {
        holders.iter().any(|owner| self.refused.contains_key(owner))
    }

    /// No lock goes to a ghost: nobody holds one who was told that it does not.
    pub(crate) fn are_no_ghosts(&mut self, holders: &[Vec<u8>]) {
        for owner in holders {
            assert_eq!(self.refused.get(owner), None, "holds a lock, and was told that it does not");
        }
        self.refused.clear();
    }
}
