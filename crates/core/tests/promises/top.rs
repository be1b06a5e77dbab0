//! What is shown of the keys that were refused most is never too little, and less its bound of error never too much.

use std::collections::HashMap;

use proptest::prelude::*;
use sluice_core::time::Nanos;
use sluice_core::top::{MAX_SHOWN, Top};

use crate::cases;

const SECOND_NS: u64 = 1_000_000_000;

/// A beginning of a minute.
const NOON_S: u64 = 1_900_000_020;

/// Key, database, and how many seconds go by before it is refused.
type Refusal = (u16, i32, u64);

/// Few keys that are refused often, and many that are refused seldom: more than there is room for.
fn refusals() -> impl Strategy<Value = Vec<Refusal>> {
    let key = prop_oneof![3 => 0..20u16, 4 => 0..3_000u16];
    let step = prop_oneof![200 => Just(0u64), 2 => 1..20u64, 1 => 50..130u64];
    proptest::collection::vec((key, 0..2i32, step), 1..3_000)
}

proptest! {
    #![proptest_config(cases::config(cases::TOP))]

    #[test]
    fn counts_are_within_their_bounds_of_error(refusals in refusals()) {
        let mut top: Top = Top::default();
        let mut second = NOON_S;
        let mut exact: HashMap<(u64, u16, i32), u64> = HashMap::new();
        for (key, db, step) in refusals {
            second += step;
            top.refused(key.to_string().as_bytes(), db, Nanos(second * SECOND_NS));
            *exact.entry((second / 60, key, db)).or_default() += 1;
        }
        let minute = second / 60;
        let of = |key: u16, db: i32| -> u64 {
            [minute - 1, minute].iter().filter_map(|minute| exact.get(&(*minute, key, db))).sum()
        };
        let rows = top.rows(MAX_SHOWN, Nanos(second * SECOND_NS));
        let mut shown = HashMap::new();
        for row in &rows {
            let key: u16 = std::str::from_utf8(row.name.as_bytes()).unwrap().parse().unwrap();
            prop_assert!(shown.insert((key, row.db), row.refused).is_none(), "twice: {row:?}");
            let exact = of(key, row.db);
            prop_assert!(row.surely() >= 1 && row.surely() <= exact && exact <= row.refused, "{exact}: {row:?}");
        }
        let order: Vec<_> = rows.iter().map(|row| row.surely()).collect();
        prop_assert!(order.is_sorted_by(|a, b| a >= b));
        // Whoever has more than a quarter of a minute's refusals is shown.
        let total: u64 = exact.iter().filter(|((at, ..), _)| *at == minute).map(|(_, count)| count).sum();
        for ((at, key, db), count) in &exact {
            if *at == minute && 4 * count > total {
                prop_assert!(shown.contains_key(&(*key, *db)), "{key} was refused {count} of {total} times");
            }
        }
    }
}
