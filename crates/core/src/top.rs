//! Which keys were refused most, in a fixed amount of memory: a sketch.
//!
//! A table counts one minute of the clock. It has [`SETS`] sets of [`WAYS`] entries, and a key belongs to one set by its
//! hash. A key that is new to a full set takes over the entry with the smallest count, and inherits that count as its bound
//! of error: so many of its refusals may have been others'. (Metwally, Agrawal and El Abbadi's Space-Saving, set by set, so
//! that a refusal costs the same however many keys there are.) What was counted of a key is never too little, and less its
//! bound never too much; a key with more than a quarter of a set's refusals is always there.
//!
//! There are two tables, for this minute and the last whole one. Memory only.

use std::hash::{BuildHasher, Hasher};

use hashlink::DefaultHashBuilder;

use crate::time::Nanos;

/// How many sets a table has.
const SETS: usize = 64;

/// How many keys a set knows.
const WAYS: usize = 4;

/// The most keys that both tables can know.
pub const MAX_SHOWN: usize = 2 * SETS * WAYS;

/// How much of a key's name is kept, in bytes.
pub const MAX_NAME_LEN: usize = 47;

const MINUTE_NS: u64 = 60_000_000_000;

/// The beginning of a key's name.
#[derive(Debug, Clone, Copy)]
pub struct Name {
    bytes: [u8; MAX_NAME_LEN],
    len: u8,
}

impl Name {
    const NONE: Self = Self { bytes: [0; MAX_NAME_LEN], len: 0 };

    fn set(&mut self, name: &[u8]) {
        let name = name.get(..MAX_NAME_LEN).unwrap_or(name);
        if let Some(kept) = self.bytes.get_mut(..name.len()) {
            kept.copy_from_slice(name); // what is behind it stays, and is not looked at
            self.len = name.len() as u8;
        }
    }

    /// The name, or its first [`MAX_NAME_LEN`] bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A key, and how often it was refused in this minute and the last whole one.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What it is called. Keys whose names begin alike are told apart all the same.
    pub name: Name,
    /// The database that it was in.
    pub db: i32,
    /// How often it was refused, at most.
    pub refused: u64,
    /// How many of these may be another key's.
    pub over: u64,
}

impl Row {
    /// How often it was refused at least.
    pub fn surely(&self) -> u64 {
        self.refused.saturating_sub(self.over)
    }
}

/// What belongs together lies together: most refusals are of keys that are there, and touch tags and counts only.
#[derive(Debug, Clone, Copy)]
struct Set {
    /// The hash of name and database, never 0; 0 where the entry is free.
    tags: [u64; WAYS],
    refused: [u32; WAYS],
    over: [u32; WAYS],
    dbs: [i32; WAYS],
    names: [Name; WAYS],
}

impl Set {
    const FREE: Self = Self {
        tags: [0; WAYS],
        refused: [0; WAYS],
        over: [0; WAYS],
        dbs: [0; WAYS],
        names: [Name::NONE; WAYS],
    };

    /// The smallest count: what a key that is not here may have been refused unseen. 0 while there is room.
    fn smallest(&self) -> u32 {
        self.refused.iter().copied().min().unwrap_or(0)
    }

    /// Puts a key in the place of the one with the smallest count. Not rare where more keys than there is room for are
    /// refused alike.
    #[inline(never)]
    fn take_over(&mut self, tag: u64, name: &[u8], db: i32) {
        let [a, b, c, d] = self.refused;
        let (first, second) = (if b < a { 1 } else { 0 }, if d < c { 3 } else { 2 });
        let way: usize = if c.min(d) < a.min(b) { second } else { first };
        let counts = (self.refused.get_mut(way), self.over.get_mut(way));
        let key = (self.tags.get_mut(way), self.dbs.get_mut(way), self.names.get_mut(way));
        if let ((Some(refused), Some(over)), (Some(its_tag), Some(its_db), Some(its_name))) = (counts, key) {
            (*its_tag, *its_db, *over) = (tag, db, *refused);
            *refused = refused.saturating_add(1);
            its_name.set(name);
        }
    }

    fn entries(&self) -> impl Iterator<Item = (u64, Row)> {
        let counts = self.refused.iter().zip(&self.over);
        let keys = self.names.iter().zip(&self.dbs);
        self.tags.iter().zip(counts).zip(keys).filter(|((tag, _), _)| **tag != 0).map(
            |((tag, (refused, over)), (name, db))| {
                let row = Row { name: *name, db: *db, refused: (*refused).into(), over: (*over).into() };
                (*tag, row)
            },
        )
    }
}

#[derive(Debug)]
struct Table {
    sets: Box<[Set; SETS]>,
}

impl Table {
    fn new() -> Self {
        Self { sets: Box::new([Set::FREE; SETS]) }
    }

    fn clear(&mut self) {
        self.sets.fill(Set::FREE);
    }
}

/// The two tables.
#[derive(Debug)]
pub struct Top<S = DefaultHashBuilder> {
    this: Table,
    last: Table,
    /// When this minute began, in unix ns.
    began: u64,
    hasher: S,
}

impl<S: BuildHasher + Default> Default for Top<S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}

impl<S: BuildHasher> Top<S> {
    /// Empty ones. Whoever can foresee the hash can hide in a set, so it has to be one that nobody outside can.
    pub fn new(hasher: S) -> Self {
        Self { this: Table::new(), last: Table::new(), began: 0, hasher }
    }

