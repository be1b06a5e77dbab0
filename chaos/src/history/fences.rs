//! Fences grow: a grant that was asked for after another one was answered has the larger fence, whatever lock it is of
//! and whichever server granted it, if all servers have one clock. No two grants of a lock have the same, nor any two of a
//! server.

use std::collections::HashMap;

use super::{Call, Told};

/// What contradicts that.
pub(crate) fn fences_grow<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Vec<String> {
    let mut grants: Vec<(&Call, i64)> = calls
        .into_iter()
        .filter_map(|call| match (&call.told, call.asked) {
            (Told::Held(fence), super::Asked::Take { .. }) => Some((call, *fence)),
            _ => None,
        })
        .collect();
    let mut faults = Vec::new();
    let mut seen: HashMap<i64, Vec<&Call>> = HashMap::new();
    for (call, fence) in &grants {
        let others = seen.entry(*fence).or_default();
        if let Some(other) = others.iter().find(|other| other.key == call.key || other.node == call.node) {
            faults.push(format!("fence {fence} twice:\n  {other:?}\n  {call:?}"));
        }
        others.push(call);
    }
    let mut answered = grants.clone();
    answered.sort_by_key(|(call, _)| call.ended_us);
    grants.sort_by_key(|(call, _)| call.invoked_us);
    let mut answered = answered.into_iter().peekable();
    let mut highest: Option<(&Call, i64)> = None;
    for (call, fence) in grants {
        while let Some(earlier) = answered.next_if(|(earlier, _)| earlier.ended_us < call.invoked_us) {
            if highest.is_none_or(|(_, most)| earlier.1 > most) {
                highest = Some(earlier);
            }
        }
        if let Some((earlier, most)) = highest.filter(|(_, most)| *most >= fence) {
            faults.push(format!("fence {fence} granted after {most}:\n  {earlier:?}\n  {call:?}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::written::take;
    use super::*;

    #[test]
    fn growing_fences_are_right_also_of_calls_that_overlap() {
        let calls = [take(0, 10, 20, 5), take(1, 15, 30, 4), take(2, 31, 32, 6)];
        assert_eq!(fences_grow(&calls), [""; 0]);
    }

    #[test]
    fn a_fence_that_goes_back_is_found_across_locks_and_servers() {
        let mut calls = [take(0, 10, 20, 5), take(1, 12, 14, 4), take(2, 21, 22, 5)];
        (calls[2].key, calls[2].node) = (7, 7002);
        let faults = fences_grow(&calls);
        assert!(faults[0].starts_with("fence 5 granted after 5"), "{faults:?}");
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn a_fence_twice_is_found_on_one_server_and_of_one_lock() {
        let mut calls = [take(0, 10, 20, 5), take(1, 15, 25, 5)];
        assert!(fences_grow(&calls)[0].starts_with("fence 5 twice"));
        calls[1].key = 1;
        assert_eq!(fences_grow(&calls).len(), 1);
        calls[1].node = 7002;
        assert_eq!(fences_grow(&calls), [""; 0]);
        calls[1].key = 0;
        assert_eq!(fences_grow(&calls).len(), 1);
    }

    #[test]
    fn the_highest_counts_not_the_last() {
        let calls = [take(0, 10, 11, 9), take(1, 12, 13, 12), take(2, 14, 15, 10)];
        assert!(fences_grow(&calls)[0].starts_with("fence 10 granted after 12"));
    }
}
