//! A mutex, whatever has panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is locked by this is never left half changed, so a panic elsewhere does not matter.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
