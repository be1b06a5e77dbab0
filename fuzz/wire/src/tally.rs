//! What was done and what came of it.

use sluice_testing::Reply;

use crate::batch::Sent;

#[derive(Default)]
pub(crate) struct Tally {
    /// Commands that were answered.
    pub(crate) calls: u64,
    /// Of these: our own, and of those again the ones that had nothing wrong.
    pub(crate) ours: u64,
    pub(crate) sensible: u64,
    /// Clients that waited for a lock until something else happened to them.
    pub(crate) waits: u64,
    /// Of these: granted the lock.
    pub(crate) granted: u64,
    /// Connections that the server closed, or the client.
    pub(crate) ended: u64,
    /// Waits that Redis 7.0 answered twice, as it does for its own commands.
    pub(crate) told_twice: u64,
    /// How often the server was reloaded, restarted or compared with its replica.
    pub(crate) compared: u64,
    /// Keys that were compared then.
    pub(crate) keys: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, sent: &Sent, reply: &Reply) {
        self.calls += 1;
        if sent.ours.is_some() {
            self.ours += 1;
            self.sensible += u64::from(!matches!(reply, Reply::Error(_)));
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let Self { calls, ours, sensible, waits, granted, ended, told_twice, compared, keys } = other;
        self.calls += calls;
        self.ours += ours;
        self.sensible += sensible;
        self.waits += waits;
        self.granted += granted;
        self.ended += ended;
        self.told_twice += told_twice;
        self.compared += compared;
        self.keys += keys;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { calls, ours, sensible, waits, granted, ended, told_twice, compared, keys } = self;
        write!(out, "{calls} calls, {ours} of ours ({} % sensible), ", 100 * sensible / ours.max(&1))?;
        write!(
            out,
            "{waits} waits ({granted} granted), {ended} ended, {compared} comparisons of {keys} keys"
        )?;
        if *told_twice > 0 {
            write!(out, ", {told_twice} told twice by the server")?;
        }
        Ok(())
    }
}
