//! The SQLite file with the events.
//!
//! | state of an event | |
//! |---|---|
//! | `pending` | to be delivered; `tries` and `answer` tell of calls that failed |
//! | `done` | the partner took it |
//! | `refused` | the partner will never take it, for the reason in `answer`: somebody has to look at it |

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, params};
use serde_json::{Value, json};

use crate::delivery::{Delivery, Event, merge};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        id     INTEGER PRIMARY KEY AUTOINCREMENT,
        record TEXT NOT NULL,
        fields TEXT NOT NULL CHECK (json_valid(fields) AND json_type(fields) = 'object'),
        state  TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'refused')),
        tries  INTEGER NOT NULL DEFAULT 0,
        answer TEXT
    );
    CREATE INDEX IF NOT EXISTS pending ON events (id) WHERE state = 'pending';
";

/// The events of one file. Its calls wait for the disk, and up to five seconds for another writer.
pub(crate) struct Events(Connection);

impl Events {
    /// A file that is there already.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .with_context(|| format!("{}: is it there? make-events writes an example", path.display()))
    }

    fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(Self(connection))
    }

    /// Adds so many events, five on each record, to the file, and makes the file if it is not there.
    pub(crate) fn make_examples(path: &Path, number: u32) -> Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut events = Self::connect(path, flags).with_context(|| path.display().to_string())?;
        events.0.execute_batch(SCHEMA)?;
        let records = number.div_ceil(5).max(1);
        let adding = events.0.transaction()?;
        for event in 0..number {
            let record = format!("customer-{}", event % records);
            let fields = match event / records % 2 {
                0 => json!({ "balance": event, "since": event }),
                _ => json!({ "balance": event, "city": format!("city {event}") }),
            };
            adding.execute(
                "INSERT INTO events (record, fields) VALUES (?1, ?2)",
                params![record, fields.to_string()],
            )?;
        }
        adding.commit()?;
        tracing::info!("{}: added {number} events on {records} records", path.display());
        Ok(())
    }

    /// What is to be delivered now. Events that come later are for the next run.
    pub(crate) fn pending(&self) -> Result<Vec<Delivery>> {
        let mut query = self
            .0
            .prepare("SELECT id, record, fields, tries FROM events WHERE state = 'pending' ORDER BY id")?;
        let rows = query.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?))
        })?;
        let mut events = Vec::new();
        for row in rows {
            let (id, record, fields, tries) = row?;
            let Ok(Value::Object(fields)) = serde_json::from_str(&fields) else {
                anyhow::bail!("event {id}: its fields are not a JSON object");
            };
            events.push(Event { id, record, fields, tries });
        }
        Ok(merge(events))
    }

    /// The partner took them.
    pub(crate) fn done(&mut self, delivery: &Delivery) -> Result<()> {
        self.update(delivery, "UPDATE events SET state = 'done', answer = NULL WHERE id = ?1", None)
    }

    /// The partner will never take them.
    pub(crate) fn refused(&mut self, delivery: &Delivery, answer: &str) -> Result<()> {
        self.update(delivery, "UPDATE events SET state = 'refused', answer = ?2 WHERE id = ?1", Some(answer))
    }

    /// The call failed; the next run tries again.
    pub(crate) fn failed(&mut self, delivery: &Delivery, answer: &str) -> Result<()> {
        let statement = "UPDATE events SET tries = tries + 1, answer = ?2 WHERE id = ?1";
        self.update(delivery, statement, Some(answer))
    }

    /// All events of the delivery or none, and only those that are still pending.
    fn update(&mut self, delivery: &Delivery, statement: &str, answer: Option<&str>) -> Result<()> {
        let changes = self.0.transaction()?;
        for id in &delivery.events {
            let statement = format!("{statement} AND state = 'pending'");
            match answer {
                Some(answer) => changes.execute(&statement, params![id, answer])?,
                None => changes.execute(&statement, params![id])?,
            };
        }
        Ok(changes.commit()?)
    }
}
