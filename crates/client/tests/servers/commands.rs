//! Every command on every kind of connection.

use std::time::Duration;

use redis::aio::ConnectionLike;
use sluice_client::{
    AsyncSluiceCommands, Decision, Error, KeyInfo, Limit, LimitReply, Limits, LockReply, SluiceCommands,
    SluicePipeline, is_module_missing,
};
use sluice_testing::{Kind, Server, on_both_servers};

const LEASE: Duration = Duration::from_secs(60);

on_both_servers![
    on_a_plain_connection,
    on_a_multiplexed_connection,
    on_a_manager,
    on_resp3,
    in_a_pipeline_and_a_transaction,
    errors_say_what_to_do,
];

async fn on_a_plain_connection(kind: Kind) {
    let server = Server::start_tcp(kind);
    tokio::task::spawn_blocking(move || {
        let mut connection = server.client().get_connection().unwrap();
        let limits = Limit::per_second(10).burst(20).and(Limit::per_hour(1000).cost(3));
        let decision = connection.ratelimit_acquire("u", limits).unwrap();
        assert!(matches!(decision, Decision::Granted { wait: Duration::ZERO, remaining: 19, burst: 20, .. }));
        assert_eq!(connection.ratelimit_peek("u", limits).unwrap().remaining(), Some(18));
        assert_eq!(
            connection.ratelimit_acquire_part("u", Limit::per_second(10).burst(20).cost(50)).unwrap().0,
            19
        );
        assert!(connection.ratelimit_refund("u", limits).unwrap());
        let info = connection.ratelimit_info("u").unwrap();
        assert_eq!((info.limits.len(), info.held), (2, Duration::ZERO));
        assert_eq!(info.limits[1].limit, Limit::per_hour(1000));
        assert_eq!(connection.ratelimit_info("none").unwrap(), KeyInfo::default());

        let LockReply::Held { fence, left } = connection.lock_try("l", "me", LEASE, 1).unwrap() else {
            panic!("it is free");
        };
        assert_eq!(left, LEASE);
        let other = connection.lock_try("l", "you", LEASE, 1).unwrap();
        assert!(matches!(other, LockReply::NotHeld { fence: Some(theirs), .. } if theirs == fence));
        let info = connection.lock_info("l").unwrap().unwrap();
        assert_eq!((info.holders[0].owner.as_slice(), info.waiting), (&b"me"[..], 0));
        assert!(connection.lock_extend("l", "me", LEASE * 2).unwrap().is_held());
        assert!(connection.lock_release("l", "me").unwrap());
        let gone = connection.lock_extend("l", "me", LEASE).unwrap();
        assert_eq!(gone, LockReply::NotHeld { fence: None, retry_after: None });
        assert_eq!(connection.lock_info("l").unwrap(), None);
    })
    .await
    .unwrap();
}