    /// Counts a refusal of this key, in this database, at this time.
    #[inline]
    pub fn refused(&mut self, name: &[u8], db: i32, now: Nanos) {
        if now.0.wrapping_sub(self.began) >= MINUTE_NS {
            self.turn(now);
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        // A factor that makes of each database another number, and of databases that are near ones that are far apart.
        let hash = hasher.finish() ^ u64::from(db as u32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (place, tag) = ((hash >> 58) as usize % SETS, hash | 1);
        let Some(set) = self.this.sets.get_mut(place) else { return };
        for (known, refused) in set.tags.iter().zip(&mut set.refused) {
            if *known == tag {
                *refused = refused.saturating_add(1);
                return;
            }
        }
        set.take_over(tag, name, db);
    }

    /// Lets another minute begin, if one has. A clock that is set back by less than a minute goes on in this one.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, now: Nanos) {
        let begins = now.0 - now.0 % MINUTE_NS;
        if now.0 < self.began && self.began - now.0 <= MINUTE_NS {
            return;
        }
        std::mem::swap(&mut self.this, &mut self.last);
        self.this.clear();
        if self.began.checked_add(MINUTE_NS) != Some(begins) {
            self.last.clear();
        }
        self.began = begins;
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.this.clear();
        self.last.clear();
    }

    /// Those that were refused most in this minute and the last whole one, by what is [sure](Row::surely); `most` of them
    /// or fewer.
    pub fn rows(&mut self, most: usize, now: Nanos) -> Vec<Row> {
        if now.0.wrapping_sub(self.began) >= MINUTE_NS {
            self.turn(now);
        }
        let mut rows = Vec::new();
        for (this, last) in self.this.sets.iter().zip(self.last.sets.iter()) {
            let of_last = |wanted: u64| last.entries().find(|(tag, _)| *tag == wanted);
            for (tag, row) in this.entries() {
                let other =
                    of_last(tag).map_or_else(|| unseen(last), |(_, other)| (other.refused, other.over));
                rows.push(Row { refused: row.refused + other.0, over: row.over + other.1, ..row });
            }
            for (tag, row) in last.entries().filter(|(tag, _)| !this.tags.contains(tag)) {
                debug_assert_ne!(tag, 0);
                let other = unseen(this);
                rows.push(Row { refused: row.refused + other.0, over: row.over + other.1, ..row });
            }
        }
        rows.sort_unstable_by(|a, b| {
            let order = |row: &Row| (row.surely(), row.refused);
            let names = || (a.name.as_bytes(), a.db).cmp(&(b.name.as_bytes(), b.db));
            order(b).cmp(&order(a)).then_with(names)
        });
        rows.truncate(most);
        rows
    }
}

/// What a key that a set does not know may have been refused in that minute: count, and bound of error.
fn unseen(set: &Set) -> (u64, u64) {
    (set.smallest().into(), set.smallest().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Nanos = Nanos(1_900_000_020_000_000_000);

    fn at(seconds: u64) -> Nanos {
        Nanos(NOON.0 + seconds * 1_000_000_000)
    }

    fn shown(top: &mut Top, now: Nanos) -> Vec<(String, i32, u64, u64)> {
        let rows = top.rows(10, now).into_iter();
        let name = |row: &Row| String::from_utf8_lossy(row.name.as_bytes()).into_owned();
        rows.map(|row| (name(&row), row.db, row.refused, row.over)).collect()
    }

    #[test]
    fn a_minute_is_the_clocks_and_the_last_one_is_kept() {
        assert_eq!(NOON.0 % MINUTE_NS, 0);
        let mut top = Top::default();
        top.refused(b"a", 0, at(59));
        top.refused(b"b", 0, at(60));
        top.refused(b"b", 0, at(61));
        top.refused(b"a", 0, at(62));
        let both = [("a".into(), 0, 2, 0), ("b".into(), 0, 2, 0)];
        assert_eq!(shown(&mut top, at(119)), both);
        assert_eq!(shown(&mut top, at(120)), [("b".into(), 0, 2, 0), ("a".into(), 0, 1, 0)]);
        assert_eq!(shown(&mut top, at(180)), []);
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_loses_nothing() {
        let mut top = Top::default();
        top.refused(b"a", 0, at(60));
        top.refused(b"a", 0, at(1));
        assert_eq!(shown(&mut top, at(60)), [("a".into(), 0, 2, 0)]);
        top.refused(b"a", 0, Nanos(NOON.0 - MINUTE_NS));
        assert_eq!(shown(&mut top, Nanos(NOON.0 - 1)), [("a".into(), 0, 1, 0)], "it begins anew");
        top.refused(b"a", 0, Nanos(u64::MAX / 2));
        top.refused(b"a", 0, Nanos(0));
        assert_eq!(shown(&mut top, Nanos(0)), [("a".into(), 0, 1, 0)]);
    }

    #[test]
    fn a_name_and_a_database_are_a_key_and_long_names_are_cut_but_told_apart() {
        let mut top = Top::default();
        let long = [[b'x'; 100], [b'x'; 100]].concat();
        for (name, db, times) in
            [(&b"a"[..], 0, 5), (b"a", 1, 4), (&long, 0, 3), (&long[1..], 0, 2), (b"\0\xff", 0, 1)]
        {
            (0..times).for_each(|_| top.refused(name, db, at(0)));
        }
        let cut = "x".repeat(MAX_NAME_LEN);
        let expected = [("a", 0, 5), ("a", 1, 4), (&cut, 0, 3), (&cut, 0, 2), ("\0\u{fffd}", 0, 1)];
        let expected = expected.map(|(name, db, refused)| (name.to_owned(), db, refused, 0));
        assert_eq!(shown(&mut top, at(0)), expected);
        top.reset();
        assert_eq!(shown(&mut top, at(0)), []);
    }

    #[test]
    fn a_table_is_about_18_kb() {
        assert!((17_000..=18_432).contains(&size_of::<[Set; SETS]>()), "{}", size_of::<[Set; SETS]>());
    }
}
