//! What outlives a command: state that commands, callbacks and alarms share.
//!
//! The rule is told here, and nowhere else: **never call the server while such state is in hand**.
//! Nearly every function of the server's may run a callback of ours before it returns (waking a
//! client answers it, deleting or opening a key tells the data type, a notification may make
//! another module call one of our commands), and that callback wants the same state. So it is only
//! ever lent to a closure, which takes out what it needs and returns; the server is called after.
//!
//! A debug build stops at the first call that breaks the rule, whether or not the server would have
//! called back this time. In a release build a call back would wait for itself, for ever.

use std::sync::{Mutex, PoisonError};

/// State under the rule above. Made when it is first asked for.
///
/// A mutex, because another module may call us from a thread of its own, under the server's global
/// lock. As that lock is held by whoever runs our code, nobody ever waits here for another thread.
pub(crate) struct Guarded<T> {
    state: Mutex<Option<T>>,
}

impl<T: Default> Guarded<T> {
    pub(crate) const fn new() -> Self {
        Self { state: Mutex::new(None) }
    }

    /// Lends the state to `run`, which must not call the server. It is whole even after a panic of
    /// `run`, as far as `run` leaves it whole at each step.
    pub(crate) fn with<R>(&self, run: impl FnOnce(&mut T) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _inside = rule::Inside::enter();
        run(state.get_or_insert_default())
    }
}

pub(super) use rule::check;

#[cfg(debug_assertions)]
mod rule {
    use std::cell::Cell;

    thread_local! {
        static INSIDE: Cell<bool> = const { Cell::new(false) };
    }

    /// While this lives, this thread must not call the server.
    pub(super) struct Inside;

    impl Inside {
        pub(super) fn enter() -> Self {
            INSIDE.set(true);
            Self
        }
    }

    impl Drop for Inside {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }

    /// Called before every call of the server.
    #[track_caller]
    pub(in crate::server) fn check() {
        assert!(!INSIDE.get(), "the server is called while guarded state is in hand");
    }
}

#[cfg(not(debug_assertions))]
mod rule {
    pub(super) struct Inside;

    impl Inside {
        pub(super) const fn enter() -> Self {
            Self
        }
    }

    pub(in crate::server) const fn check() {}
}
