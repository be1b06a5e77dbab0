//! What a server has written to its folder.

use std::io::Cursor;

use crate::reply::Reply;
use crate::server::Server;

impl Server {
    /// All that the append-only file says since it was begun or rewritten, in order.
    pub fn aof_bytes(&self) -> Vec<u8> {
        // From Redis 7 on: appendonlydir/appendonly.aof.<number>.incr.aof, one or several.
        let mut parts: Vec<(u64, Vec<u8>)> = std::fs::read_dir(self.dir().join("appendonlydir"))
            .expect("a server set up with aof()")
            .filter_map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name()?.to_str()?;
                let number = name.strip_suffix(".incr.aof")?.rsplit('.').next()?.parse().ok()?;
                Some((number, std::fs::read(path).unwrap()))
            })
            .collect();
        parts.sort();
        parts.into_iter().flat_map(|(_, bytes)| bytes).collect()
    }

    /// The same as one line a command, without the `SELECT`s: `SET k v PXAT 1800000000000`.
    pub fn aof_commands(&self) -> Vec<String> {
        commands(&self.aof_bytes())
    }

    /// The snapshot that `SAVE` or `SHUTDOWN SAVE` has written.
    pub fn rdb_bytes(&self) -> Vec<u8> {
        std::fs::read(self.dir().join("dump.rdb")).expect("a snapshot has been saved")
    }
}

fn commands(aof: &[u8]) -> Vec<String> {
    let mut input = Cursor::new(aof);
    let mut lines = Vec::new();
    while input.position() < aof.len() as u64 {
        let command = Reply::read_from(&mut input, &mut Vec::new()).expect("whole commands");
        let words: Vec<String> =
            command.array().iter().map(|word| word.bytes().escape_ascii().to_string()).collect();
        if words[0] != "SELECT" {
            lines.push(words.join(" "));
        }
    }
    lines
}
