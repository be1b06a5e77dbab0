//! What a key costs in memory, and what many keys cost in time.

use serde::Serialize;

use crate::contenders::{ACQUIRE, Contender, LIMITER, SET_PX, STRING};
use crate::lane::Keys;
use crate::load::Connections;
use crate::setting::Setting;
use crate::summary::Summary;
use crate::throughput::{Extent, fill};
use crate::wire::Request;

/// Bytes that the server says it uses for a key, all in all: name, value, expiry and the tables they stand
/// in.
#[derive(Serialize)]
pub(crate) struct Memory {
    pub(crate) state: String,
    pub(crate) keys: u32,
    /// Those that had not expired when the memory was read.
    pub(crate) left: u32,
    /// Told only if none had: what some expired keys leave behind is no measure of a key.
    pub(crate) bytes_a_key: Option<f64>,
}

/// Processor time of the server for one command, in ns, at so many keys.
#[derive(Serialize)]
pub(crate) struct Growth {
    pub(crate) keys: u32,
    pub(crate) set_px: Summary,
    pub(crate) acquire: Summary,
}

/// The strings that are compared have the same length, as a reply.
const STRING_LEN: &str = ":43";

/// Fills an empty server with the state of each contender, one after the other.
pub(crate) fn memory(
    connections: &mut Connections,
    contenders: &[Contender],
    keys: u32,
) -> Result<Vec<Memory>, String> {
    let mut random = fastrand::Rng::with_seed(4);
    connections.select(0)?;
    let mut measured = Vec::new();
    for contender in contenders.iter().filter(|contender| contender.state.is_some()) {
        connections.ask("FLUSHALL SYNC", "+OK")?;
        let before = connections.info("memory", "used_memory")?;
        fill(connections, contender, 0..keys, &mut random)?;
        settle(connections, contender, keys, &mut random)?;
        let left = connections.keys()?;
        let after = connections.info("memory", "used_memory")?;
        if [STRING, LIMITER].map(Some).contains(&contender.state.as_deref()) {
            connections.ask("STRLEN __key__", STRING_LEN)?;
        }
        let bytes_a_key = (left == keys).then(|| (after - before) / f64::from(keys));
        measured.push(Memory { state: contender.state.clone().unwrap_or_default(), keys, left, bytes_a_key });
    }
    Ok(measured)
}

/// Lets two databases grow, one of plain strings and one of limiters, and measures both at every size, in
/// turn.
pub(crate) fn growth(
    connections: &mut Connections,
    contenders: &[Contender],
    sizes: &[u32],
    extent: Extent,
) -> Result<Vec<Growth>, String> {
    let named = |name| contenders.iter().find(|it| it.name == name).unwrap();
    let both = [named(SET_PX), named(ACQUIRE)];
    let mut random = fastrand::Rng::with_seed(5);
    let mut loaded = 0;
    let mut measured = Vec::new();
    for &size in sizes {
        for (database, contender) in both.iter().enumerate() {
            connections.select(database)?;
            fill(connections, contender, loaded..size, &mut random)?;
            settle(connections, contender, size, &mut random)?;
        }
        loaded = size;
        let mut ns = [Vec::new(), Vec::new()];
        // The first round warms up.
        for round in 0..=extent.rounds {
            for turn in [round % 2, 1 - round % 2] {
                let requests = &both[turn].requests;
                connections.select(turn)?;
                let operations = (extent.pass.as_secs_f64() * 500_000.0) as usize;
                let depth = Setting::Pipeline.depth();
                let keys = Keys::Random(size);
                let pass = connections.pass(requests, &keys, operations, depth, &mut random)?;
                if round > 0 {
                    ns[turn].push(pass.cpu_seconds * 1e9 / pass.operations as f64);
                }
            }
        }
        let [set_px, acquire] = ns.map(|ns| Summary::of(ns.into_iter()));
        measured.push(Growth { keys: size, set_px, acquire });
    }
    Ok(measured)
}

/// A table that has just doubled moves its entries to the new place a step with each command, and so is both larger
/// and slower for as long. So many commands as it has keys are enough to bring that to an end.
fn settle(
    connections: &mut Connections,
    contender: &Contender,
    keys: u32,
    random: &mut fastrand::Rng,
) -> Result<(), String> {
    let exists = [Request::new("EXISTS __key__", if contender.may_expire { "" } else { ":1" })];
    let depth = Setting::Pipeline.depth();
    connections.pass(&exists, &Keys::Random(keys), keys as usize, depth, random).map(drop)
}
