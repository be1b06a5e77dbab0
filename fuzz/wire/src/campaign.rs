//! One server in one setting, from its start until so many calls have been answered.

use std::time::{Duration, Instant};

use sluice_testing::{Client, Kind, Server};

use crate::batch::{LIBRARY, batch};
use crate::chance::Chance;
use crate::manner::Manner;
use crate::operators;
use crate::payloads::Payloads;
use crate::setting::{Servers, Setting, Spared};
use crate::talker::Talker;
use crate::tally::Tally;
use crate::trail::Trail;
use crate::waits::Waits;
use crate::words::{KEYS, Words, line};
use crate::{foreign, ours, quiet};

/// All is quiet after so many calls, and what must hold then is looked at.
const CALLS_BETWEEN: u64 = 5_000;

pub(crate) struct Campaign {
    setting: Setting,
    kind: Kind,
    chance: Chance,
    payloads: Payloads,
    talkers: Vec<Talker>,
    waits: Waits,
    operator: Client,
    tally: Tally,
    trail: Trail,
    // Declared last: clients go before their servers.
    servers: Servers,
}

impl Campaign {
    /// `under` is what the server that is called runs under: valgrind, or nothing.
    pub(crate) fn start(kind: Kind, setting: Setting, seed: u64, under: &[String]) -> Self {
        let servers = Servers::start(kind, setting, under);
        let maker = if setting == Setting::Replica { servers.other.as_ref() } else { None };
        Self {
            setting,
            kind,
            chance: Chance::new(seed),
            payloads: Payloads::of(&mut maker.unwrap_or(&servers.called).connect()),
            talkers: Vec::new(),
            waits: Waits::none(),
            operator: servers.called.connect(),
            tally: Tally::default(),
            trail: Trail::default(),
            servers,
        }
    }

    /// Until so many calls have been answered.
    pub(crate) fn run(mut self, calls: u64) -> Tally {
        while self.tally.calls < calls {
            self.stretch(CALLS_BETWEEN.min(calls));
            quiet::compare(&mut self.servers, self.setting, &mut self.tally);
        }
        self.end()
    }

    /// So many calls more, and a rest.
    pub(crate) fn stretch(&mut self, calls: u64) {
        let until = self.tally.calls + calls;
        self.begin();
        while self.tally.calls < until {
            self.round();
        }
        self.rest();
    }

    /// The server that is called.
    pub(crate) fn server(&mut self) -> &mut Server {
        &mut self.servers.called
    }

    /// Ends the servers, the one that is called by itself, so that whatever it runs under can sum up.
    pub(crate) fn end(mut self) -> Tally {
        self.servers.called.shutdown("NOSAVE");
        std::mem::take(&mut self.tally)
    }

    fn begin(&mut self) {
        self.operator = self.servers.called.connect();
        self.deed(operators::rights("on +@all ~* &*"));
        self.deed(vec![b"FUNCTION".to_vec(), b"LOAD".to_vec(), b"REPLACE".to_vec(), LIBRARY.into()]);
        for manner in Manner::ALL {
            self.talkers.push(self.talker(*manner));
        }
    }

    fn talker(&self, manner: Manner) -> Talker {
        Talker::new(&self.servers.called, manner, self.setting == Setting::Threads && manner != Manner::User)
    }

    fn deed(&mut self, words: Words) {
        self.trail.note("operator", &words);
        self.operator.call(&words);
    }

    /// Some clients send what they send, something else happens, and then they read.
    fn round(&mut self) {
        let most = if self.setting == Setting::Threads { Manner::ALL.len() } else { 3 };
        let spared = Spared::by(self.kind, self.setting);
        let talking = 1 + self.chance.below(most);
        self.chance.shuffle(&mut self.talkers);
        for talker in self.talkers.iter_mut().take(talking) {
            let batch = batch(spared, talker.manner, 30, &self.payloads, &mut self.chance);
            talker.send(batch, &mut self.trail);
        }
        match self.chance.below(20) {
            0..3 => self.wait(),
            3 => {
                let manner = self.chance.pick(&[Manner::Resp2, Manner::Resp3]);
                let talker = self.talker(manner);
                self.waits.snatch(talker, &mut self.operator, &mut self.chance, &mut self.trail);
            }
            4..6 => self.end_a_wait(),
            6 => self.end_a_talk(talking),
            7..9 => {
                let deed = operators::deed(&mut self.chance);
                self.deed(deed);
            }
            9 | 10 if self.setting == Setting::Replica => self.turn_replica(),
            _ => {}
        }
        if let (Setting::Replica, Some(primary)) = (self.setting, &self.servers.other) {
            let mut feeder = Talker::new(primary, Manner::Resp2, false);
            feeder.send(batch(spared, Manner::Resp2, 10, &self.payloads, &mut self.chance), &mut self.trail);
            feeder.hear(self.kind, &mut self.tally);
        }
        for talker in self.talkers.iter_mut().take(talking) {
            talker.doomed |= !talker.hear(self.kind, &mut self.tally);
        }
        for place in 0..self.talkers.len() {
            if self.talkers[place].doomed {
                self.tally.ended += 1;
                self.talkers[place] = self.talker(self.talkers[place].manner);
            }
        }
        if self.waits.are_many() {
            self.waits.end(&mut self.operator, self.kind, &mut self.tally, &mut self.chance);
        }
    }

