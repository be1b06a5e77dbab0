//! Callers with different limits on one key count together: while a new version of a service is rolled out, when a plan
//! changes, when two name the same limits in another order. They do no more than the larger limit allows, and none more
//! than its own.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use sluice_testing::{Client, Kind, Server, on_every_server};

use crate::shared::{NOON_MS, at_noon, number};

on_every_server![
    two_versions_do_no_more_than_the_larger_limit,
    two_versions_in_a_queue_do_no_more_than_the_larger_limit,
    a_limit_of_a_minute_beside_one_of_a_second,
    two_limits_in_another_order_are_the_same_two,
    a_settled_call_of_ten_times_the_budget_is_paid_for,
    two_versions_at_full_speed_do_no_more_than_the_larger_limit,
];

/// As a limit promises it.
#[derive(Clone, Copy)]
struct Promise {
    burst: i64,
    count: i64,
    period_ms: i64,
}

const fn promise(burst: i64, count: i64, period_ms: i64) -> Promise {
    Promise { burst, count, period_ms }
}

impl Promise {
    /// In no window do these acts, in us and in order, cost more than burst + count * t / period.
    #[track_caller]
    fn assert_kept(self, acts_us: &[i64], who: &str) {
        for (first, from_us) in acts_us.iter().enumerate() {
            for (last, to_us) in acts_us.iter().enumerate().skip(first) {
                let cost = i64::try_from(last - first + 1).unwrap();
                let beyond = (cost - self.burst) * self.period_ms * 1000;
                let refilled = self.count * (to_us - from_us);
                assert!(beyond <= refilled, "{who}: {cost} acts in {} us", to_us - from_us);
            }
        }
    }
}

