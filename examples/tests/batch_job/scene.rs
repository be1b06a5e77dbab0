//! A server, a partner and a database for one test.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Map, Value};
use sluice_testing::{Kind, Server};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::partner::Partner;
use crate::program::{Ended, Process};

/// The example's default for `--lock`.
pub(crate) const LOCK: &str = "lock:batch-job";

/// How a run is paced here.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Between two calls.
    pub(crate) interval_ms: u64,
    /// Three times as long as a call may take.
    pub(crate) lease_ms: u64,
}

impl Pace {
    pub(crate) fn interval(self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    pub(crate) fn lease(self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) partner: Partner,
    folder: TempDir,
    pace: Pace,
    processes: AtomicUsize,
}

impl Scene {
    pub(crate) async fn new(kind: Kind, pace: Pace) -> Self {
        let server = Server::start_tcp(kind);
        let partner = Partner::start(&server.client(), pace.interval()).await;
        let folder = tempfile::Builder::new().prefix("sluice-").tempdir().unwrap();
        Self { server, partner, folder, pace, processes: AtomicUsize::new(0) }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("events.sqlite")
    }

    /// Starts the example with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        Process::start(arguments, self.folder.path().join(format!("{number}.log")))
    }

    /// Starts `run` as cron does.
    pub(crate) fn job(&self) -> Process {
        self.job_with(&[])
    }

    /// Starts `run` with other options.
    pub(crate) fn job_with(&self, options: &[&str]) -> Process {
        let Pace { interval_ms, lease_ms } = self.pace;
        let database = self.database();
        let (endpoint, redis, rate) = (self.partner.url(), self.server.url(), format!("1/{interval_ms}ms"));
        let (lease, timeout) = (format!("{lease_ms}ms"), format!("{}ms", lease_ms / 3));
        let mut arguments = vec!["run", "--database", database.to_str().unwrap(), "--endpoint", &endpoint];
        arguments.extend(["--redis", &redis, "--rate", &rate, "--lease", &lease, "--timeout", &timeout]);
        arguments.extend(options);
        self.start(&arguments)
    }

    /// Runs the job to its end.
    pub(crate) async fn run(&self) -> Ended {
        self.job().end().await
    }

    /// Adds so many events, five on each record, with the example's own `make-events`.
    pub(crate) async fn make_events(&self, number: usize) {
        let (database, number) = (self.database(), number.to_string());
        let arguments = ["make-events", "--database", database.to_str().unwrap(), "--number", &number];
        let ended = self.start(&arguments).end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }

    fn query<T>(&self, query: &str, of: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let database = Connection::open(self.database()).unwrap();
        database.busy_timeout(Duration::from_secs(20)).unwrap();
        let mut query = database.prepare(query).unwrap();
        query.query_map([], |row| of(row)).unwrap().map(Result::unwrap).collect()
    }

    /// How many events there are in each state.
    pub(crate) fn states(&self) -> BTreeMap<String, u32> {
        let rows = self
            .query("SELECT state, count(*) FROM events GROUP BY state", |row| Ok((row.get(0)?, row.get(1)?)));
        rows.into_iter().collect()
    }

    /// State, tries and answer of each record's events, which are alike in these tests.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, (String, u32, Option<String>)> {
        let rows = self.query("SELECT DISTINCT record, state, tries, answer FROM events", |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
        });
        let number = rows.len();
        let outcomes: BTreeMap<_, _> = rows.into_iter().collect();
        assert_eq!(outcomes.len(), number, "the events of a record were marked apart");
        outcomes
    }

    /// The ids of all events.
    pub(crate) fn events(&self) -> Vec<i64> {
        self.query("SELECT id FROM events ORDER BY id", |row| row.get(0))
    }

    /// What each record has to be in the end: its events one over the other.
    pub(crate) fn records(&self) -> HashMap<String, Map<String, Value>> {
        let events = self.query("SELECT record, fields FROM events ORDER BY id", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let mut records: HashMap<String, Map<String, Value>> = HashMap::new();
        for (record, fields) in events {
            records.entry(record).or_default().extend(serde_json::from_str::<Map<_, _>>(&fields).unwrap());
        }
        records
    }

    /// Waits until it is so, while the partner goes on answering.
    pub(crate) async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !done(self) {
            assert!(Instant::now() < end, "still not so: {what}");
            sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn until_calls(&self, number: usize) {
        self.until(&format!("{number} calls"), |scene| scene.partner.calls().len() >= number).await;
    }

    pub(crate) fn lock_is_free(&self) -> bool {
        self.server.ask(&format!("LOCK.INFO {LOCK}")).is_null()
    }
}