    fn wait(&mut self) {
        let manner =
            self.chance.pick(&[Manner::Resp2, Manner::Resp3, Manner::Inline, Manner::Tracking, Manner::User]);
        let talker = self.talker(manner);
        self.waits.join(talker, self.setting, &mut self.chance, &mut self.trail);
    }

    fn end_a_wait(&mut self) {
        let how = self.chance.below(4);
        if how == 3 {
            self.tally.ended += 1;
            return self.waits.hang_up(&mut self.chance);
        }
        let Some(talker) = self.waits.one(&mut self.chance) else { return };
        talker.doomed |= how == 2;
        talker.told_twice |= how == 1;
        let how = ["CLIENT UNBLOCK", "CLIENT UNBLOCK", "CLIENT KILL ID"][how];
        let error = if talker.told_twice && how == "CLIENT UNBLOCK" { "ERROR" } else { "" };
        let words = line(&format!("{how} {} {error}", talker.id));
        self.deed(words);
    }

    fn end_a_talk(&mut self, talking: usize) {
        let place = self.chance.below(talking);
        if self.chance.one_in(2) {
            self.talkers[place].doomed = true;
            let words = line(&format!("CLIENT KILL ID {}", self.talkers[place].id));
            self.deed(words);
        } else {
            let (_, words) = ours::call(&mut self.chance);
            self.talker(Manner::Resp2).hang_up(&words, &mut self.chance);
        }
    }

    /// The server becomes a primary or a replica, or its replica can or cannot be written to.
    fn turn_replica(&mut self) {
        let Some(primary) = &self.servers.other else { return };
        let port = primary.port();
        if self.chance.one_in(2) {
            // Some wait for leases that the primary gave, when nothing can be written here any more.
            let mut client = primary.connect();
            for key in KEYS {
                let lease = self.chance.pick(&[5, 20, 50]);
                client.pipeline(&[format!("DEL {key}"), format!("LOCK.TRY {key} primary PX {lease}")]);
            }
            self.deed(line("CONFIG SET replica-read-only no"));
            (0..3).for_each(|_| self.wait());
        }
        let words = match self.chance.below(6) {
            0 => line("REPLICAOF NO ONE"),
            1 | 2 => line(&format!("REPLICAOF 127.0.0.1 {port}")),
            3 | 4 => line("CONFIG SET replica-read-only yes"),
            _ => line("CONFIG SET replica-read-only no"),
        };
        self.waits.send_away();
        self.talkers.iter_mut().for_each(|talker| talker.doomed = true);
        self.deed(words);
    }

    fn rest(&mut self) {
        self.deed(line("CLIENT UNPAUSE"));
        self.waits.end(&mut self.operator, self.kind, &mut self.tally, &mut self.chance);
        self.talkers.clear();
        quiet::calm(&self.servers);
        // A grant that nobody heard of is taken back by the server's own jobs: at once, or a second later if it was stopped.
        let end = Instant::now() + Duration::from_secs(5);
        let mut holders = quiet::holders(&self.servers.called, self.setting.databases());
        while self.waits.has_ghosts(&holders) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
            holders = quiet::holders(&self.servers.called, self.setting.databases());
        }
        self.waits.are_no_ghosts(&holders);
        if self.setting != Setting::Replica {
            let mut client = self.servers.called.connect();
            self.tally.calls += foreign::stay_as_they_are(&mut client, &mut self.chance, &mut self.trail);
        }
    }
}
