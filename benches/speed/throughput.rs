//! How many operations a second the server does, and how much processor time it takes for each.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use crate::contenders::Contender;
use crate::effects::Effect;
use crate::lane::Keys;
use crate::load::{CONNECTIONS, Connections, Pass};
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
    /// With an AOF or a replica.
    pub(crate) effects: Vec<Effect>,
}

/// How long and how often is measured.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) keys: u32,
    pub(crate) rounds: usize,
    pub(crate) pass: Duration,
}

/// Measures all contenders that the setting includes: in every round each of them once, in another order.
/// Gives each its state first, in a database of its own.
pub(crate) fn measure(
    connections: &mut Connections,
    contenders: &[Contender],
    setting: Setting,
    extent: Extent,
    replica: bool,
) -> Result<Vec<Measured>, String> {
    let mut random = fastrand::Rng::with_seed(1);
    connections.ask("FLUSHALL SYNC", "+OK")?;
    let mut entries = Vec::new();
    for (database, contender) in contenders.iter().enumerate().filter(|(_, it)| setting.includes(it)) {
        connections.select(database)?;
        fill(connections, contender, 0..extent.keys, &mut random)?;
        let keys = setting.keys(contender, extent.keys);
        entries.push(Entry { contender, database, keys, operations: 0, passes: Vec::new() });
    }
    let mut course = Course { connections, random, depth: setting.depth(), replica };
    for entry in &mut entries {
        // To warm up, and to learn how many operations fill the time.
        entry.operations = MOST_OPERATIONS.min(extent.keys as usize / 2);
        course.pass(entry)?;
        let fill_time = course.pass(entry)?.a_second() * extent.pass.as_secs_f64();
        entry.operations = (fill_time as usize).clamp(CONNECTIONS, MOST_OPERATIONS);
    }
    let mut order: Vec<_> = (0..entries.len()).collect();
    for _ in 0..extent.rounds {
        course.random.shuffle(&mut order);
        for &turn in &order {
            let pass = course.pass(&entries[turn])?;
            entries[turn].passes.push(pass);
        }
    }
    let measured = |entry: Entry<'_>| Measured {
        name: entry.contender.name.clone(),
        passes: entry.passes,
        effects: Vec::new(),
    };
    Ok(entries.into_iter().map(measured).collect())
}

/// Gives a contender its state for these keys, in the selected database.
pub(crate) fn fill(
    connections: &mut Connections,
    contender: &Contender,
    keys: Range<u32>,
    random: &mut fastrand::Rng,
) -> Result<(), String> {
    let requests = &contender.prepare;
    if requests.is_empty() {
        return Ok(());
    }
    connections.pass(requests, &Keys::Once(keys), usize::MAX, LOADING_DEPTH, random).map(drop)
}

/// A contender in a setting.
struct Entry<'a> {
    contender: &'a Contender,
    database: usize,
    keys: Keys,
    /// In one pass.
    operations: usize,
    passes: Vec<Pass>,
}

/// What all passes of a setting share.
struct Course<'a> {
    connections: &'a mut Connections,
    random: fastrand::Rng,
    depth: usize,
    replica: bool,
}

impl Course<'_> {
    fn pass(&mut self, entry: &Entry<'_>) -> Result<Pass, String> {
        let Self { connections, random, depth, replica } = self;
        let Entry { contender, database, keys, operations, .. } = entry;
        connections.select(*database)?;
        if matches!(keys, Keys::One) {
            // What one pass used up of the one key must not tell on the next.
            connections.ask("DEL __key__", "")?;
            fill(connections, contender, 0..1, random)?;
        }
        if let (true, Keys::Once(keys)) = (contender.on_fresh_keys, keys) {
            fill(connections, contender, keys.clone(), random)?;
            if *replica {
                connections.ask("WAIT 1 60000", ":1")?;
            }
        }
        let pass = connections.pass(&contender.requests, keys, *operations, *depth, random)?;
        if contender.on_new_keys {
            connections.ask("FLUSHDB SYNC", "+OK")?;
        }
        if *replica {
            connections.ask("WAIT 1 60000", ":1")?;
        }
        Ok(pass)
    }
}
