//! How long a request takes while the server is half busy.
//!
//! Requests are sent at times that were fixed beforehand, whatever became of those before, and a request's
//! latency counts from the time it was due: a stall of the server tells on every request that it delays. So
//! does a stall of this program, which is why it also says how late it sent.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::contenders::Contender;
use crate::lane::{Keys, Lane};
use crate::load::Connections;
use crate::summary::Summary;
use crate::throughput::Extent;

/// Few, so that each gets several requests while a slow one is under way.
const CONNECTIONS: usize = 8;

/// No reply comes so late.
const PATIENCE: Duration = Duration::from_secs(60);

/// Latencies of one contender.
#[derive(Serialize)]
pub(crate) struct Latency {
    pub(crate) name: String,
    pub(crate) rounds: Vec<Percentiles>,
}

/// Of one round, in µs.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// So late were requests sent, in 999 of 1000 cases at most.
    pub(crate) sent_late_p999: f64,
}

impl Latency {
    pub(crate) fn summary(&self, of: impl Fn(&Percentiles) -> f64) -> Summary {
        Summary::of(self.rounds.iter().map(of))
    }
}

/// Measures the contenders that take part in this, in turn, with states that are there already.
pub(crate) fn measure(
    port: u16,
    contenders: &[Contender],
    rate: f64,
    extent: Extent,
) -> Result<Vec<Latency>, String> {
    let mut connections = Connections::open(port, CONNECTIONS);
    let mut random = fastrand::Rng::with_seed(3);
    let mut measured: Vec<_> = contenders
        .iter()
        .enumerate()
        .filter(|(_, contender)| contender.latency)
        .map(|(database, contender)| (database, contender, Vec::new()))
        .collect();
    for _ in 0..extent.rounds {
        random.shuffle(&mut measured);
        for (database, contender, rounds) in &mut measured {
            connections.select(*database)?;
            let each = (rate * extent.pass.as_secs_f64()) as usize / CONNECTIONS;
            let keys = Keys::Random(extent.keys);
            let lanes = Lane::all(&contender.requests, &keys, each, CONNECTIONS, &mut random);
            rounds.push(round(&mut connections, contender, lanes, each, rate)?);
        }
    }
    measured.sort_by_key(|(database, ..)| *database);
    let latency =
        |(_, contender, rounds): (_, &Contender, _)| Latency { name: contender.name.clone(), rounds };
    Ok(measured.into_iter().map(latency).collect())
}

/// `each`: so many requests are in every lane.
fn round(
    connections: &mut Connections,
    contender: &Contender,
    lanes: Vec<Lane<'_>>,
    each: usize,
    rate: f64,
) -> Result<Percentiles, String> {
    let mut lanes: Vec<_> =
        connections.iter_mut().zip(lanes).map(|(on, lane)| (on, lane, Progress::default())).collect();
    lanes.iter_mut().for_each(|(connection, ..)| connection.set_polled(true));

    // From 1 ns to twice the time in which this gives up, to three digits.
    let histogram = || Histogram::<u64>::new_with_max(2 * PATIENCE.as_nanos() as u64, 3).unwrap();
    let (mut latencies, mut lateness) = (histogram(), histogram());
    let began = Instant::now();
    // Requests go round the connections: the nth of a lane is number n * CONNECTIONS + lane of all.
    let due = |lane: usize, n: usize| Duration::from_secs_f64((n * CONNECTIONS + lane) as f64 / rate);
    let late = |lane, n| began.elapsed().saturating_sub(due(lane, n)).as_nanos() as u64;
    let mut open = true;
    while open {
        open = false;
        for (index, (connection, lane, progress)) in lanes.iter_mut().enumerate() {
            while progress.written < each && due(index, progress.written) <= began.elapsed() {
                lane.write(1, &mut progress.unsent);
                lateness.saturating_record(late(index, progress.written));
                progress.written += 1;
            }
            if !progress.unsent.is_empty() {
                match connection.stream.write(&progress.unsent) {
                    Ok(sent) => drop(progress.unsent.drain(..sent)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            if progress.answered < progress.written {
                connection.fill()?;
                for _ in 0..connection.check(&contender.requests)? {
                    latencies.saturating_record(late(index, progress.answered));
                    progress.answered += 1;
                }
            }
            open |= progress.answered < each;
        }
        if began.elapsed() > PATIENCE + due(0, each) {
            return Err(format!("{} leaves requests unanswered", contender.name));
        }
    }
    lanes.iter_mut().for_each(|(connection, ..)| connection.set_polled(false));
    let us = |histogram: &Histogram<u64>, share| histogram.value_at_quantile(share) as f64 / 1000.0;
    Ok(Percentiles {
        p50: us(&latencies, 0.5),
        p99: us(&latencies, 0.99),
        p999: us(&latencies, 0.999),
        sent_late_p999: us(&lateness, 0.999),
    })
}

/// How far a lane is: requests written, bytes of them that the socket did not take yet, requests answered.
#[derive(Default)]
struct Progress {
    written: usize,
    unsent: Vec<u8>,
    answered: usize,
}
