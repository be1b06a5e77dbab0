//! Waiting in turn.

use std::time::Instant;

use sluice_client::Limit;
use sluice_testing::{Kind, Server, on_both_servers, until};
use sluice_tower::{Key, RateLimitLayer};
use tokio::task::JoinSet;

use crate::app::{App, header, limiter, ms, within_a_minute};

on_both_servers![
    requests_wait_their_turn_over_all_processes,
    a_longer_queue_than_the_longest_wait_is_refused_at_once,
    who_hangs_up_gives_the_turn_up,
    a_wait_that_the_server_does_not_allow_is_an_error_of_ours,
];

/// What is left of the turns that are taken, as the server sees it.
fn queue_ms(server: &Server, key: &str) -> i64 {
    let reply = server.ask(&format!("RATELIMIT.PEEK {key} LIMIT 1 EX 600 COST 0")).ints();
    reply[4]
}

async fn requests_wait_their_turn_over_all_processes(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limit = Limit::per_second(20).burst(1);
    let (mut apps, mut requests) = (Vec::new(), JoinSet::new());
    for _ in 0..2 {
        apps.push(App::behind(RateLimitLayer::wait(limiter(&server, limit).await, "partner")).await);
    }
    let start = Instant::now();
    for n in 0..20 {
        let request = apps[n % 2].request("/a");
        requests.spawn(async move {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(header(&response, "ratelimit-policy"), [r#""default";q=20;w=1;sluice-burst=1"#]);
        });
    }
    while let Some(done) = requests.join_next().await {
        done.unwrap();
    }
    assert!(start.elapsed() >= ms(940), "{:?}", start.elapsed());
    assert_eq!(apps[0].reached() + apps[1].reached(), 20, "nobody is refused");
}

async fn a_longer_queue_than_the_longest_wait_is_refused_at_once(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per(1, ms(600_000))).await.max_wait(ms(30_000));
    let app = App::behind(RateLimitLayer::wait(limiter, Key::path())).await;
    assert_eq!(app.get("/a").await.status(), 200);
    let response = app.get("/a").await;
    assert_eq!(response.status(), 429);
    within_a_minute(header(&response, "retry-after")[0], 570); // until it could queue
    assert_eq!(app.reached(), 1);
}

async fn who_hangs_up_gives_the_turn_up(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per(1, ms(600_000))).await.max_wait(ms(3_000_000));
    server.ask("CONFIG SET sluice.max-wait-ms 3000000").assert_ok();
    let app = App::behind(RateLimitLayer::wait(limiter, "k")).await;
    assert_eq!(app.get("/a").await.status(), 200);
    let mut waiting = JoinSet::new();
    for _ in 0..2 {
        waiting.spawn(app.request("/a").send());
    }
    until("two more turns are taken", || queue_ms(&server, "k") > 1_200_000);
    waiting.abort_all();
    until("both have gone back", || queue_ms(&server, "k") <= 600_000);
    assert_eq!(app.reached(), 1, "and nobody went");
}

async fn a_wait_that_the_server_does_not_allow_is_an_error_of_ours(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per_second(1)).await.max_wait(ms(3_600_000));
    let app = App::behind(RateLimitLayer::wait(limiter, "k")).await;
    let response = app.get("/a").await;
    assert_eq!(response.status(), 500);
    assert_eq!(
        response.text().await.unwrap(),
        r#"{"title":"The rate limit cannot be checked","status":500}"#
    );
}
