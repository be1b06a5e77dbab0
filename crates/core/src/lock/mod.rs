//! Who holds a lock, under which fence, until when; and whether one more may.
//!
//! A lock is a list of leases, one for each holder, so that a semaphore (`HOLDERS n`) is the same
//! code as a mutex. A lease is live while `now < deadline`, and it ends no later than the key
//! itself expires: whoever shortens the key's expiry shortens the lease, and whoever removes the
//! expiry makes no immortal lock.
//!
//! Reading goes through [`View`], which looks at live leases only and changes nothing, so a refused
//! call leaves the stored value as it was. Writing starts with [`Lock::settle`].
//!
//! | file | duty |
//! |---|---|
//! | `holder` | one lease: owner, fence, deadline |
//! | `claim` | what a caller asks, and the three integers that it is told |
//! | `value` | the stored list of leases: grant, extend, release |
//! | `holders` | that list, with indexes where it is long |
//! | `changes` | what has been done to it, for those who keep a copy |
//! | `view` | the live leases at one instant, and what each caller is told of them |
//! | `fences` | where fencing tokens come from |
//! | [`queue`] | who waits for which lock, first in first out |

mod changes;
mod claim;
mod fences;
mod holder;
mod holders;
pub mod queue;
mod value;
mod view;

pub use changes::{Change, Changes};
pub use claim::{Claim, MAX_HOLDERS, NOBODY, Reply};
pub use fences::{FENCE_BOUND, FOREIGN_LEAD, Fences, Source};
pub use holder::{Holder, MAX_OWNER_LEN, is_owner};
pub use value::Lock;
pub use view::View;
