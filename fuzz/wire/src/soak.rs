//! For as long as you like: the memory of a server that is called by hostile clients is flat, from one restart to the
//! next.

use std::time::{Duration, Instant};

use crate::campaign::Campaign;
use crate::memory::Memory;
use crate::options::{Options, number};
use crate::setting::Setting;

/// So much more than the most in the warm-up is still flat: the server's buffers and tables, whose size goes by what
/// came last, differ by as much.
const USED: i64 = 2 << 20;
const RESIDENT: i64 = 48 << 20;

/// The share of a life that is warm-up.
const WARM_UP: f64 = 0.25;

/// Lives of one server, each from a start to a restart.
const LIVES: u32 = 3;

const CALLS_BETWEEN: u64 = 20_000;

/// Shared by the servers: an hour, unless `SECONDS` says otherwise.
pub(crate) fn run(options: &Options) {
    let seconds = number("SECONDS").unwrap_or(3600);
    let life = Duration::from_secs(seconds) / options.servers.len() as u32 / LIVES;
    for kind in &options.servers {
        let mut campaign = Campaign::start(*kind, Setting::Plain, options.seed, &[]);
        for number in 1..=LIVES {
            let began = Instant::now();
            let mut warm: Option<Memory> = None;
            let mut said = began;
            while began.elapsed() < life {
                campaign.stretch(CALLS_BETWEEN);
                let now = Memory::of(campaign.server());
                match warm {
                    Some(warm) if began.elapsed() >= life.mul_f64(WARM_UP) => {
                        let more = now.since(warm);
                        assert!(more.used < USED && more.resident < RESIDENT, "memory grows: {more}");
                    }
                    Some(before) => warm = Some(before.most(now)),
                    None => warm = Some(now),
                }
                if said.elapsed() > life / 6 {
                    said = Instant::now();
                    let (used, resident) = (now.used >> 10, now.resident >> 10);
                    let seconds = began.elapsed().as_secs();
                    println!(
                        "{} life {number}, {seconds} s: {used} KiB used, {resident} KiB resident",
                        kind.name()
                    );
                }
            }
            campaign.server().restart();
        }
        println!("{}: memory is flat; {}", kind.name(), campaign.end());
    }
}
