//! Limiters and locks for code that is not async: the same names and methods, and callers block.
//!
//! ```
//! use std::time::Duration;
//! use sluice_client::sync::{Attempt, Limiter, Locks};
//! use sluice_client::{Limit, Outage};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let client = redis::Client::open(sluice_testing::url())?;
//! let limiter = Limiter::new(client.clone(), Limit::per_second(2).burst(1), Outage::Closed);
//! if limiter.acquire("partner:api")?.is_granted() {
//!     // our turn has come: this thread has slept until now
//! }
//!
//! let locks = Locks::new(client);
//! match locks.lock("lock:nightly").ttl(Duration::from_secs(30)).acquire(Duration::from_secs(5))? {
//!     Attempt::Held { .. } => println!("the last run is still at it"),
//!     Attempt::Acquired(mut guard) => {
//!         guard.keep_alive(); // renews beside the work, which may block
//!         println!("write, with the fence {}", guard.fence());
//!     } // and released here
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All of them in a process share one runtime of tokio on one thread of its own, `sluice-client`, which is made at the first
//! call and lives as long as the process: connections, renewals and what follows from giving up are seen to there. So a
//! child that is forked without `exec` has to make its limiters and locks before any call in its parent, or not at all.
//!
//! # In async code
//!
//! A call from async code would block its runtime. It is [`Error::InAsync`], and nothing is sent; use
//! [`sluice_client::Limiter`](crate::Limiter) and [`sluice_client::Locks`](crate::Locks) there, or call from within
//! `tokio::task::spawn_blocking` or `block_in_place`, where blocking is allowed. (A guard may be dropped there too: it is
//! released without waiting for that.) What runs in `tokio::task::unconstrained` cannot be told from code that may block:
//! calls and drops panic there, as `block_on` does.

mod guard;
mod limiter;
mod locks;
mod runtime;

pub use guard::{Guard, Lost, NotReleased};
pub use limiter::{Limiter, Permit};
pub use locks::{Attempt, Lock, Locks};

#[cfg(doc)]
use crate::error::Error;
