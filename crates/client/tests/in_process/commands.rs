//! The bare commands on it, and what it says to mistakes.

use redis::Value;
use sluice_client::{AsyncSluiceCommands, Error, InProcess, Limit, LimitReply, LockReply, SluicePipeline};
use tokio::time::sleep;

use crate::ms;

#[tokio::test(start_paused = true)]
async fn limits_and_locks_do_not_share_a_key() {
    let mut server = InProcess::new();
    assert!(server.ratelimit_acquire("k", Limit::per_hour(2)).await.unwrap().is_granted());
    assert!(server.lock_try("l", "me", ms(1000), 1).await.unwrap().is_held());
    assert!(matches!(server.lock_try("k", "me", ms(1000), 1).await, Err(Error::WrongType(_))));
    assert!(matches!(server.lock_info("k").await, Err(Error::WrongType(_))));
    assert!(matches!(server.ratelimit_info("l").await, Err(Error::WrongType(_))));
    sleep(ms(1000)).await;
    assert!(server.ratelimit_acquire("l", Limit::per_hour(2)).await.unwrap().is_granted(), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn mistakes_are_answered_in_the_servers_words() {
    let mut server = InProcess::new();
    for (line, words) in [
        ("ratelimit.acquire k", "ERR wrong number of arguments for 'ratelimit.acquire' command"),
        ("RATELIMIT.ACQUIRE k LIMIT 10", "ERR LIMIT needs EX or PX"),
        ("RATELIMIT.ACQUIRE k @api", "NOPOLICY no such policy"),
        ("RATELIMIT.POLICY LIST", "ERR unknown command 'RATELIMIT.POLICY'"),
        ("RATELIMIT.TOP", "ERR unknown command 'RATELIMIT.TOP'"),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 1 DUE 5", "ERR DUE is no option of 'ratelimit.acquire'"),
        (
            "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 MAXWAIT 60001",
            "ERR MAXWAIT is above the setting sluice.max-wait-ms",
        ),
        ("RATELIMIT.TURN k", "ERR wrong number of arguments for 'ratelimit.turn' command"),
        ("RATELIMIT.HOLD k PX 0", "ERR invalid expire time in 'ratelimit.hold' command"),
        ("LOCK.RELEASE k me you", "ERR wrong number of arguments for 'lock.release' command"),
        ("LOCK.EXTEND k me PX 5 HOLDERS 1", "ERR wrong number of arguments for 'lock.extend' command"),
        (
            "LOCK.ACQUIRE k me PX 5 HOLDERS 1 BLOCK -1",
            "ERR BLOCK must be from 0 to 3155760000000 ms (100 years)",
        ),
        ("LOCK.LOAD k 1 me 5 5 5", "ERR LOCK.LOAD is for replication and AOF only"),
        ("SET k v", "ERR unknown command 'SET'"),
    ] {
        let mut command = redis::Cmd::new();
        line.split(' ').for_each(|word| _ = command.arg(word));
        let error = command.query_async::<Value>(&mut server).await.unwrap_err();
        let said = format!("{} {}", error.code().unwrap(), error.detail().unwrap());
        assert_eq!(said, words, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn pipelines_and_transactions_work() {
    for pipeline in [&mut redis::pipe(), redis::pipe().atomic()] {
        let mut server = InProcess::new();
        let (first, forced, lock, released): (LimitReply, LimitReply, LockReply, bool) = pipeline
            .ratelimit_acquire("k", Limit::per_hour(2))
            .ratelimit_force("k", Limit::per_hour(2).cost(2))
            .lock_acquire("l", "me", ms(1000), 1, ms(1000))
            .lock_release("l", "me")
            .query_async(&mut server)
            .await
            .unwrap();
        assert!(first.decision().is_granted() && lock.is_held() && released);
        assert!(!forced.forced().owed().is_zero());
    }
    let mut server = InProcess::new();
    assert!(server.lock_try("l", "me", ms(1000), 1).await.unwrap().is_held());
    let (lock,): (LockReply,) = redis::pipe()
        .atomic()
        .lock_acquire("l", "you", ms(1000), 1, ms(1000))
        .query_async(&mut server)
        .await
        .unwrap();
    assert!(!lock.is_held(), "nobody waits in a transaction");
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_has_heard_of_is_taken_back() {
    let server = InProcess::new();
    let (mut ours, mut theirs) = (server.clone(), server.clone());
    assert!(ours.lock_try("l", "us", ms(30_000), 1).await.unwrap().is_held());
    let mut waiting = Box::pin(theirs.lock_acquire("l", "them", ms(30_000), 1, ms(0)));
    assert!(tokio::time::timeout(ms(10), &mut waiting).await.is_err());
    assert!(ours.lock_release("l", "us").await.unwrap());
    let holders = ours.lock_info("l").await.unwrap().unwrap().holders;
    assert_eq!(holders[0].owner, b"them");
    drop(waiting);
    assert!(ours.lock_info("l").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_waits_twice_keeps_its_place_and_the_older_wait_ends() {
    let server = InProcess::new();
    let mut ours = server.clone();
    assert!(ours.lock_try("l", "us", ms(1000), 1).await.unwrap().is_held());
    let wait = |owner: &'static str| {
        let mut connection = server.clone();
        tokio::spawn(async move { connection.lock_acquire("l", owner, ms(1000), 1, ms(0)).await.unwrap() })
    };
    let first = wait("a");
    sleep(ms(1)).await;
    let second = wait("b");
    sleep(ms(1)).await;
    let again = wait("a");
    assert!(matches!(first.await.unwrap(), LockReply::NotHeld { retry_after: Some(_), .. }));
    let (again, second) = (again.await.unwrap(), second.await.unwrap());
    let fence = |reply| if let LockReply::Held { fence, .. } = reply { fence } else { panic!("{reply:?}") };
    assert!(fence(again) < fence(second));
    assert!(!ours.lock_release("l", "a").await.unwrap(), "its lease has ended");
}