/// The same on whatever is asynchronous.
pub(crate) async fn all_commands(mut connection: impl ConnectionLike + Send, key: &str) {
    let limits = Limits::from(Limit::per_second(1).burst(2));
    assert!(connection.ratelimit_acquire(key, limits).await.unwrap().is_granted());
    assert!(connection.ratelimit_peek(key, limits).await.unwrap().is_granted());
    assert_eq!(connection.ratelimit_acquire_part(key, limits).await.unwrap().0, 1);
    let denied = connection.ratelimit_acquire(key, limits).await.unwrap();
    assert!(denied.retry_after().is_some_and(|time| time <= Duration::from_secs(1)), "{denied:?}");
    let turn = connection.ratelimit_reserve(key, limits, LEASE).await.unwrap();
    assert!(turn.wait() > Duration::from_millis(500), "{turn:?}");
    let forced = connection.ratelimit_force(key, limits).await.unwrap();
    assert!(matches!(forced, Decision::Forced { owed, .. } if owed > Duration::from_secs(1)), "{forced:?}");
    assert!(!connection.ratelimit_give_up(key, limits, turn.wait()).await.unwrap(), "somebody stands behind");
    assert!(connection.ratelimit_refund(key, limits).await.unwrap());
    assert!(connection.ratelimit_give_up(key, limits, turn.wait()).await.unwrap());
    let [one, other] = [
        connection.ratelimit_reserve(key, limits, LEASE).await.unwrap(),
        connection.ratelimit_reserve(key, limits, LEASE).await.unwrap(),
    ]
    .map(|turn| turn.act_at().unwrap());
    assert_eq!(other.duration_since(one).unwrap(), Duration::from_secs(1), "exact, by the server's clock");
    assert!(!connection.ratelimit_give_up_at(key, limits, one).await.unwrap(), "somebody stands behind");
    assert!(connection.ratelimit_give_up_at(key, limits, other).await.unwrap());
    assert!(connection.ratelimit_give_up_at(key, limits, one).await.unwrap());
    let never = connection.ratelimit_acquire(key, Limit::per_second(1).burst(2).cost(3)).await.unwrap();
    assert!(matches!(never, Decision::Never { burst: 2, .. }), "{never:?}");
    assert_eq!(connection.ratelimit_info(key).await.unwrap().limits[0].limit.capacity(), 2);
    kinds(&mut connection, &format!("kinds:{key}")).await;
    hold(&mut connection, &format!("hold:{key}")).await;

    let lock = format!("lock:{key}");
    assert!(connection.lock_acquire(&lock, "me", LEASE, 2, LEASE).await.unwrap().is_held());
    assert!(connection.lock_try(&lock, "you", LEASE, 2).await.unwrap().is_held());
    assert_eq!(connection.lock_info(&lock).await.unwrap().unwrap().holders.len(), 2);
    assert!(connection.lock_extend(&lock, "me", LEASE).await.unwrap().is_held());
    assert!(connection.lock_release(&lock, "me").await.unwrap());
    assert!(!connection.lock_release(&lock, "me").await.unwrap());
    assert!(connection.lock_release(&lock, b"you").await.unwrap());
}

/// Limits of each kind, in one call and beside each other.
async fn kinds(connection: &mut (impl ConnectionLike + Send), key: &str) {
    let day = Limit::per(1000, Duration::from_secs(86_400)).aligned(Duration::from_secs(54_000));
    let (strict, rate) = (Limit::per_minute(3).strict(), Limit::per_hour(100).burst(50));
    let limits = rate.and(strict).and(day);
    for remaining in [2, 1, 0] {
        assert_eq!(connection.ratelimit_acquire(key, limits).await.unwrap().remaining(), Some(remaining));
    }
    let denied = connection.ratelimit_acquire(key, limits).await.unwrap();
    assert_eq!((denied.is_granted(), denied.index()), (false, Some(1)), "{denied:?}");
    let stored = |info: &KeyInfo| info.limits.iter().map(|info| (info.limit, info.place)).collect::<Vec<_>>();
    let info = connection.ratelimit_info(key).await.unwrap();
    assert_eq!(stored(&info), [(rate, None), (strict, None), (day, None)]);
    // Another caller, with another limit at the first place: both are known there.
    let other = Limit::per_hour(200);
    assert!(connection.ratelimit_acquire(key, other).await.unwrap().is_granted());
    let info = connection.ratelimit_info(key).await.unwrap();
    let places = [(rate, Some(0)), (other, Some(0)), (strict, Some(1)), (day, Some(2))];
    assert_eq!(stored(&info), places);
}

async fn hold(connection: &mut (impl ConnectionLike + Send), key: &str) {
    let limit = Limit::per_second(10);
    assert!(connection.ratelimit_turn(key, LEASE).await.unwrap().is_zero());
    assert!(connection.ratelimit_hold(key, LEASE).await.unwrap() >= LEASE);
    assert!(connection.ratelimit_hold(key, LEASE / 2).await.unwrap() > LEASE / 2, "it only grows");
    let denied = connection.ratelimit_acquire(key, limit).await.unwrap();
    assert!(denied.retry_after().unwrap() > LEASE / 2, "{denied:?}");
    let info = connection.ratelimit_info(key).await.unwrap();
    assert!(info.held > LEASE / 2 && info.limits.is_empty(), "{info:?}");
    assert!(connection.ratelimit_turn(key, LEASE).await.unwrap() > LEASE / 2);
    // It is over in the ms that has begun, for the server's clock counts in less.
    let left = connection.ratelimit_end_hold(key).await.unwrap();
    assert!(left <= Duration::from_millis(1), "{left:?}");
    assert!(connection.ratelimit_reserve(key, limit, LEASE).await.unwrap().wait() <= left);
}

