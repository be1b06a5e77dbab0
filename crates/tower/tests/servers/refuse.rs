//! Refusing what is too much, and saying so.

use http::{HeaderName, HeaderValue, Response, StatusCode};
use sluice_client::{Limit, Limits};
use sluice_testing::{Kind, Reply, Server, on_both_servers};
use sluice_tower::{ClientIp, Key, RateLimitLayer, Refusal, WithoutKey};

use crate::app::{App, header, limiter, ms, standing, within_a_minute};

on_both_servers![
    the_headers_tell_where_a_caller_stands,
    what_costs_more_than_the_burst_is_no_matter_of_time,
    a_server_that_hides_the_peer_is_an_error_of_ours,
    preflights_and_what_else_is_exempt_cost_nothing,
    an_answer_that_asks_to_be_left_alone_holds_the_key,
    of_several_limits_the_one_that_decided_is_named,
    windows_say_their_kind_and_by_when_all_is_back,
    a_held_key_is_refused_until_the_hold_is_over,
    two_limits_on_one_key_are_each_held_to_their_own,
    each_client_behind_a_trusted_proxy_has_a_bucket_and_cannot_choose_another,
    a_request_without_a_key_is_refused_or_passes_as_chosen,
    limits_and_costs_are_chosen_for_each_request,
    the_answer_to_what_is_refused_can_be_another,
    two_layers_say_both_what_they_know,
];

/// In UTC, on some day; in unix seconds.
const NOON: i64 = 21_990 * 86_400 + 43_200;

/// Slow enough that no token comes back while a test runs.
const TWO: Limit = Limit::per_hour(2);

