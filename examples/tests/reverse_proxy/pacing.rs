//! Requests reach the upstream one at a time, in order, and turns that are given up are used.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use sluice_testing::{Kind, Server, on_both_servers};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use crate::monitor::{Monitor, first_turn};
use crate::ms;
use crate::proxy::{Proxy, client};
use crate::upstream::Upstream;

on_both_servers![
    three_proxies_send_sixty_requests_of_twenty_clients_evenly_and_in_order,
    a_client_that_hangs_up_costs_no_turn_while_others_wait,
];

/// Replicas that give a loaded machine the time it needs, and whose turns nothing moves: whoever asks the server
/// about holds when a turn is due goes when that answers.
const PATIENT: &str = "--mode wait --max-wait 60s --deadline 10s --max-hold 0s --prefix p:";

/// The order in which requests came to the server: whoever sends one waits until it has come there
/// before the next one may be sent.
struct Gate {
    monitor: Monitor,
    order: Vec<String>,
}

impl Gate {
    async fn send(&mut self, request: RequestBuilder, name: &str) -> JoinHandle<Response> {
        let response = tokio::spawn(async move { request.send().await.unwrap() });
        self.monitor.next("RATELIMIT.ACQUIRE").await;
        self.order.push(name.to_owned());
        response
    }
}

async fn three_proxies_send_sixty_requests_of_twenty_clients_evenly_and_in_order(kind: Kind) {
    const INTERVAL: Duration = ms(100);
    /// How late a machine may let a program be before that is told apart from a fault of ours.
    const LATE: Duration = ms(5);
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let mut proxies = Vec::new();
    for _ in 0..3 {
        let words = format!("--rate 10/1s {PATIENT}");
        proxies.push(Proxy::start(&server.url(), &upstream.url(), &words).await);
    }
    let gate = Arc::new(Mutex::new(Gate { monitor: Monitor::start(&server).await, order: Vec::new() }));
    let mut clients = JoinSet::new();
    for n in 0..20 {
        let (gate, url, client) = (Arc::clone(&gate), proxies[n % 3].url("/at/"), client());
        clients.spawn(async move {
            for round in 0..3 {
                let name = format!("{n}-{round}");
                let response = gate.lock().await.send(client.get(format!("{url}{name}")), &name).await;
                assert_eq!(response.await.unwrap().status(), 200);
            }
        });
    }
    // As soon as twenty are there, all of them still being far from through.
    let first = loop {
        let gate = gate.lock().await;
        let turns = u32::try_from(gate.order.len()).unwrap();
        if turns >= 20 {
            break first_turn(&server, "p:all", turns, INTERVAL);
        }
        drop(gate);
        tokio::task::yield_now().await;
    };
    clients.join_all().await;

    let order = &gate.lock().await.order;
    let turn_of = |name: &String| order.iter().position(|of| of == name).expect("one that was sent");
    let due = |turn: usize| first + INTERVAL * u32::try_from(turn).unwrap();
    // Each with its place in the order in which the server was asked.
    let arrivals: Vec<_> = upstream.arrivals().iter().map(|(name, at)| (turn_of(name), *at)).collect();
    let mut turns: Vec<_> = arrivals.iter().map(|(turn, _)| *turn).collect();
    turns.sort_unstable();
    assert!(turns.into_iter().eq(0..60), "none is lost");
    for (turn, at) in &arrivals {
        assert!(*at + ms(1) >= due(*turn), "{turn} came {:?} before its turn", due(*turn) - *at);
    }
    let (mut closest, mut farthest) = (Duration::MAX, Duration::ZERO);
    for pair in arrivals.windows(2) {
        let [(earlier, one), (later, other)] = *pair else { unreachable!() };
        let gap = other.saturating_sub(one);
        (closest, farthest) = (closest.min(gap), farthest.max(gap));
        // In the order of the server and an interval apart, unless the machine held up the one that was to be first.
        let late =
            if earlier < later { one.saturating_sub(due(earlier)) } else { other.saturating_sub(due(later)) };
        let is_right = earlier < later && gap + LATE >= INTERVAL;
        assert!(is_right || late > LATE, "turn {later} came {gap:?} after turn {earlier}");
    }
    eprintln!("{kind:?}: 60 requests, {closest:?} to {farthest:?} apart at one in {INTERVAL:?}");
}

async fn a_client_that_hangs_up_costs_no_turn_while_others_wait(kind: Kind) {
    const INTERVAL: Duration = ms(1000);
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = format!("--rate 1/1s --key header:x-queue {PATIENT}");
    let proxy = Proxy::start(&server.url(), &upstream.url(), &words).await;
    let mut gate = Gate { monitor: Monitor::start(&server).await, order: Vec::new() };
    let request = |name: &str| proxy.request(&format!("/at/{name}")).header("x-queue", "one");

    let first = gate.send(request("first"), "first").await;
    let gone = gate.send(request("gone"), "gone").await;
    let second = gate.send(request("second"), "second").await;
    let third = gate.send(request("third"), "third").await;
    let start = first_turn(&server, "p:header:x-queue:one", 4, INTERVAL);
    // Answers come in order, so with this one in another queue the third has been told its turn.
    assert_eq!(proxy.request("/").header("x-queue", "other").send().await.unwrap().status(), 200);
    gone.abort();
    gate.monitor.next("RATELIMIT.RETURN").await;
    let fourth = gate.send(request("fourth"), "fourth").await;
    for response in [first, second, third, fourth] {
        assert_eq!(response.await.unwrap().status(), 200);
    }
    let turns: Vec<_> = upstream.arrivals();
    let turn = |at: Duration| (at + ms(1) - start).as_millis() / INTERVAL.as_millis();
    let turns: Vec<_> = turns.iter().map(|(name, at)| (name.as_str(), turn(*at))).collect();
    assert_eq!(turns, [("first", 0), ("second", 1), ("third", 2), ("fourth", 3)]);
}
