//! Which commands an operation leaves in the AOF, or sends to a replica.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sluice_testing::until;

use crate::contenders::Contender;
use crate::load::Connections;
use crate::setting::{Setting, Stage};
use crate::throughput::{Extent, Measured, fill};
use crate::wire::reply_len;

/// More operations show nothing new, and a limiter that is soon idle must not expire before it is called.
const MOST_KEYS: u32 = 10_000;

/// Not what an operation does: which database it is about, and that the other side is there.
const TALK: [&str; 4] = ["SELECT", "PING", "INFO", "REPLCONF"];

/// How many times a command comes, for one operation.
#[derive(Serialize)]
pub(crate) struct Effect {
    pub(crate) command: String,
    pub(crate) each: f64,
}

/// Where effects go, and how far they have been counted.
enum Ear {
    Aof { file: PathBuf, read: u64 },
    Replica { connection: Connections, heard: BTreeMap<String, u64> },
}

/// One more pass of each contender, alone on the server: what expires elsewhere would be counted with it.
pub(crate) fn measure(
    connections: &mut Connections,
    contenders: &[Contender],
    setting: Setting,
    extent: Extent,
    stage: &Stage,
    measured: &mut [Measured],
) -> Result<(), String> {
    let Some(mut ear) = Ear::at(stage) else { return Ok(()) };
    let mut random = fastrand::Rng::with_seed(6);
    let keys = extent.keys.min(MOST_KEYS);
    connections.select(0)?;
    for measured in measured {
        let contender = contenders.iter().find(|it| it.name == measured.name).unwrap();
        connections.ask("FLUSHALL SYNC", "+OK")?;
        fill(connections, contender, 0..keys, &mut random)?;
        ear.effects(connections)?;
        let (all, depth) = (keys as usize, setting.depth());
        let keys = setting.keys(contender, keys);
        let operations = connections.pass(&contender.requests, &keys, all, depth, &mut random)?.operations;
        let each = |(command, times)| Effect { command, each: times as f64 / operations as f64 };
        measured.effects = ear.effects(connections)?.into_iter().map(each).collect();
    }
    Ok(())
}

impl Ear {
    fn at(stage: &Stage) -> Option<Self> {
        if let Some(replica) = &stage.replica {
            let connection = Connections::open(replica.port(), 1);
            return Some(Self::Replica { connection, heard: BTreeMap::new() });
        }
        let folder = stage.server.dir().join("appendonlydir");
        let files = std::fs::read_dir(folder).ok()?.map(|file| file.unwrap().path());
        let file = files.into_iter().find(|file| file.to_string_lossy().ends_with(".incr.aof"))?;
        Some(Self::Aof { file, read: 0 })
    }

    /// Those since the last time.
    fn effects(&mut self, server: &mut Connections) -> Result<BTreeMap<String, u64>, String> {
        let mut effects = match self {
            Self::Aof { file, read } => {
                // A write may be put off while the disk is busy with the one before.
                until("all is in the AOF", || server.info("persistence", "aof_buffer_length") == Ok(0.0));
                commands(&what_follows(file, read).map_err(|error| format!("{}: {error}", file.display()))?)
            }
            Self::Replica { connection, heard } => {
                server.ask("WAIT 1 60000", ":1")?;
                let now = calls(&connection.ask("INFO commandstats", "")?);
                let before = std::mem::replace(heard, now);
                let since = |(command, now): (&String, &u64)| {
                    (command.clone(), now - before.get(command).copied().unwrap_or(0))
                };
                heard.iter().map(since).collect()
            }
        };
        effects.retain(|command, times| *times > 0 && !TALK.contains(&command.as_str()));
        Ok(effects)
    }
}

/// What has come to the file since so many bytes of it were read.
fn what_follows(file: &Path, read: &mut u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(*read))?;
    let mut bytes = Vec::new();
    *read += file.read_to_end(&mut bytes)? as u64;
    Ok(bytes)
}

/// How often each command is in an AOF, where it stands as it would be sent: `*1 $4 PING`.
fn commands(mut aof: &[u8]) -> BTreeMap<String, u64> {
    let mut times = BTreeMap::new();
    while let Some(len) = reply_len(aof) {
        let name = aof[..len].split(|&byte| byte == b'\n').nth(2).unwrap_or_default().trim_ascii();
        *times.entry(String::from_utf8_lossy(name).to_uppercase()).or_default() += 1;
        aof = &aof[len..];
    }
    times
}

/// `cmdstat_set:calls=3,usec=...` in `INFO commandstats`.
fn calls(info: &str) -> BTreeMap<String, u64> {
    let call = |line: &str| {
        let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((command.to_uppercase(), rest.split(',').next()?.parse().ok()?))
    };
    info.lines().filter_map(call).collect()
}
