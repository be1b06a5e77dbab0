//! Limits for a whole process: waiting in turn, handing turns on, and what happens in an outage.
//!
//! A *turn* is the time at which the server has told a caller to go ahead.
//!
//! | file | idea |
//! |---|---|
//! | `settings` | the limiter: what it is made of and told |
//! | `calls` | what can be asked of it |
//! | `permit` | what it answers: a decision, and the means to settle it |
//! | `settling` | what comes after a call: settling it, giving back what it took |
//! | `looking` | looking at a key, and forgetting it |
//! | `ask` | one command, answered within the deadline or not at all |
//! | `gate` | the way to the server: through the breaker, over the line |
//! | `breaker` | whether a command may be sent now: pure, time is a parameter |
//! | `lane` | which turns can be exchanged for each other |
//! | `turns` | who waits, which turns there are: pure, time is a parameter |
//! | `given_up` | turns that were given up: on their way back, or spare |
//! | `in_process` | limiters on a server in this process |
//! | `in_order` | several futures at once, begun in an order |
//! | `queue` | the turns of all keys, their wake-ups, and what is offered back |
//! | `crowds` | those who ask for one key at once, asked for together, and the tasks that ask |
//! | `crowd` | who of them asks, who waits, who is told what: pure, time is a parameter |
//! | `shares` | one answer for several calls: what each is told |
//! | `ahead` | tokens taken ahead for calls that will come: pure, time is a parameter |
//! | `outage` | the choice when the server is out of reach |
//! | `local` | the module's decisions, made in this process |
//! | `refusals` | refusals that are known already |

mod ahead;
mod ask;
mod breaker;
mod calls;
mod crowd;
mod crowds;
mod gate;
mod given_up;
mod in_order;
mod in_process;
mod lane;
mod local;
mod looking;
mod outage;
mod permit;
mod queue;
mod refusals;
mod settings;
mod settling;
mod shares;
mod turns;

pub use outage::Outage;
pub use permit::Permit;
pub use settings::Limiter;
