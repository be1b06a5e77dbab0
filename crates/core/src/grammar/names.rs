//! The names of the commands.

use std::ffi::CStr;

/// A command's name, in both spellings that are needed. Servers take either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandName {
    lower: &'static CStr,
    upper: &'static CStr,
}

impl CommandName {
    /// As servers list it, such as `ratelimit.acquire`, or `ratelimit.policy|set` for two words.
    pub const fn lower(self) -> &'static CStr {
        self.lower
    }

    /// As people and clients write it, such as `RATELIMIT.ACQUIRE`.
    pub const fn upper(self) -> &'static CStr {
        self.upper
    }

    /// The same, as text.
    pub fn as_str(self) -> &'static str {
        self.upper.to_str().unwrap_or_default()
    }

    /// The second word of a command of two, such as `set`.
    pub fn second(self) -> Option<&'static CStr> {
        let bytes = self.lower.to_bytes_with_nul();
        let bar = bytes.iter().position(|byte| *byte == b'|')?;
        CStr::from_bytes_with_nul(bytes.get(bar + 1..)?).ok()
    }

    /// The words to send, such as `RATELIMIT.POLICY` and `SET`.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        self.as_str().split('|')
    }

    /// What all commands of its family begin with, such as `RATELIMIT.`.
    pub fn family(self) -> &'static str {
        let name = self.as_str();
        name.split_inclusive('.').next().unwrap_or(name)
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $lower:literal, $upper:literal;)+) => {
        $($(#[$doc])* pub const $name: CommandName = CommandName { lower: $lower, upper: $upper };)+

        /// Every command.
        pub const ALL: &[CommandName] = &[$($name),+];
    };
}

names! {
    /// Takes tokens.
    RATELIMIT_ACQUIRE = c"ratelimit.acquire", c"RATELIMIT.ACQUIRE";
    /// Says what taking them would answer.
    RATELIMIT_PEEK = c"ratelimit.peek", c"RATELIMIT.PEEK";
    /// Gives tokens back.
    RATELIMIT_RETURN = c"ratelimit.return", c"RATELIMIT.RETURN";
    /// Shows the stored limits of a key.
    RATELIMIT_INFO = c"ratelimit.info", c"RATELIMIT.INFO";
    /// Lets nobody act before an instant.
    RATELIMIT_HOLD = c"ratelimit.hold", c"RATELIMIT.HOLD";
    /// Says whether a turn still stands.
    RATELIMIT_TURN = c"ratelimit.turn", c"RATELIMIT.TURN";
    /// Shows which keys were refused most.
    RATELIMIT_TOP = c"ratelimit.top", c"RATELIMIT.TOP";
    /// What stands in front of the commands on policies.
    RATELIMIT_POLICY = c"ratelimit.policy", c"RATELIMIT.POLICY";
    /// Sets one policy.
    RATELIMIT_POLICY_SET = c"ratelimit.policy|set", c"RATELIMIT.POLICY|SET";
    /// Deletes policies.
    RATELIMIT_POLICY_DEL = c"ratelimit.policy|del", c"RATELIMIT.POLICY|DEL";
    /// Sets all policies at once.
    RATELIMIT_POLICY_REPLACE = c"ratelimit.policy|replace", c"RATELIMIT.POLICY|REPLACE";
    /// Lists the policies.
    RATELIMIT_POLICY_LIST = c"ratelimit.policy|list", c"RATELIMIT.POLICY|LIST";
    /// Shows one policy.
    RATELIMIT_POLICY_GET = c"ratelimit.policy|get", c"RATELIMIT.POLICY|GET";
    /// Takes a lock if it is free.
    LOCK_TRY = c"lock.try", c"LOCK.TRY";
    /// Takes a lock, or waits for it.
    LOCK_ACQUIRE = c"lock.acquire", c"LOCK.ACQUIRE";
    /// Sets what is left of a lease.
    LOCK_EXTEND = c"lock.extend", c"LOCK.EXTEND";
    /// Ends a lease, or a wait.
    LOCK_RELEASE = c"lock.release", c"LOCK.RELEASE";
    /// Shows who holds a lock.
    LOCK_INFO = c"lock.info", c"LOCK.INFO";
    /// A whole lock, for replicas and AOF.
    LOCK_LOAD = c"lock.load", c"LOCK.LOAD";
    /// What redis-cell has. Only on request.
    CL_THROTTLE = c"cl.throttle", c"CL.THROTTLE";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_of_one_name() {
        for name in ALL {
            assert_eq!(name.upper().to_bytes().to_ascii_lowercase(), name.lower().to_bytes());
        }
        assert_eq!(LOCK_TRY.family(), "LOCK.");
        assert_eq!(RATELIMIT_ACQUIRE.family(), "RATELIMIT.");
        assert_eq!(RATELIMIT_POLICY_SET.second(), Some(c"set"));
        assert_eq!(RATELIMIT_POLICY.second(), None);
        assert!(RATELIMIT_POLICY_SET.words().eq(["RATELIMIT.POLICY", "SET"]));
    }
}
