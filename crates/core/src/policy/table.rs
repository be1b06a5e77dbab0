//! All policies, what came of the calls by each, and how one is found: without allocating, and ready to be decided by.

use super::definition::{Found, Lookup, Name, Policy};
use super::text::{self, MAX_POLICIES, MAX_TEXT_LEN, Policies, TextError};
use crate::grammar::error::CommandError;
use crate::limit::call::{Clauses, Verdict};

/// What came of the calls by one policy. Goes on when the policy is changed; goes when it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Those that got something, without those that shadow mode let pass.
    pub granted: u64,
    /// Those that got nothing.
    pub refused: u64,
    /// Those that got it because the policy is only tried out.
    pub shadow: u64,
}

#[derive(Debug)]
struct Row {
    name: Name,
    policy: Policy,
    counts: Counts,
}

/// All policies.
#[derive(Debug, Default)]
pub struct Table {
    /// By name.
    rows: Vec<Row>,
    /// How often they have changed.
    version: u32,
}

impl Table {
    /// Sets one policy. True if there was none of this name.
    ///
    /// # Errors
    /// There are too many, or their text would be too long. Nothing is changed then.
    pub fn set(&mut self, name: Name, policy: Policy) -> Result<bool, CommandError> {
        let others =
            self.iter().filter(|(known, ..)| **known != name).map(|(name, policy, _)| (name, policy));
        if text::len(others.chain([(&name, &policy)])) > MAX_TEXT_LEN {
            return Err(CommandError::PoliciesTooLong);
        }
        match self.place(name.as_str().as_bytes()) {
            Ok(place) => {
                if let Some(row) = self.rows.get_mut(place) {
                    row.policy = policy;
                }
                self.version = self.version.wrapping_add(1);
                Ok(false)
            }
            Err(_) if self.rows.len() >= MAX_POLICIES => Err(CommandError::TooManyPolicies),
            Err(place) => {
                self.rows.insert(place, Row { name, policy, counts: Counts::default() });
                self.version = self.version.wrapping_add(1);
                Ok(true)
            }
        }
    }

    /// Deletes the policies of these names. How many there were.
    pub fn delete<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) -> usize {
        let before = self.rows.len();
        for name in names {
            if let Ok(place) = self.place(name) {
                self.rows.remove(place);
            }
        }
        let deleted = before - self.rows.len();
        if deleted > 0 {
            self.version = self.version.wrapping_add(1);
        }
        deleted
    }

    /// Makes the policies those of a text, all or nothing. How many there are then.
    ///
    /// # Errors
    /// What is wrong with the text. Nothing is changed then.
    pub fn replace(&mut self, text: &[u8]) -> Result<usize, TextError> {
        let policies: Policies = text::parse(text)?;
        let counts = |name: &Name| self.row(name.as_str().as_bytes()).map(|row| row.counts);
        let row = |(name, policy)| Row { counts: counts(&name).unwrap_or_default(), name, policy };
        self.rows = policies.into_iter().map(row).collect();
        self.version = self.version.wrapping_add(1);
        Ok(self.rows.len())
    }

    /// All of them as one text.
    pub fn text(&self) -> String {
        text::write(self.iter().map(|(name, policy, _)| (name, policy)))
    }

    /// Each, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Policy, &Counts)> {
        self.rows.iter().map(|row| (&row.name, &row.policy, &row.counts))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The policy of this name.
    pub fn get(&self, name: &[u8]) -> Option<(&Policy, &Counts)> {
        self.row(name).map(|row| (&row.policy, &row.counts))
    }

    /// Counts what came of an `ACQUIRE` by a policy. Not if the table has changed since it was found, which nothing does
    /// while a call is decided but another module that is told of its key.
    pub fn count(&mut self, found: Found, verdict: &Verdict) {
        if found.version != self.version {
            return;
        }
        if let Some(Row { counts, .. }) = self.rows.get_mut(usize::from(found.place)) {
            let count = match verdict.reply.granted {
                _ if verdict.notes.shadow => &mut counts.shadow,
                0 => &mut counts.refused,
                _ => &mut counts.granted,
            };
            *count += 1;
        }
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| row.name.as_str().as_bytes().cmp(name))
    }

    fn row(&self, name: &[u8]) -> Option<&Row> {
        self.place(name).ok().and_then(|place| self.rows.get(place))
    }
}

