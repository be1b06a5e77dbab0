//! What the upstream and the client see of each other.

use axum::http::Version;
use axum::http::request::Parts;
use sluice_testing::{Kind, Server, on_both_servers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::Proxy;
use crate::upstream::Upstream;

on_both_servers![
    headers_are_kept_but_for_those_of_one_connection,
    the_host_is_the_upstreams_or_the_clients_as_chosen,
    an_old_upstream_costs_the_client_no_connection,
    an_upstream_that_does_not_answer_in_time_is_504,
    an_upstream_that_is_down_is_502,
    a_request_for_no_path_does_no_harm,
];

const WORDS: &str = "--rate 100/1s --deadline 10s";

fn values<'a>(request: &'a Parts, name: &str) -> Vec<&'a str> {
    request.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

async fn headers_are_kept_but_for_those_of_one_connection(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let base = format!("{}/base", upstream.url());
    let proxy = Proxy::start(&server.url(), &base, WORDS).await;
    let response = proxy
        .request("/a%20b?c=d&e")
        .header("accept-language", "de")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("connection", "x-private, close")
        .header("x-private", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "gzip")
        .header("x-forwarded-for", "192.0.2.1")
        .send()
        .await
        .unwrap();
    let request = upstream.last();
    assert_eq!(request.uri, "/base/a%20b?c=d&e");
    assert_eq!(values(&request, "accept-language"), ["de"]);
    assert_eq!(values(&request, "x-twice"), ["1", "2"]);
    for name in ["connection", "x-private", "keep-alive", "te"] {
        assert!(values(&request, name).is_empty(), "{name}");
    }
    assert_eq!(values(&request, "x-forwarded-for"), ["192.0.2.1, 127.0.0.1"]);

    assert_eq!(response.status(), 200);
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(response.headers()["x-kept"], "yes");
    assert!(!response.headers().contains_key("keep-alive"));
    assert_eq!(response.text().await.unwrap(), "the answer");
}

/// The version of HTTP is that of one connection, not of the message.
async fn an_old_upstream_costs_the_client_no_connection(kind: Kind) {
    let (server, listener) = (Server::start_tcp(kind), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let proxy =
        Proxy::start(&server.url(), &format!("http://{}", listener.local_addr().unwrap()), WORDS).await;
    let old = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 4096]).await.unwrap();
        connection.write_all(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    };
    let (response, ()) = tokio::join!(proxy.get("/"), old);
    assert_eq!(response.version(), Version::HTTP_11);
    assert_eq!(response.text().await.unwrap(), "ok");
}

async fn the_host_is_the_upstreams_or_the_clients_as_chosen(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    for (words, host) in [("", upstream.host()), ("--keep-host", "shop.example")] {
        let proxy = Proxy::start(&server.url(), &upstream.url(), &format!("{WORDS} {words}")).await;
        proxy.request("/").header("host", "shop.example").send().await.unwrap();
        let request = upstream.last();
        assert_eq!(values(&request, "host"), [host]);
        assert_eq!(values(&request, "x-forwarded-host"), ["shop.example"]);
    }
}

async fn an_upstream_that_does_not_answer_in_time_is_504(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = format!("{WORDS} --timeout 200ms");
    let proxy = Proxy::start(&server.url(), &upstream.url(), &words).await;
    assert_eq!(proxy.get("/never").await.status(), 504);
}

async fn an_upstream_that_is_down_is_502(kind: Kind) {
    let server = Server::start_tcp(kind);
    let nobody = format!("http://127.0.0.1:{}", sluice_testing::free_port());
    let proxy = Proxy::start(&server.url(), &nobody, WORDS).await;
    let response = proxy.get("/").await;
    assert_eq!(response.status(), 502);
    assert!(response.headers().contains_key("ratelimit"), "the turn is used all the same");
}

async fn a_request_for_no_path_does_no_harm(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let proxy = Proxy::start(&server.url(), &upstream.url(), WORDS).await;
    for (line, status) in [("OPTIONS *", "200"), ("CONNECT a:1", "501")] {
        let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {response}");
    }
    assert_eq!(proxy.get("/").await.status(), 200);
}
