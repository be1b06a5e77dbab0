//! The commands: one file each, its declaration beside what it does.
//!
//! Each reads from top to bottom: parse, open, decide, commit, reply. Nothing can fail between the
//! first write and the last element of the reply.

mod cl_throttle;
mod lock_acquire;
mod lock_extend;
mod lock_family;
mod lock_info;
mod lock_load;
mod lock_release;
mod lock_try;
mod ratelimit_acquire;
mod ratelimit_family;
mod ratelimit_hold;
mod ratelimit_info;
mod ratelimit_peek;
mod ratelimit_policy;
mod ratelimit_policy_del;
mod ratelimit_policy_get;
mod ratelimit_policy_list;
mod ratelimit_policy_replace;
mod ratelimit_policy_set;
mod ratelimit_return;
mod ratelimit_top;
mod ratelimit_turn;

use crate::config;
use crate::server::{LoadError, Loading, warn};

/// Registers every command; [`cl_throttle`] only where it is asked for.
pub(crate) fn register(server: &mut Loading<'_>) -> Result<(), LoadError> {
    server.add_category(ratelimit_family::CATEGORY);
    server.add_command::<ratelimit_acquire::RatelimitAcquire>()?;
    server.add_command::<ratelimit_peek::RatelimitPeek>()?;
    server.add_command::<ratelimit_return::RatelimitReturn>()?;
    server.add_command::<ratelimit_info::RatelimitInfo>()?;
    server.add_command::<ratelimit_hold::RatelimitHold>()?;
    server.add_command::<ratelimit_turn::RatelimitTurn>()?;
    server.add_command::<ratelimit_top::RatelimitTop>()?;
    server.add_container(&ratelimit_policy::SPEC)?;
    server.add_command::<ratelimit_policy_set::RatelimitPolicySet>()?;
    server.add_command::<ratelimit_policy_del::RatelimitPolicyDel>()?;
    server.add_command::<ratelimit_policy_replace::RatelimitPolicyReplace>()?;
    server.add_command::<ratelimit_policy_list::RatelimitPolicyList>()?;
    server.add_command::<ratelimit_policy_get::RatelimitPolicyGet>()?;
    if config::throttle() && !server.add_command_unless_taken::<cl_throttle::ClThrottle>()? {
        warn("the server has a command CL.THROTTLE already: going on without ours");
    }
    server.add_category(lock_family::CATEGORY);
    server.add_command::<lock_try::LockTry>()?;
    server.add_command::<lock_acquire::LockAcquire>()?;
    server.add_command::<lock_extend::LockExtend>()?;
    server.add_command::<lock_release::LockRelease>()?;
    server.add_command::<lock_info::LockInfo>()?;
    server.add_command::<lock_load::LockLoad>()
}