async fn the_headers_tell_where_a_caller_stands(kind: Kind) {
    let server = Server::start_tcp(kind);
    let app = App::behind(RateLimitLayer::refuse(limiter(&server, TWO).await, "k").prefix("api:")).await;

    for remaining in [1, 0] {
        let response = app.get("/a").await;
        assert_eq!(response.status(), 200);
        assert_eq!(standing(&response, 1800), format!(r#""default";r={remaining}"#));
        assert_eq!(header(&response, "ratelimit-policy"), [r#""default";q=2;w=3600"#]);
        assert!(header(&response, "retry-after").is_empty());
        assert_eq!(response.text().await.unwrap(), "api:k", "the application sees what was counted");
    }
    let response = app.get("/a").await;
    assert_eq!(response.status(), 429);
    assert_eq!(standing(&response, 1800), r#""default";r=0"#);
    assert_eq!(header(&response, "ratelimit-policy"), [r#""default";q=2;w=3600"#]);
    within_a_minute(header(&response, "retry-after")[0], 1800);
    assert_eq!(header(&response, "content-type"), ["application/problem+json"]);
    assert_eq!(
        response.text().await.unwrap(),
        r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","violated-policies":["default"],"title":"Too many requests","status":429}"#
    );
    assert_eq!(app.reached(), 2);
    let keys = server.ask("KEYS *");
    assert_eq!(keys.array().iter().map(Reply::text).collect::<Vec<_>>(), ["api:k"]);
}

async fn what_costs_more_than_the_burst_is_no_matter_of_time(kind: Kind) {
    let server = Server::start_tcp(kind);
    let app = App::behind(RateLimitLayer::refuse(limiter(&server, TWO.cost(3)).await, "k")).await;
    let response = app.get("/a").await;
    assert_eq!(response.status(), 413);
    assert!(header(&response, "retry-after").is_empty());
    assert_eq!(header(&response, "ratelimit"), [r#""default";r=2;t=0"#]);
    assert_eq!(
        response.text().await.unwrap(),
        r#"{"violated-policies":["default"],"title":"The request costs more than the limit can ever grant","status":413}"#
    );
}

async fn a_server_that_hides_the_peer_is_an_error_of_ours(kind: Kind) {
    let server = Server::start_tcp(kind);
    let layer = RateLimitLayer::refuse(limiter(&server, TWO).await, ClientIp::new());
    for (layer, status) in [(layer.clone(), 500), (layer.without_key(WithoutKey::Pass), 200)] {
        let app = axum::Router::new().route("/a", axum::routing::get(|| async { "" })).layer(layer);
        let request = http::Request::get("/a").body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert_eq!(server.ask("DBSIZE").int(), 0);
}

async fn preflights_and_what_else_is_exempt_cost_nothing(kind: Kind) {
    let server = Server::start_tcp(kind);
    let layer = RateLimitLayer::refuse(limiter(&server, Limit::per_hour(1)).await, "k");
    let app = App::behind(layer.clone().exempt_paths(["/health"])).await;
    for _ in 0..3 {
        let preflight = app.request("/a").build().unwrap().url().clone();
        let preflight = reqwest::Client::new().request(reqwest::Method::OPTIONS, preflight);
        let response = preflight.send().await.unwrap();
        assert_eq!(response.status(), 405, "as the application answers it");
        assert!(header(&response, "ratelimit").is_empty());
        assert_eq!(app.get("/health").await.status(), 200);
    }
    assert_eq!((app.get("/a").await.status().as_u16(), app.get("/a").await.status().as_u16()), (200, 429));

    let app = App::behind(layer.prefix("all:").exempt_methods([])).await;
    let all = app.request("/a").build().unwrap().url().clone();
    for status in [405, 429] {
        let response = reqwest::Client::new().request(reqwest::Method::OPTIONS, all.clone()).send().await;
        assert_eq!(response.unwrap().status(), status);
    }
}

async fn an_answer_that_asks_to_be_left_alone_holds_the_key(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON * 1000).tcp().start();
    for (longest, retry_after, held) in [(0, "30", 0), (60, "30", 30), (60, "3600", 60), (60, "soon", 0)] {
        let layer = RateLimitLayer::refuse(limiter(&server, Limit::per_hour(100)).await, Key::path());
        let layer = layer.hold_on_retry_after(ms(longest * 1000)).prefix(format!("{longest}-{retry_after}:"));
        let upstream =
            move || async move { (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", retry_after)]) };
        let app = axum::Router::new().route("/a", axum::routing::get(upstream)).layer(layer);
        let send = || {
            let request = http::Request::get("/a").body(axum::body::Body::empty()).unwrap();
            tower::ServiceExt::oneshot(app.clone(), request)
        };
        let response = send().await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], retry_after);
        let response = send().await.unwrap();
        if held == 0 {
            assert_eq!(response.status(), 503, "{longest} {retry_after}");
        } else {
            assert_eq!(response.status(), 429, "{longest} {retry_after}");
            assert_eq!(response.headers()["retry-after"], held.to_string());
        }
    }
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn that_the_peer_is_hidden_is_logged_once() {
    let server = Server::start_tcp(Kind::Redis82);
    let log = crate::log::Log::default();
    let _set = tracing::subscriber::set_default(log.clone());
    let layer = RateLimitLayer::refuse(limiter(&server, TWO).await, ClientIp::new());
    let app = axum::Router::new().route("/a", axum::routing::get(|| async { "" })).layer(layer);
    for _ in 0..3 {
        let request = http::Request::get("/a").body(axum::body::Body::empty()).unwrap();
        assert_eq!(tower::ServiceExt::oneshot(app.clone(), request).await.unwrap().status(), 500);
    }
    let errors = log.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("into_make_service_with_connect_info"), "{errors:?}");
}

async fn of_several_limits_the_one_that_decided_is_named(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limits = Limit::per_hour(60).burst(3).and(TWO);
    let layer = RateLimitLayer::refuse(limiter(&server, limits).await, "k").policies(["calm", "hour"]);
    let app = App::behind(layer).await;
    for (status, left) in [(200, r#""hour";r=1"#), (200, r#""hour";r=0"#), (429, r#""hour";r=0"#)] {
        let response = app.get("/a").await;
        assert_eq!(response.status(), status);
        assert_eq!(standing(&response, 1800), left);
        assert_eq!(
            header(&response, "ratelimit-policy"),
            [r#""calm";q=60;w=3600;sluice-burst=3, "hour";q=2;w=3600"#]
        );
        if status == 429 {
            assert!(response.text().await.unwrap().contains(r#""violated-policies":["hour"]"#));
        }
    }
}

async fn windows_say_their_kind_and_by_when_all_is_back(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON * 1000).tcp().start();
    let app = App::behind(RateLimitLayer::refuse(limiter(&server, TWO.strict()).await, "k")).await;
    for (status, left) in [(200, 1), (200, 0), (429, 0)] {
        let response = app.get("/a").await;
        assert_eq!(response.status(), status);
        assert_eq!(standing(&response, 3600), format!(r#""default";r={left}"#));
        assert_eq!(header(&response, "ratelimit-policy"), [r#""default";q=2;w=3600;sluice-kind=strict"#]);
        if status == 429 {
            within_a_minute(header(&response, "retry-after")[0], 3600);
        }
    }
    let day = Limit::per(2, ms(86_400_000)).aligned(ms(0));
    let app = App::behind(RateLimitLayer::refuse(limiter(&server, day).await, "day")).await;
    for standing in [r#""default";r=1;t=43200"#, r#""default";r=0;t=43200"#, r#""default";r=0;t=43200"#] {
        let response = app.get("/a").await;
        assert_eq!(header(&response, "ratelimit"), [standing]);
        assert_eq!(header(&response, "ratelimit-policy"), [r#""default";q=2;w=86400;sluice-kind=align"#]);
    }
    server.set_clock_ms((NOON + 43_200) * 1000);
    assert_eq!(header(&app.get("/a").await, "ratelimit"), [r#""default";r=1;t=86400"#]);
}

async fn a_held_key_is_refused_until_the_hold_is_over(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON * 1000).tcp().start();
    let app = App::behind(RateLimitLayer::refuse(limiter(&server, Limit::per_hour(1000)).await, "k")).await;
    server.ask("RATELIMIT.HOLD k EX 600").int();
    let response = app.get("/a").await;
    assert_eq!((response.status().as_u16(), app.reached()), (429, 0));
    assert_eq!(standing(&response, 600), r#""default";r=0"#);
    within_a_minute(header(&response, "retry-after")[0], 600);
    server.ask("RATELIMIT.HOLD k OFF").int();
    assert_eq!(app.get("/a").await.status(), 200);
}

async fn two_limits_on_one_key_are_each_held_to_their_own(kind: Kind) {
    let server = Server::start_tcp(kind);
    let layer = RateLimitLayer::refuse(limiter(&server, Limit::per_hour(3)).await, "shared");
    let layer =
        layer.limits(|request| request.headers.contains_key("x-few").then(|| Limit::per_hour(5).into()));
    let app = App::behind(layer).await;
    for (few, status) in
        [(false, 200), (true, 200), (false, 200), (false, 429), (true, 200), (true, 200), (true, 429)]
    {
        let request = app.request("/a");
        let request = if few { request.header("x-few", "1") } else { request };
        assert_eq!(request.send().await.unwrap().status(), status, "{few}");
    }
}

async fn each_client_behind_a_trusted_proxy_has_a_bucket_and_cannot_choose_another(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, TWO).await;
    let open = App::behind(RateLimitLayer::refuse(limiter.clone(), ClientIp::new())).await;
    let trusting = ClientIp::new().trust(["127.0.0.0/8".parse().unwrap()]);
    let behind = App::behind(RateLimitLayer::refuse(limiter, trusting)).await;

    // Whoever connects directly is who connects, whatever is claimed.
    for (claim, status) in [("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.3", 429)] {
        let response = open.request("/a").header("x-forwarded-for", claim).send().await.unwrap();
        assert_eq!(response.status(), status);
        if status == 200 {
            assert_eq!(response.text().await.unwrap(), "ip:127.0.0.1");
        }
    }
    for (claim, status, key) in [
        ("198.51.100.1, 192.0.2.7", 200, "ip:192.0.2.7"),
        ("198.51.100.2, 192.0.2.7", 200, "ip:192.0.2.7"),
        ("198.51.100.3, 192.0.2.7", 429, ""),
        ("192.0.2.8", 200, "ip:192.0.2.8"),
        ("[2001:db8:1:2:3::4]:4711", 200, "ip:2001:db8:1:2::/64"),
    ] {
        let response = behind.request("/a").header("x-forwarded-for", claim).send().await.unwrap();
        assert_eq!(response.status(), status, "{claim}");
        if status == 200 {
            assert_eq!(response.text().await.unwrap(), key);
        }
    }
}

async fn a_request_without_a_key_is_refused_or_passes_as_chosen(kind: Kind) {
    let server = Server::start_tcp(kind);
    let name = HeaderName::from_static("x-api-key");
    let layer = RateLimitLayer::refuse(limiter(&server, TWO).await, Key::header(name));

    let app = App::behind(layer.clone()).await;
    let response = app.get("/a").await;
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.text().await.unwrap(),
        r#"{"title":"The request does not say who it is from","status":400}"#
    );
    assert_eq!(app.reached(), 0);
    let response = app.request("/a").header("X-Api-Key", "7f").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "header:x-api-key:7f");

    let app = App::behind(layer.without_key(WithoutKey::Pass)).await;
    for _ in 0..3 {
        let response = app.get("/a").await;
        assert_eq!(response.status(), 200);
        assert!(header(&response, "ratelimit").is_empty());
        assert_eq!(response.text().await.unwrap(), "not counted");
    }
}

async fn limits_and_costs_are_chosen_for_each_request(kind: Kind) {
    // Of both, a token an hour comes back.
    const PLAN: Limits = Limit::per(60, ms(60 * 3_600_000)).and(Limit::per(90_000, ms(90_000 * 3_600_000)));
    let server = Server::start_tcp(kind);
    let layer = RateLimitLayer::refuse(limiter(&server, TWO).await, Key::path())
        .policies(["requests", "tokens"])
        .limits(|request| {
            let tokens = request.headers.get("x-tokens")?.to_str().ok()?.parse().ok()?;
            PLAN.with_costs(&[u64::from(tokens > 0), tokens]).ok()
        });
    let app = App::behind(layer).await;
    let send = |tokens: &'static str| app.request("/llm").header("x-tokens", tokens).send();

    assert_eq!(standing(&send("80000").await.unwrap(), 3600), r#""requests";r=59"#);
    let response = send("10001").await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(standing(&response, 3600), r#""tokens";r=10000"#);
    within_a_minute(header(&response, "retry-after")[0], 3600);
    assert_eq!(send("10000").await.unwrap().status(), 200);
    // Nothing to pay, nothing to count.
    let response = send("0").await.unwrap();
    assert_eq!((response.status(), header(&response, "ratelimit").len()), (StatusCode::OK, 0));
    // Without an answer of the closure, the limiter's own.
    assert_eq!(standing(&app.get("/other").await, 1800), r#""requests";r=1"#);
}

async fn the_answer_to_what_is_refused_can_be_another(kind: Kind) {
    let server = Server::start_tcp(kind);
    let layer = RateLimitLayer::refuse(limiter(&server, Limit::per_hour(1)).await, "k").without_headers();
    let layer = layer.respond_with(|refusal, request| {
        let Refusal::Limited { decision, policy } = refusal else { return refusal.response() };
        assert!(decision.retry_after().is_some());
        let body = format!("{} {policy}", request.uri.path());
        let mut response = Response::new(body.into());
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response.headers_mut().insert("x-mine", HeaderValue::from_static("1"));
        response
    });
    let app = App::behind(layer).await;
    assert!(header(&app.get("/a").await, "ratelimit").is_empty());
    let response = app.get("/tea").await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(header(&response, "x-mine"), ["1"]);
    within_a_minute(header(&response, "retry-after")[0], 3600);
    assert!(header(&response, "ratelimit").is_empty());
    assert_eq!(response.text().await.unwrap(), "/tea default");
}

async fn two_layers_say_both_what_they_know(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, TWO).await;
    let inner = RateLimitLayer::refuse(limiter.clone(), Key::path()).policies(["path"]);
    let outer = RateLimitLayer::refuse(limiter.with(Limit::per_hour(60)), "all").policies(["all"]);
    let handler = axum::routing::get(|| async { "" });
    let app = axum::Router::new().route("/a", handler).layer(inner).layer(outer);
    let request = http::Request::get("/a").body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
    let lines: Vec<_> =
        response.headers().get_all("ratelimit").iter().map(|line| &line.as_bytes()[..10]).collect();
    assert_eq!(lines, [br#""path";r=1"#, br#""all";r=59"#]);
}
