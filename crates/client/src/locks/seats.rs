//! Who of this process waits in the server, and who waits here.
//!
//! A wait in the server takes a connection, of which a process has not any number. So of all who wait for one
//! lock here, one has the *seat*: it waits in the server for all of them, and when it is done, the next has the
//! seat and its connection, first in, first out. And there are only so many seats: beyond that an attempt to wait
//! for yet another lock is an error at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::link::{Connect, Wire};

/// How many locks are waited for at once, unless said otherwise.
const SEATS: usize = 64;

/// The seats of a process.
pub(super) struct Seats<K: Connect>(Mutex<State<K>>);

struct State<K: Connect> {
    seats: usize,
    /// Those behind whoever has the seat, for each lock that is waited for.
    taken: HashMap<Arc<[u8]>, VecDeque<oneshot::Sender<Seat<K>>>>,
}

/// What whoever comes to wait finds.
pub(super) enum Place<K: Connect> {
    /// Nobody here waits for this lock.
    Seat(Seat<K>),
    /// The seat comes when those ahead are done.
    Behind(oneshot::Receiver<Seat<K>>),
    /// All seats, of which there are so many, are taken for other locks.
    Full(usize),
}

/// Whoever has it may wait in the server for this lock. Dropping it hands it on.
pub(super) struct Seat<K: Connect> {
    seats: Arc<Seats<K>>,
    /// None once it was handed on.
    key: Option<Arc<[u8]>>,
    /// A connection that nobody else uses, if whoever was here before has left one that works.
    pub(super) connection: Option<Wire<K::Connection>>,
}

impl<K: Connect> Seats<K> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { seats: SEATS, taken: HashMap::new() }))
    }

    pub(super) fn set_number(&self, seats: usize) {
        self.state().seats = seats;
    }

    /// Somebody comes to wait for a lock.
    pub(super) fn sit(self: &Arc<Self>, key: &Arc<[u8]>) -> Place<K> {
        let mut state = self.state();
        if let Some(behind) = state.taken.get_mut(key) {
            let (call, called) = oneshot::channel();
            behind.push_back(call);
            return Place::Behind(called);
        }
        if state.taken.len() >= state.seats {
            return Place::Full(state.seats);
        }
        state.taken.insert(Arc::clone(key), VecDeque::new());
        Place::Seat(Seat { seats: Arc::clone(self), key: Some(Arc::clone(key)), connection: None })
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        // Nothing in here panics half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Connect> Drop for Seat<K> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let mut connection = self.connection.take();
        loop {
            let next = {
                let mut state = self.seats.state();
                let next = state.taken.get_mut(&key).and_then(VecDeque::pop_front);
                if next.is_none() {
                    state.taken.remove(&key);
                }
                next
            };
            let Some(call) = next else { return };
            let seat = Seat { seats: Arc::clone(&self.seats), key: Some(Arc::clone(&key)), connection };
            match call.send(seat) {
                Ok(()) => return,
                // Gone meanwhile: the next, with what this one was to have.
                Err(mut seat) => {
                    seat.key = None;
                    connection = seat.connection.take();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(number: usize) -> Arc<Seats<redis::Client>> {
        let seats = Arc::new(Seats::new());
        seats.set_number(number);
        seats
    }

    fn key(name: &str) -> Arc<[u8]> {
        name.as_bytes().into()
    }

    fn behind(seats: &Arc<Seats<redis::Client>>, name: &str) -> oneshot::Receiver<Seat<redis::Client>> {
        match seats.sit(&key(name)) {
            Place::Behind(called) => called,
            Place::Seat(_) | Place::Full(_) => panic!("somebody waits there"),
        }
    }

    #[test]
    fn one_of_each_lock_has_the_seat_and_hands_it_on_in_order() {
        let seats = seats(2);
        let Place::Seat(first) = seats.sit(&key("a")) else { panic!("nobody waits") };
        let (mut second, gone, mut third) = (behind(&seats, "a"), behind(&seats, "a"), behind(&seats, "a"));
        assert!(second.try_recv().is_err());
        drop(gone);
        drop(first);
        let seat = second.try_recv().unwrap();
        assert!(third.try_recv().is_err());
        drop(seat);
        drop(third.try_recv().unwrap());
        assert!(matches!(seats.sit(&key("a")), Place::Seat(_)), "nobody waits again");
    }

    #[test]
    fn there_are_so_many_seats() {
        let seats = seats(2);
        let taken = (seats.sit(&key("a")), seats.sit(&key("b")));
        assert!(matches!(seats.sit(&key("c")), Place::Full(2)));
        drop(behind(&seats, "a"));
        drop(taken);
        assert!(matches!(seats.sit(&key("c")), Place::Seat(_)));
    }
}
