//! The settings of the module, `sluice.<name>` in `CONFIG GET`.

use std::ffi::CStr;

use crate::time::MAX_MS;

/// A number that can be set while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberSetting {
    /// Without the module's name in front.
    pub name: &'static CStr,
    /// What it is unless somebody sets it.
    pub default: i64,
    /// The least that may be set.
    pub min: i64,
    /// The most that may be set.
    pub max: i64,
}

/// The longest reservation that `MAXWAIT` may ask for, in ms.
pub const MAX_WAIT_MS: NumberSetting =
    NumberSetting { name: c"max-wait-ms", default: 60_000, min: 0, max: MAX_MS as i64 };

/// The longest debt beyond a full bucket that `FORCE` may leave, in ms.
pub const MAX_DEBT_MS: NumberSetting =
    NumberSetting { name: c"max-debt-ms", default: 3_600_000, min: 0, max: MAX_MS as i64 };

/// How many clients may wait for one lock.
pub const MAX_WAITERS: NumberSetting =
    NumberSetting { name: c"max-waiters", default: 1_000, min: 0, max: 1_000_000 };

/// How many clients may wait for locks in all. A bound on memory: the server counts 35 to 38 KB for each.
pub const MAX_WAITERS_TOTAL: NumberSetting =
    NumberSetting { name: c"max-waiters-total", default: 4_000, min: 0, max: 1_000_000 };

/// A text that can be set while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSetting {
    /// Without the module's name in front.
    pub name: &'static CStr,
    /// What it is unless somebody sets it.
    pub default: &'static CStr,
}

/// A switch, `yes` or `no`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchSetting {
    /// Without the module's name in front.
    pub name: &'static CStr,
    /// What it is unless somebody sets it.
    pub default: bool,
    /// Whether it can be set while the server runs, and not only at its start.
    pub at_any_time: bool,
}

/// Whether refusals are counted by key, for `RATELIMIT.TOP`.
pub const TOP: SwitchSetting = SwitchSetting { name: c"top", default: true, at_any_time: true };

/// Whether there is `CL.THROTTLE`.
pub const THROTTLE: SwitchSetting = SwitchSetting { name: c"throttle", default: false, at_any_time: false };

/// All policies, as [`text`](crate::policy::text) has them.
pub const POLICIES: TextSetting = TextSetting { name: c"policies", default: c"" };

/// Every setting that is a number.
pub const ALL: &[NumberSetting] = &[MAX_WAIT_MS, MAX_DEBT_MS, MAX_WAITERS, MAX_WAITERS_TOTAL];