impl Lookup for Table {
    #[inline]
    fn look_up(&self, name: &[u8], clauses: &mut Clauses) -> Option<Found> {
        let place = self.place(name).ok()?;
        let row = self.rows.get(place)?;
        clauses.try_extend_from_slice(&row.policy.clauses).ok()?;
        // At most 256 places.
        Some(Found { shadow: row.policy.shadow, place: place as u16, version: self.version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::policy::parse_policy;
    use crate::limit::call::{Change, Notes, Reply};

    fn policy(words: &str) -> Policy {
        parse_policy(words.split(' ').map(str::as_bytes)).unwrap()
    }

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).unwrap()
    }

    fn verdict(granted: i64, shadow: bool) -> Verdict {
        let reply = Reply { granted, wait_ms: 0, remaining: 0, burst: 1, reset_ms: 0, index: 0 };
        Verdict { reply, act_us: 0, change: Change::Keep, notes: Notes { shadow, ..Notes::default() } }
    }

    fn found(table: &Table, name: &str) -> Option<Found> {
        table.look_up(name.as_bytes(), &mut Clauses::new())
    }

    #[test]
    fn policies_are_set_changed_and_deleted_by_name() {
        let mut table = Table::default();
        for (text, new) in [("b", true), ("a", true), ("b", false), ("a.b", true)] {
            assert_eq!(table.set(name(text), policy("LIMIT 1 EX 1")), Ok(new));
        }
        assert_eq!(table.text(), "a LIMIT 1 EX 1; a.b LIMIT 1 EX 1; b LIMIT 1 EX 1");
        assert!(
            found(&table, "a.b").is_some() && found(&table, "A").is_none() && found(&table, "").is_none()
        );
        let names: [&[u8]; 4] = [b"b", b"none", b"a", b"b"];
        assert_eq!(table.delete(names.into_iter()), 2);
        assert_eq!((table.text().as_str(), table.len()), ("a.b LIMIT 1 EX 1", 1));
    }

    #[test]
    fn a_text_that_is_wrong_changes_nothing() {
        let mut table = Table::default();
        assert_eq!(table.replace(b"a LIMIT 1 EX 1; b LIMIT 2 EX 1"), Ok(2));
        let before = found(&table, "b");
        assert_eq!(table.replace(b"c LIMIT 1 EX 1; d LIMIT 0 EX 1").unwrap_err().policy, Some(2));
        assert_eq!(found(&table, "b"), before);
        assert_eq!(table.replace(b""), Ok(0));
        assert!(table.is_empty());
    }

    #[test]
    fn the_bounds_hold_for_single_policies_too() {
        let mut table = Table::default();
        for n in 0..256 {
            assert_eq!(table.set(name(&format!("p{n}")), policy("LIMIT 1 EX 1")), Ok(true));
        }
        assert_eq!(table.set(name("one"), policy("LIMIT 1 EX 1")), Err(CommandError::TooManyPolicies));
        assert_eq!(table.set(name("p7"), policy("LIMIT 2 EX 1")), Ok(false));
        let long = ["LIMIT 111111111111 EX 999999999 COST 222222222222"; 8].join(" ");
        let outcomes: Vec<_> = (0..256).map(|n| table.set(name(&format!("p{n}")), policy(&long))).collect();
        assert!(outcomes.contains(&Err(CommandError::PoliciesTooLong)));
        assert!(table.text().len() <= MAX_TEXT_LEN && text::parse(table.text().as_bytes()).is_ok());
    }

    #[test]
    fn counts_go_on_when_a_policy_changes_and_go_with_it() {
        let mut table = Table::default();
        table.replace(b"a LIMIT 1 EX 1; b LIMIT 1 EX 1").unwrap();
        let of_b = found(&table, "b").unwrap();
        for verdict in [verdict(1, false), verdict(7, false), verdict(0, false), verdict(1, true)] {
            table.count(of_b, &verdict);
        }
        let counts = Counts { granted: 2, refused: 1, shadow: 1 };
        table.set(name("b"), policy("LIMIT 9 EX 1")).unwrap();
        table.replace(b"b LIMIT 3 EX 1; c LIMIT 1 EX 1").unwrap();
        assert_eq!(table.get(b"b").unwrap().1, &counts);
        table.count(of_b, &verdict(1, false));
        assert_eq!(table.get(b"c").unwrap().1, &Counts::default(), "found in a table that is no more");
        table.delete([&b"b"[..]].into_iter());
        table.set(name("b"), policy("LIMIT 1 EX 1")).unwrap();
        assert_eq!(table.get(b"b").unwrap().1, &Counts::default());
    }
}