async fn on_a_multiplexed_connection(kind: Kind) {
    let server = Server::start_tcp(kind);
    all_commands(crate::connect(&server.client()).await, "k").await;
}

async fn on_a_manager(kind: Kind) {
    let server = Server::start_tcp(kind);
    all_commands(server.client().get_connection_manager().await.unwrap(), "k").await;
}

async fn on_resp3(kind: Kind) {
    let server = Server::start_tcp(kind);
    let client = redis::Client::open(format!("{}?protocol=resp3", server.url())).unwrap();
    all_commands(crate::connect(&client).await, "k").await;
}

async fn in_a_pipeline_and_a_transaction(kind: Kind) {
    let server = Server::start_tcp(kind);
    let mut connection = crate::connect(&server.client()).await;
    let limit = Limit::per_hour(2);
    for pipeline in [&mut redis::pipe(), redis::pipe().atomic()] {
        let (first, forced, lock, released): (LimitReply, LimitReply, LockReply, bool) = pipeline
            .ratelimit_acquire("k", limit)
            .ratelimit_force("k", limit.cost(2))
            .lock_acquire("l", "me", LEASE, 1, LEASE)
            .lock_release("l", "me")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(first.decision().is_granted() && lock.is_held() && released);
        assert!(matches!(forced.forced(), Decision::Forced { owed, .. } if !owed.is_zero()));
        server.ask("DEL k").int();
    }
}

async fn errors_say_what_to_do(kind: Kind) {
    let server = Server::start_tcp(kind);
    let mut connection = crate::connect(&server.client()).await;
    server.ask("LPUSH list 1").int();
    let error = connection.ratelimit_acquire("list", Limit::per_second(1)).await.unwrap_err();
    assert!(matches!(error, Error::WrongType(_)), "{error}");
    let long = Duration::from_secs(3600);
    let error = connection.ratelimit_reserve("k", Limit::per_second(1), long).await.unwrap_err();
    assert!(
        matches!(error, Error::MaxWait(_)) && error.to_string().contains("sluice.max-wait-ms"),
        "{error}"
    );
    let error = connection.ratelimit_hold("k", Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().contains("invalid expire time in 'ratelimit.hold' command"), "{error}");
    assert!(matches!(connection.ratelimit_end_hold("list").await, Err(Error::WrongType(_))));
    let never = connection.ratelimit_give_up_at("k", Limit::per_second(1), std::time::UNIX_EPOCH);
    let error = never.await.unwrap_err();
    assert!(error.to_string().contains("AT must be the act_us of a turn"), "{error}");
    let error = connection.lock_try("k", "", LEASE, 1).await.unwrap_err();
    assert!(matches!(error, Error::Redis(_)) && error.to_string().contains("owner"), "{error}");

    let bare = Server::setup(kind).without_module().tcp().start();
    let mut connection = crate::connect(&bare.client()).await;
    let error = connection.ratelimit_acquire("k", Limit::per_second(1)).await.unwrap_err();
    assert!(error.is_module_missing() && error.to_string().contains("loadmodule"), "{error}");
    assert!(connection.lock_try("k", "me", LEASE, 1).await.unwrap_err().is_module_missing());
    for pipeline in [&mut redis::pipe(), redis::pipe().atomic()] {
        let pipeline = pipeline.lock_try("k", "me", LEASE, 1).ratelimit_acquire("k", Limit::per_second(1));
        let error = pipeline.query_async::<()>(&mut connection).await.unwrap_err();
        assert!(is_module_missing(&error) && Error::from(error.clone()).is_module_missing(), "{error}");
    }
    let other: redis::RedisError =
        redis::cmd("NO.SUCH").query_async::<()>(&mut connection).await.unwrap_err();
    assert!(!is_module_missing(&other));
}
