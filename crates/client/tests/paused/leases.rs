//! A lease that is renewed beside everything else that happens to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, RedisResult, Value};
use sluice_client::{Connect, Guard, Locks};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::turns::ms;

/// A server with one lock.
#[derive(Clone)]
struct FakeLock(Arc<Mutex<Inside>>);

struct Inside {
    /// From the command to its execution, and from there to the reply.
    latency: Duration,
    /// How much longer the reply to a release takes.
    release_reply: Duration,
    held_until: Option<Instant>,
    /// So many extensions are lost on their way.
    lose: usize,
    /// So many extensions are executed this much later, and not answered.
    stray: Option<Duration>,
    /// What an extension asked for, in ms.
    extensions: Vec<u64>,
}

impl FakeLock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Inside {
            latency: Duration::ZERO,
            release_reply: Duration::ZERO,
            held_until: None,
            lose: 0,
            stray: None,
            extensions: Vec::new(),
        })))
    }

    /// What is left of the lease by the server.
    fn left(&self) -> Duration {
        let until = self.0.lock().unwrap().held_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn set(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.0.lock().unwrap());
    }

    fn execute(&self, name: &str, ms: u64) -> Value {
        let mut inside = self.0.lock().unwrap();
        let now = Instant::now();
        let held = inside.held_until.is_some_and(|until| until > now);
        let time = Duration::from_millis(ms);
        match name {
            "LOCK.TRY" | "LOCK.EXTEND" if name == "LOCK.TRY" || held => {
                inside.held_until = Some(now + time);
                Value::Array(vec![Value::Int(1), Value::Int(7), Value::Int(i64::try_from(ms).unwrap())])
            }
            "LOCK.EXTEND" => Value::Array(vec![Value::Int(0), Value::Int(0), Value::Int(-2)]),
            "LOCK.RELEASE" => {
                inside.held_until = None;
                Value::Int(held.into())
            }
            other => panic!("{other}"),
        }
    }
}

impl Connect for FakeLock {
    type Connection = Self;

    async fn connect(&self) -> RedisResult<Self> {
        Ok(self.clone())
    }
}

impl ConnectionLike for FakeLock {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let words: Vec<String> = command
            .args_iter()
            .map(|arg| if let Arg::Simple(bytes) = arg { bytes } else { panic!("{arg:?}") })
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect();
        let ms = words.get(4).map_or(0, |ms| ms.parse().unwrap());
        Box::pin(async move {
            let (latency, after, lost, stray) = {
                let mut inside = self.0.lock().unwrap();
                let mut lost = false;
                let mut stray = None;
                if words[0] == "LOCK.EXTEND" {
                    inside.extensions.push(ms);
                    lost = inside.lose > 0;
                    inside.lose -= usize::from(lost);
                    stray = inside.stray.take();
                }
                let release = words[0] == "LOCK.RELEASE";
                let after = if release { inside.release_reply } else { Duration::ZERO };
                (inside.latency, inside.latency + after, lost, stray)
            };
            if let Some(stray) = stray {
                let (lock, name) = (self.clone(), words[0].clone());
                tokio::spawn(async move {
                    sleep(stray).await;
                    lock.execute(&name, ms);
                });
            }
            if lost || stray.is_some() {
                std::future::pending::<()>().await;
            }
            sleep(latency).await;
            let reply = self.execute(&words[0], ms);
            sleep(after).await;
            Ok(reply)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        panic!("locks send no pipelines")
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// A lock that is held and kept alive, of a server that has a second for an answer.
async fn kept_alive(server: &FakeLock, ttl: Duration) -> Guard<FakeLock> {
    let lock = Locks::with_deadline(server.clone(), ms(1000)).lock("l").ttl(ttl);
    let mut guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    guard
}

#[tokio::test(start_paused = true)]
async fn a_renewal_never_shortens_what_was_extended() {
    let (server, start) = (FakeLock::new(), Instant::now());
    let guard = kept_alive(&server, ms(3000)).await;
    sleep(ms(500)).await;
    assert!(guard.extend(ms(60_000)).await.unwrap());
    for second in 1..50 {
        sleep_until(start + ms(second * 1000)).await;
        let end = start + ms(60_500);
        assert!(guard.valid_for() >= end - Instant::now() - ms(1), "{:?} at {second} s", guard.valid_for());
        assert!(server.left() >= guard.valid_for());
    }
    sleep_until(start + ms(100_000)).await;
    assert!(guard.valid_for() >= ms(1900), "and then it is renewed by its own time");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_on_its_way_and_an_extension_do_not_undo_each_other() {
    for at in 960..=1040 {
        let (server, start) = (FakeLock::new(), Instant::now());
        server.set(|inside| inside.latency = ms(20));
        let guard = kept_alive(&server, ms(3000)).await; // renews a second after the answer at 40 ms
        sleep_until(start + ms(at)).await;
        assert!(guard.extend(ms(60_000)).await.unwrap());
        sleep(ms(100)).await;
        assert!(guard.valid_for() >= ms(59_000) && server.left() >= guard.valid_for(), "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_as_long_as_the_deadline_has_time_for_a_second_try() {
    for ttl in [900, 1000, 1500, 3000] {
        let server = FakeLock::new();
        let guard = kept_alive(&server, ms(ttl)).await;
        server.set(|inside| inside.lose = 1);
        assert!(timeout(ms(10 * ttl), guard.lost()).await.is_err(), "{ttl}");
        assert!(server.left() >= guard.valid_for() && guard.valid_for() > Duration::ZERO);
    }
}

/// A renewal whose answer did not come may be carried out at any time after.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_arrives_late_is_reckoned_with() {
    for stray in [500, 900, 2000] {
        let server = FakeLock::new();
        let guard = kept_alive(&server, ms(3000)).await;
        server.set(|inside| inside.stray = Some(ms(stray)));
        sleep(ms(1800)).await; // the first renewal, at 1 s, is given up at 1.75 s
        assert!(guard.extend(ms(60_000)).await.unwrap());
        for _ in 0..200 {
            sleep(ms(25)).await;
            assert!(server.left() >= guard.valid_for(), "{stray}: {:?}", guard.valid_for());
        }
        assert!(guard.valid_for() > Duration::ZERO);
    }
}

#[cfg(feature = "tracing")]
mod events {
    use std::fmt::{Debug, Write as _};
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Writes down the texts of all events.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<String>>);

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            struct Text<'a>(&'a mut String);
            impl Visit for Text<'_> {
                fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                    let _ = writeln!(self.0, "{}={value:?}", field.name());
                }
            }
            event.record(&mut Text(&mut self.0.lock().unwrap()));
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_comes_behind_the_release_is_no_loss() {
        let log = Log::default();
        let _set = tracing::subscriber::set_default(log.clone());
        for at in 960..=1100 {
            let (server, start) = (FakeLock::new(), Instant::now());
            server.set(|inside| inside.release_reply = ms(20));
            let guard = kept_alive(&server, ms(3000)).await; // renews after a second
            sleep_until(start + ms(at)).await;
            assert!(guard.release().await.unwrap());
            sleep(ms(100)).await;
        }
        assert_eq!(*log.0.lock().unwrap(), "");
    }
}
