//! Bodies pass as they come, whole or not.

use std::convert::Infallible;

use axum::body::Bytes;
use reqwest::Body;
use sluice_testing::{Kind, Server, on_both_servers};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::ms;
use crate::proxy::{Proxy, client};
use crate::upstream::Upstream;

on_both_servers![a_request_streams, a_response_streams];

const WORDS: &str = "--rate 100/1s --deadline 10s";

async fn a_request_streams(kind: Kind) {
    let (server, mut upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let proxy = Proxy::start(&server.url(), &upstream.url(), WORDS).await;
    let (chunks, source) = unbounded_channel();
    let body = Body::wrap_stream(UnboundedReceiverStream::new(source).map(Ok::<Bytes, Infallible>));
    let response = tokio::spawn(client().post(proxy.url("/upload")).body(body).send());
    for chunk in ["one", "two", "three"] {
        chunks.send(Bytes::from(chunk)).unwrap();
        let came = timeout(ms(20_000), upstream.uploaded.recv()).await.expect("before the next is sent");
        assert_eq!(came.unwrap(), chunk);
    }
    drop(chunks);
    assert_eq!(response.await.unwrap().unwrap().text().await.unwrap(), "onetwothree");
}

async fn a_response_streams(kind: Kind) {
    let (server, mut upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let proxy = Proxy::start(&server.url(), &upstream.url(), WORDS).await;
    upstream.download.send(Bytes::from("one")).unwrap();
    let mut response = proxy.get("/download").await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "one");
    for chunk in ["two", "three"] {
        upstream.download.send(Bytes::from(chunk)).unwrap();
        let came = timeout(ms(20_000), response.chunk()).await.expect("before the next is sent");
        assert_eq!(came.unwrap().unwrap(), chunk);
    }
    upstream.download = unbounded_channel().0;
    assert!(response.chunk().await.unwrap().is_none());
}
