//! What processes did by their own account: alone where they should be, and again soon after their server was back.

/// A time in which a process held a lock, by its own account, unix us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) process: usize,
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    pub(crate) fence: u64,
}

/// Sections of one lock that overlap, and fences that do not grow from one to the next.
pub(crate) fn alone(sections: &[Section]) -> Vec<String> {
    let mut sections = sections.to_vec();
    sections.sort_by_key(|section| section.from_us);
    let mut faults = Vec::new();
    let mut longest: Option<Section> = None;
    for section in sections {
        if let Some(before) = longest {
            if section.from_us < before.to_us {
                faults.push(format!("two at once: {before:?}, {section:?}"));
            } else if section.fence <= before.fence {
                faults.push(format!("a fence that does not grow: {before:?}, {section:?}"));
            }
        }
        longest = longest.filter(|before| before.to_us >= section.to_us).or(Some(section));
    }
    faults
}

/// How long after `back_us` the first act came; `None` if none did.
pub(crate) fn resumed(acts_us: &[i64], back_us: i64) -> Option<i64> {
    acts_us.iter().filter(|act_us| **act_us >= back_us).min().map(|act_us| act_us - back_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(process: usize, from_us: i64, to_us: i64, fence: u64) -> Section {
        Section { process, from_us, to_us, fence }
    }

    #[test]
    fn two_who_hold_a_lock_at_once_are_found() {
        let fine = [section(1, 10, 20, 5), section(2, 20, 30, 6), section(1, 40, 41, 9)];
        assert_eq!(alone(&fine), [""; 0]);
        assert_eq!(alone(&[section(2, 19, 30, 6), section(1, 10, 20, 5)]).len(), 1);
        // A long one, and two within it.
        let long = [section(1, 10, 100, 5), section(2, 20, 30, 6), section(3, 40, 50, 7)];
        assert_eq!(alone(&long).len(), 2);
    }

    #[test]
    fn a_fence_that_does_not_grow_is_found() {
        assert_eq!(alone(&[section(1, 10, 20, 5), section(2, 20, 30, 5)]).len(), 1);
    }

    #[test]
    fn the_first_act_after_it_counts() {
        assert_eq!(resumed(&[5, 30, 12], 10), Some(2));
        assert_eq!(resumed(&[5], 10), None);
    }
}
