//! Locks that tell what they know: who may hold one no more is told so.
//!
//! | file | idea |
//! |---|---|
//! | `lock` | the locks of a server, and one of them: taking it, waiting for it |
//! | `attempt` | what an attempt comes to, also when its answer is lost |
//! | `claimant` | a fresh owner for each attempt, which ends in a release |
//! | `seats` | who of this process waits in the server, and who waits here |
//! | `server` | the server as locks see it |
//! | `wait` | waiting in the server, and giving the wait up |
//! | `listen` | hearing of a wait although its connection hangs |
//! | `in_process` | locks on a server in this process |
//! | `lease` | until when a lock is held, as far as this process can know |
//! | `guard` | a lock that is held |

mod attempt;
mod claimant;
mod guard;
mod in_process;
mod lease;
mod listen;
mod lock;
mod seats;
mod server;
mod wait;

pub use attempt::Attempt;
pub use guard::{Guard, NotReleased};
pub use lock::{Lock, Locks};
