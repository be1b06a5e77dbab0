//! Those that wait, beside one plain list of them all in the order of their coming.

use std::sync::Arc;

use proptest::prelude::*;
use sluice_core::lock::Claim;
use sluice_core::lock::queue::{LockName, Waiter, Waiters};
use sluice_core::time::{Millis, Nanos};

use crate::cases;

#[derive(Debug, Clone)]
enum Deed {
    Join {
        owner: u8,
    },
    /// One of those that came so far, perhaps gone already.
    Leave(prop::sample::Index),
    /// The head is granted.
    Grant,
    SetAlarm(Option<u8>),
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let deed = prop_oneof![
        5 => (0..6_u8).prop_map(|owner| Deed::Join { owner }),
        2 => any::<prop::sample::Index>().prop_map(Deed::Leave),
        2 => Just(Deed::Grant),
        1 => prop::option::of(any::<u8>()).prop_map(Deed::SetAlarm),
    ];
    prop::collection::vec((0..PLACES.len(), deed), 1..60)
}

const PLACES: [(i32, &[u8]); 4] = [(0, b"k"), (0, b"other"), (1, b"k"), (9, b"")];

fn place(n: usize) -> LockName {
    let (db, key) = PLACES[n];
    LockName { db, key: key.into() }
}

fn waiter(id: u64, owner: u8) -> Waiter {
    let lease = Millis::new(id + 1).unwrap();
    Waiter::new(id, &Claim { owner: &[owner], lease, holders: usize::from(owner) + 1 }, Nanos(id), lease)
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn first_in_is_first_out_key_by_key(deeds in deeds()) {
        let mut waiters = Waiters::default();
        // LockName, id and owner.
        let mut list: Vec<(usize, u64, u8)> = Vec::new();
        let mut alarms = [None; PLACES.len()];
        for (id, (at, deed)) in (0..).zip(deeds) {
            match deed {
                Deed::Join { owner } => {
                    let older = list.iter_mut().find(|(place, _, name)| (*place, *name) == (at, owner));
                    let replaced = waiters.join(Arc::new(place(at)), waiter(id, owner));
                    prop_assert_eq!(replaced, older.as_ref().map(|(_, id, owner)| waiter(*id, *owner)));
                    match older {
                        Some((_, older, _)) => *older = id,
                        None => list.push((at, id, owner)),
                    }
                }
                Deed::Leave(index) => {
                    let id = index.index(usize::try_from(id).unwrap() + 1) as u64;
                    assert_leaves(&mut waiters, &mut list, &mut alarms, id)?;
                }
                Deed::Grant => {
                    if let Some((_, id, _)) = list.iter().find(|(place, ..)| *place == at) {
                        let id = *id;
                        prop_assert_eq!(waiters.head(&place(at)).map(|head| head.id), Some(id));
                        assert_leaves(&mut waiters, &mut list, &mut alarms, id)?;
                    }
                }
                Deed::SetAlarm(alarm) => {
                    let waits = list.iter().any(|(place, ..)| *place == at);
                    let watch = waiters.watch(&place(at)).map(|(_, watch)| watch);
                    prop_assert_eq!(watch.is_some(), waits);
                    if let Some(watch) = watch {
                        *watch = alarm;
                        alarms[at] = alarm;
                    }
                }
            }
            assert_agree(&mut waiters, &list, &alarms)?;
        }
    }
}

fn assert_leaves(
    waiters: &mut Waiters<Option<u8>>,
    list: &mut Vec<(usize, u64, u8)>,
    alarms: &mut [Option<u8>],
    id: u64,
) -> Result<(), TestCaseError> {
    let left = list.iter().position(|(_, other, _)| *other == id).map(|n| list.remove(n));
    let expected = left.map(|(at, id, owner)| {
        // The alarm of the last one has nobody left to ring for.
        let last = !list.iter().any(|(place, ..)| *place == at);
        (waiter(id, owner), last.then(|| alarms[at].take()))
    });
    prop_assert_eq!(waiters.leave(id), expected);
    Ok(())
}

fn assert_agree(
    waiters: &mut Waiters<Option<u8>>,
    list: &[(usize, u64, u8)],
    alarms: &[Option<u8>],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(waiters.total(), list.len());
    for (at, alarm) in alarms.iter().enumerate() {
        let here: Vec<_> = list.iter().filter(|(place, ..)| *place == at).collect();
        let place = place(at);
        prop_assert_eq!(waiters.count(&place), here.len());
        prop_assert_eq!(waiters.head(&place).map(|head| head.id), here.first().map(|(_, id, _)| *id));
        let ids: Vec<_> = waiters.at(&place).map(|waiter| waiter.id).collect();
        prop_assert_eq!(ids, here.iter().map(|(_, id, _)| *id).collect::<Vec<_>>());
        prop_assert_eq!(waiters.watch(&place).and_then(|(_, watch)| *watch), *alarm);
        for owner in 0..6 {
            let found =
                here.iter().find(|(_, _, name)| *name == owner).map(|(_, id, name)| waiter(*id, *name));
            prop_assert_eq!(waiters.find(&place, &[owner]), found.as_ref());
        }
        for (_, id, _) in here {
            prop_assert!(waiters.place(*id).is_some_and(|found| *found == place));
        }
    }
    for db in [None, Some(0), Some(1), Some(2)] {
        let mut found: Vec<_> =
            waiters.watches(db).map(|(place, _)| (place.db, place.key.to_vec())).collect();
        let mut expected: Vec<_> = (0..PLACES.len())
            .filter(|at| list.iter().any(|(place, ..)| place == at))
            .map(|at| (PLACES[at].0, PLACES[at].1.to_vec()))
            .filter(|(at, _)| db.is_none_or(|db| db == *at))
            .collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
    Ok(())
}
