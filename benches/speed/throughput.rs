//! How many operations a second the server does, and how much processor time it takes for each.

use std::time::Duration;

use serde::Serialize;

use crate::contenders::Contender;
use crate::load::{CONNECTIONS, Connections, Keys, Pass};
use crate::setting::Setting;

/// One pass has no more operations than this, so that none uses a limiter up that all of them use.
const MOST_OPERATIONS: usize = 400_000;

/// Requests in a batch while states are loaded.
const LOADING_DEPTH: usize = 100;

/// The passes of one contender in one setting, a pass for each round.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) passes: Vec<Pass>,
}

/// How long and how often is measured.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) keys: u32,
    pub(crate) rounds: usize,
    pub(crate) pass: Duration,
}

/// Measures all contenders that the setting includes: in every round each of them once, in another order. Gives
/// each its state first, in a database of its own.
pub(crate) fn measure(
    connections: &mut Connections,
    contenders: &[Contender],
    setting: Setting,
    extent: Extent,
    replica: bool,
) -> Result<Vec<Measured>, String> {
    let mut bench = Bench { connections, random: fastrand::Rng::with_seed(1), replica };
    bench.connections.ask("FLUSHALL SYNC", "+OK")?;
    for (database, contender) in contenders.iter().enumerate().filter(|(_, it)| setting.includes(it)) {
        bench.connections.select(database)?;
        fill(bench.connections, contender, 0..extent.keys, &mut bench.random)?;
    }
    let mut entries = Vec::new();
    for (database, contender) in contenders.iter().enumerate().filter(|(_, it)| setting.includes(it)) {
        let keys = setting.keys(contender, extent.keys);
        // To warm up, and to learn how many operations fill the time.
        bench.pass(contender, database, &keys, extent.keys as usize / 10, setting.depth())?;
        let warm = bench.pass(contender, database, &keys, extent.keys as usize / 2, setting.depth())?;
        let wanted = warm.operations as f64 / warm.seconds * extent.pass.as_secs_f64();
        let operations = (wanted as usize).clamp(CONNECTIONS, MOST_OPERATIONS);
        entries.push((contender, database, keys, operations, Vec::new()));
    }
    let mut order: Vec<_> = (0..entries.len()).collect();
    for _ in 0..extent.rounds {
        bench.random.shuffle(&mut order);
        for &turn in &order {
            let (contender, database, keys, operations, passes) = &mut entries[turn];
            passes.push(bench.pass(contender, *database, keys, *operations, setting.depth())?);
        }
    }
    let measured = |(contender, _, _, _, passes): (&Contender, _, _, _, _)| Measured {
        name: contender.name.clone(),
        passes,
    };
    Ok(entries.into_iter().map(measured).collect())
}

/// Gives a contender its state for these keys, in the selected database.
pub(crate) fn fill(
    connections: &mut Connections,
    contender: &Contender,
    keys: std::ops::Range<u32>,
    random: &mut fastrand::Rng,
) -> Result<(), String> {
    let requests = &contender.prepare;
    if requests.is_empty() {
        return Ok(());
    }
    connections.pass(requests, &Keys::Once(keys), usize::MAX, LOADING_DEPTH, random).map(drop)
}

struct Bench<'a> {
    connections: &'a mut Connections,
    random: fastrand::Rng,
    replica: bool,
}

impl Bench<'_> {
    fn pass(
        &mut self,
        contender: &Contender,
        database: usize,
        keys: &Keys,
        operations: usize,
        depth: usize,
    ) -> Result<Pass, String> {
        self.connections.select(database)?;
        if matches!(keys, Keys::One) {
            // What one pass used up of the one key must not tell on the next.
            self.connections.ask("DEL __key__", "")?;
            fill(self.connections, contender, 0..1, &mut self.random)?;
        }
        let requests = &contender.requests;
        let pass = self.connections.pass(requests, keys, operations, depth, &mut self.random)?;
        if contender.on_new_keys {
            self.connections.ask("FLUSHDB SYNC", "+OK")?;
        }
        if self.replica {
            self.connections.ask("WAIT 1 60000", ":1")?;
        }
        Ok(pass)
    }
}
