//! What each connection sends in a pass: which requests, for which keys.

use std::ops::Range;

use crate::wire::Request;

/// Which keys the operations of a pass are about. No key is drawn for two connections (but the one), so an
/// operation of two requests is never disturbed.
#[derive(Clone)]
pub(crate) enum Keys {
    /// Any of the first so many, each time anew.
    Random(u32),
    /// Each of these once, in random order.
    Once(Range<u32>),
    /// Always the first.
    One,
}

impl Keys {
    /// Shares them out among so many connections.
    fn share(&self, connections: usize, random: &mut fastrand::Rng) -> Vec<Box<dyn Iterator<Item = u32>>> {
        let mut once = Vec::new();
        if let Self::Once(range) = self {
            once.extend(range.clone());
            random.shuffle(&mut once);
        }
        let share = |connection: usize| -> Box<dyn Iterator<Item = u32>> {
            match *self {
                Self::One => Box::new(std::iter::repeat(0)),
                Self::Once(_) => {
                    let own: Vec<_> = once.iter().copied().skip(connection).step_by(connections).collect();
                    Box::new(own.into_iter())
                }
                Self::Random(count) => {
                    let (first, step) = (connection as u32, connections as u32);
                    let own = (count - first).div_ceil(step);
                    let mut random = random.fork();
                    Box::new(std::iter::repeat_with(move || first + step * random.u32(..own)))
                }
            }
        };
        (0..connections).map(share).collect()
    }
}

/// What one connection has yet to send in a pass.
pub(crate) struct Lane<'a> {
    /// One operation: all of these for one key.
    requests: &'a [Request],
    keys: Box<dyn Iterator<Item = u32>>,
    operations: usize,
    /// The key of the operation that is under way, and how many of its requests have been written.
    under_way: Option<(u32, usize)>,
}

impl<'a> Lane<'a> {
    /// The lanes of all connections, with so many operations in each.
    pub(crate) fn all(
        requests: &'a [Request],
        keys: &Keys,
        operations: usize,
        connections: usize,
        random: &mut fastrand::Rng,
    ) -> Vec<Self> {
        let shares = keys.share(connections, random).into_iter();
        shares.map(|keys| Self { requests, keys, operations, under_way: None }).collect()
    }

    /// Appends so many requests, or what is left of them, and says how many.
    pub(crate) fn write(&mut self, most: usize, out: &mut Vec<u8>) -> usize {
        for written in 0..most {
            let Some((key, position)) = self.under_way.or_else(|| self.next_operation()) else {
                return written;
            };
            self.requests[position].write(key, out);
            self.under_way = (position + 1 < self.requests.len()).then_some((key, position + 1));
        }
        most
    }

    fn next_operation(&mut self) -> Option<(u32, usize)> {
        self.operations = self.operations.checked_sub(1)?;
        Some((self.keys.next()?, 0))
    }
}
