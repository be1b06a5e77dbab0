//! Servers that are gone, and servers that lack the module.

use sluice_client::{Limit, Limiter, Outage};
use sluice_testing::{Kind, Server, on_both_servers};
use sluice_tower::RateLimitLayer;

use crate::app::{App, header, limiter, ms};

on_both_servers![
    in_an_outage_the_choice_of_the_limiter_applies,
    without_the_module_nothing_passes_whatever_was_chosen,
    a_key_that_holds_something_else_is_an_error_of_ours,
];

async fn in_an_outage_the_choice_of_the_limiter_applies(kind: Kind) {
    let mut server = Server::start_tcp(kind);
    let limit = Limit::per_hour(2);
    let connection =
        server.client().get_multiplexed_async_connection().await.expect("a server that has just started");
    let mut apps = Vec::new();
    for outage in [Outage::Closed, Outage::Open, Outage::local(1)] {
        let limiter = Limiter::new(connection.clone(), limit, outage).deadline(ms(2000));
        apps.push(App::behind(RateLimitLayer::refuse(limiter, "k")).await);
    }
    let [closed, open, local] = &apps[..] else { unreachable!() };
    server.kill9();

    let response = closed.get("/a").await;
    assert_eq!((response.status().as_u16(), closed.reached()), (503, 0));
    assert!(header(&response, "ratelimit").is_empty());
    assert_eq!(
        response.text().await.unwrap(),
        r#"{"title":"The rate limit cannot be checked","status":503}"#
    );
    for _ in 0..3 {
        let response = open.get("/a").await;
        assert_eq!(response.status(), 200);
        assert!(
            header(&response, "ratelimit").is_empty() && header(&response, "ratelimit-policy").is_empty()
        );
    }
    for status in [200, 200, 429] {
        let response = local.get("/a").await;
        assert_eq!(response.status(), status);
        assert_eq!(header(&response, "ratelimit").len(), 1);
    }
}

async fn without_the_module_nothing_passes_whatever_was_chosen(kind: Kind) {
    let server = Server::setup(kind).without_module().tcp().start();
    let connection =
        server.client().get_multiplexed_async_connection().await.expect("a server that has just started");
    let limiter = Limiter::new(connection, Limit::per_hour(2), Outage::Open).deadline(ms(5000));
    for layer in [RateLimitLayer::refuse(limiter.clone(), "k"), RateLimitLayer::wait(limiter.clone(), "k")] {
        let app = App::behind(layer).await;
        assert_eq!((app.get("/a").await.status().as_u16(), app.reached()), (500, 0));
    }
}

async fn a_key_that_holds_something_else_is_an_error_of_ours(kind: Kind) {
    let server = Server::start_tcp(kind);
    server.ask("SET k v").assert_ok();
    let app = App::behind(RateLimitLayer::refuse(limiter(&server, Limit::per_hour(2)).await, "k")).await;
    assert_eq!(app.get("/a").await.status(), 500);
    assert_eq!(server.ask("GET k").text(), "v");
}
