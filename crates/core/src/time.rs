//! Instants and durations, in types that carry their unit.

/// The longest duration anywhere in the protocol: 100 years of 365.25 days, in ms.
pub const MAX_MS: u64 = 36_525 * 24 * 60 * 60 * 1_000;

/// The same bound in ns. It is below 2^62, which keeps every product of this crate inside 128 bits.
pub const MAX_NS: u64 = MAX_MS * NS_PER_MS;

/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;

/// An instant of the server's clock: ns since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The instant `us` microseconds after the epoch. A clock before 1970 reads as the epoch.
    pub fn from_micros(us: i64) -> Self {
        Self(u64::try_from(us).unwrap_or(0).saturating_mul(1_000))
    }

    /// Whole µs since the epoch.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole ms since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0 / NS_PER_MS
    }

    /// Ms since the epoch, rounded up.
    pub const fn ceil_millis(self) -> u64 {
        self.0.div_ceil(NS_PER_MS)
    }

    /// The instant `ms` milliseconds after the epoch; the end of all time beyond what a `u64` holds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(NS_PER_MS))
    }
}

/// A duration in ms, from 0 to [`MAX_MS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Millis(u64);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `ms` milliseconds; `None` beyond 100 years.
    pub const fn new(ms: u64) -> Option<Self> {
        if ms <= MAX_MS { Some(Self(ms)) } else { None }
    }

    /// In ms.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// In ns; at most [`MAX_NS`].
    pub const fn as_nanos(self) -> u64 {
        self.0 * NS_PER_MS
    }
}