/// Two versions: the limits of each with what it promises, and what both together promise.
type Versions = ([(&'static str, Promise); 2], Promise);

const VERSIONS: [Versions; 4] = [
    (
        [("LIMIT 60 EX 60", promise(60, 60, 60_000)), ("LIMIT 1 EX 1", promise(1, 1, 1000))],
        promise(60, 1, 1000),
    ),
    (
        [("LIMIT 10 EX 1", promise(10, 10, 1000)), ("LIMIT 20 EX 1", promise(20, 20, 1000))],
        promise(20, 20, 1000),
    ),
    (
        [
            ("LIMIT 100 EX 60 BURST 20", promise(20, 100, 60_000)),
            ("LIMIT 100 EX 60", promise(100, 100, 60_000)),
        ],
        promise(100, 100, 60_000),
    ),
    (
        [("LIMIT 7 EX 3", promise(7, 7, 3000)), ("LIMIT 3 EX 1 BURST 2", promise(2, 3, 1000))],
        promise(7, 3, 1000),
    ),
];

/// When each of the two versions acted, in us, in ten seconds of calls from two connections each, every 20 ms.
fn ten_seconds(kind: Kind, limits: [&str; 2], mode: &str) -> [Vec<i64>; 2] {
    let (server, _) = at_noon(kind);
    let mut connections: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    let mut acts = [Vec::new(), Vec::new()];
    for step in 0..500_usize {
        let now_us = NOON_MS * 1000 + i64::try_from(step).unwrap() * 20_000;
        server.set_clock_us(now_us);
        // Each is first once in a while.
        connections.rotate_left(1);
        for (number, connection) in connections.iter_mut().enumerate() {
            let version = (number + step) % 2;
            let reply = connection.ask(&format!("RATELIMIT.ACQUIRE k {} {mode}", limits[version])).ints();
            if reply[0] == 1 {
                acts[version].push(reply.get(6).copied().unwrap_or(now_us));
            }
        }
    }
    connections.iter_mut().for_each(Client::assert_in_step);
    assert_eq!(number(&mut connections[0], "sluice", "sluice_mixed"), 1);
    acts
}

/// In which order they acted, whoever they were.
fn together(acts: &[Vec<i64>; 2]) -> Vec<i64> {
    let mut all = acts.concat();
    all.sort_unstable();
    all
}

fn two_versions_do_no_more_than_the_larger_limit(kind: Kind) {
    for (limits, both) in VERSIONS {
        let acts = ten_seconds(kind, limits.map(|(limit, _)| limit), "");
        for ((limit, own), acts) in limits.iter().zip(&acts) {
            own.assert_kept(acts, limit);
        }
        let all = together(&acts);
        both.assert_kept(&all, &format!("{} and {}", limits[0].0, limits[1].0));
        // And no less than the slower of them would alone.
        let slower = limits.iter().map(|(_, own)| own.count * 10_000 / own.period_ms).min().unwrap();
        assert!(i64::try_from(all.len()).unwrap() >= slower, "{} of {slower} in 10 s", all.len());
    }
}

fn two_versions_in_a_queue_do_no_more_than_the_larger_limit(kind: Kind) {
    for (limits, both) in VERSIONS {
        let acts = ten_seconds(kind, limits.map(|(limit, _)| limit), "MAXWAIT 3000");
        for ((limit, own), acts) in limits.iter().zip(&acts) {
            let mut acts = acts.clone();
            acts.sort_unstable();
            own.assert_kept(&acts, limit);
        }
        both.assert_kept(&together(&acts), &format!("{} and {}, queued", limits[0].0, limits[1].0));
    }
}

fn a_limit_of_a_minute_beside_one_of_a_second(kind: Kind) {
    let acts = ten_seconds(kind, ["LIMIT 60 EX 60", "LIMIT 1 EX 1"], "");
    let (old, new) = (acts[0].len(), acts[1].len());
    // 60 at once and one a second: what LIMIT 60 EX 60 alone lets through. It was 646 when each brought tokens along.
    assert!(old + new <= 70 && old + new >= 60, "{old} and {new} calls in 10 s where 70 may go");
}

fn two_limits_in_another_order_are_the_same_two(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let orders = ["LIMIT 10 EX 1 LIMIT 1000 EX 3600", "LIMIT 1000 EX 3600 LIMIT 10 EX 1"];
    let calls = orders.map(|limits| format!("RATELIMIT.ACQUIRE k {limits}"));
    let pipeline: Vec<_> = (0..4).map(|n| &calls[n % 2]).collect();
    let mut granted = 0;
    for step in 0..6000 {
        server.set_clock_ms(NOON_MS + step * 100);
        granted += client.pipeline(&pipeline).iter().map(|reply| reply.ints()[0]).sum::<i64>();
    }
    // 1,000 at once and 1,000 an hour. It was 5,960 when each order took the other's limits for changed ones.
    assert!((1100..=1166).contains(&granted), "{granted} calls in 600 s where 1,166 may go");
    assert_eq!(number(&mut client, "sluice", "sluice_mixed"), 0);
}

fn a_settled_call_of_ten_times_the_budget_is_paid_for(kind: Kind) {
    let (server, _) = at_noon(kind);
    let mut gateways = [server.connect(), server.connect()];
    let limit = "LIMIT 100000 EX 60"; // 6 million an hour
    let (mut tokens, mut owed_until_s) = (0, 0);
    // Two gateways that ask again every second, whatever they were told.
    for second in 0..3600 {
        server.set_clock_ms(NOON_MS + second * 1000);
        for gateway in &mut gateways {
            // An estimate; the true cost is known when the answer is there.
            if gateway.ask(&format!("RATELIMIT.ACQUIRE k {limit} COST 1000")).ints()[0] == 0 {
                continue;
            }
            assert!(second >= owed_until_s, "granted in second {second}, and owed until {owed_until_s}");
            let settled = gateway.ask(&format!("RATELIMIT.ACQUIRE k {limit} COST 999000 FORCE")).ints();
            tokens += 1_000_000;
            owed_until_s = second + settled[1] / 1000;
            assert!(
                settled[0] == 1 && settled[1] >= 500_000,
                "ten times the budget is owed for: {settled:?}"
            );
        }
    }
    // It was 60 million when a debt beyond the longest queue was forgiven.
    assert!(
        tokens <= 7_000_000,
        "{tokens} tokens in the first hour where 6 million may go, and 1 more at once"
    );
    assert!(tokens >= 6_000_000, "{tokens} tokens in the first hour where 6 million may go");
    let forgiven =
        ["debt_cut", "repaired"].map(|name| number(&mut gateways[0], "sluice", &format!("sluice_{name}")));
    assert_eq!(forgiven, [0, 0]);
}

/// On the clock of the day, from eight connections at once; each makes so many calls and no more.
fn two_versions_at_full_speed_do_no_more_than_the_larger_limit(kind: Kind) {
    for ([(old, _), (new, _)], both) in VERSIONS {
        let server = Server::start(kind);
        let lines = [old, new].map(|limits| format!("RATELIMIT.ACQUIRE k {limits}"));
        let clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
        let ready = Barrier::new(clients.len());
        let began = Instant::now();
        let granted: i64 = thread::scope(|scope| {
            let callers = clients.into_iter().enumerate().map(|(number, mut client)| {
                let (ready, line) = (&ready, &lines[number % 2]);
                scope.spawn(move || {
                    ready.wait();
                    let granted = (0..500).map(|_| client.ask(line).ints()[0]).sum::<i64>();
                    client.assert_in_step();
                    granted
                })
            });
            let callers: Vec<_> = callers.collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        let lasted_ms = i64::try_from(began.elapsed().as_millis()).unwrap() + 1;
        let most = both.burst + both.count * lasted_ms / both.period_ms;
        assert!(granted <= most, "{old} and {new}: {granted} in {lasted_ms} ms where {most} may go");
        assert!(granted >= 1);
    }
}
