//! The words of the LOCK commands.
//!
//! ```text
//! owner <PX ms | EX s> [HOLDERS n]              LOCK.TRY
//! owner <PX ms | EX s> [HOLDERS n] BLOCK ms     LOCK.ACQUIRE
//! owner <PX ms | EX s>                          LOCK.EXTEND
//! owner                                         LOCK.RELEASE
//! n (owner fence deadline_ms acquired_ms)*      LOCK.LOAD, a whole lock
//! (- owner | + owner fence deadline_ms acquired_ms)*        LOCK.LOAD, what has changed of one
//! ```
//!
//! The owner comes first; the options behind it may stand in any order, each once.

use super::error::CommandError;
use super::keyword::Keyword;
use super::words::{at_least, encode_number, encode_option, integer, millis, time};
use crate::digits;
use crate::lock::{Change, Claim, Holder, Lock, MAX_HOLDERS, is_owner};
use crate::time::Millis;

/// Parses what follows the key in `LOCK.TRY`.
pub fn parse_try<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Claim<'a>, CommandError> {
    let (owner, options) = Options::parse(words)?;
    match options.block {
        None => options.claim(owner),
        Some(_) => Err(CommandError::Foreign(Keyword::Block)),
    }
}

/// Parses what follows the key in `LOCK.ACQUIRE`: the claim, and how long to wait for it. A wait of
/// 0 has no limit.
pub fn parse_acquire<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<(Claim<'a>, Millis), CommandError> {
    let (owner, options) = Options::parse(words)?;
    let claim = options.claim(owner)?;
    Ok((claim, options.block.ok_or(CommandError::NoBlock)?))
}

/// Parses what follows the key in `LOCK.EXTEND`: the owner, and what its lease shall be.
pub fn parse_extend<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<(&'a [u8], Millis), CommandError> {
    let (owner, options) = Options::parse(words)?;
    match options {
        Options { holders: Some(_), .. } => Err(CommandError::Foreign(Keyword::Holders)),
        Options { block: Some(_), .. } => Err(CommandError::Foreign(Keyword::Block)),
        Options { lease, .. } => Ok((owner, lease.ok_or(CommandError::NoLease)?)),
    }
}

/// Parses what follows the key in `LOCK.RELEASE`: the owner.
pub fn parse_release<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<&'a [u8], CommandError> {
    let owner = parse_owner(&mut words)?;
    match words.next() {
        None => Ok(owner),
        Some(_) => Err(CommandError::Syntax),
    }
}

/// What `LOCK.LOAD` brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// A whole lock, in place of whatever is there.
    Whole(Lock),
    /// What has changed of the lock that is there.
    Changes(Vec<Change>),
}

impl Load {
    /// The leases that it brings.
    pub fn holders(&self) -> impl Iterator<Item = &Holder> {
        let (lock, changes) = match self {
            Self::Whole(lock) => (Some(lock), None),
            Self::Changes(changes) => (None, Some(changes)),
        };
        lock.into_iter()
            .flat_map(Lock::holders)
            .chain(changes.into_iter().flatten().filter_map(Change::holder))
    }
}

const OUT: &[u8] = b"-";
const PUT: &[u8] = b"+";

/// Parses what follows the key in `LOCK.LOAD`.
pub fn parse_load<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Load, CommandError> {
    let mut words = words.peekable();
    match words.peek() {
        Some(&(OUT | PUT)) => parse_changes(words).map(Load::Changes),
        _ => parse_whole(words).map(Load::Whole),
    }
}

fn parse_whole<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Lock, CommandError> {
    let count = usize::try_from(parse_field(&mut words)?).unwrap_or(usize::MAX).min(MAX_HOLDERS);
    let holders = (0..count).map(|_| parse_holder(&mut words)).collect::<Result<_, _>>()?;
    match (words.next(), Lock::from_holders(holders)) {
        (None, Some(lock)) => Ok(lock),
        _ => Err(CommandError::Syntax),
    }
}

fn parse_changes<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Change>, CommandError> {
    let mut changes = Vec::new();
    while let Some(word) = words.next() {
        changes.push(match word {
            OUT => Change::Out(parse_owner(&mut words)?.into()),
            PUT => Change::Put(parse_holder(&mut words)?),
            _ => return Err(CommandError::Syntax),
        });
    }
    Ok(changes)
}

/// `owner fence deadline_ms acquired_ms`
fn parse_holder<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Result<Holder, CommandError> {
    let owner = parse_owner(words)?;
    let (fence, deadline_ms, acquired_ms) = (parse_field(words)?, parse_field(words)?, parse_field(words)?);
    Holder::new(owner, fence, deadline_ms, acquired_ms).ok_or(CommandError::NoInteger)
}

fn parse_field<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Result<u64, CommandError> {
    let word = words.next().ok_or(CommandError::Syntax)?;
    let value = digits::parse_i64(word).map_err(|_| CommandError::NoInteger)?;
    u64::try_from(value).map_err(|_| CommandError::NoInteger)
}

/// Calls `word` with each word that [`parse_try`] reads back as `claim`.
pub fn encode_try(claim: &Claim<'_>, mut word: impl FnMut(&[u8])) {
    word(claim.owner);
    encode_option(Keyword::Px, claim.lease.get(), &mut word);
    if claim.holders != 1 {
        encode_option(Keyword::Holders, claim.holders as u64, &mut word);
    }
}

/// Calls `word` with each word that [`parse_acquire`] reads back.
pub fn encode_acquire(claim: &Claim<'_>, block: Millis, mut word: impl FnMut(&[u8])) {
    encode_try(claim, &mut word);
    encode_option(Keyword::Block, block.get(), &mut word);
}

/// Calls `word` with each word that [`parse_extend`] reads back.
pub fn encode_extend(owner: &[u8], lease: Millis, mut word: impl FnMut(&[u8])) {
    word(owner);
    encode_option(Keyword::Px, lease.get(), &mut word);
}

/// Calls `word` with each word that [`parse_load`] reads back as this change.
pub fn encode_change(change: &Change<&[u8], &Holder>, mut word: impl FnMut(&[u8])) {
    match change {
        Change::Out(owner) => [OUT, owner].into_iter().for_each(word),
        Change::Put(holder) => {
            word(PUT);
            HolderWords::default().spell(holder).into_iter().for_each(word);
        }
    }
}

/// Calls `word` with each word that [`parse_load`] reads back as `lock`.
pub fn encode_load(lock: &Lock, mut word: impl FnMut(&[u8])) {
    encode_number(lock.len() as u64, &mut word);
    for holder in lock.holders() {
        HolderWords::default().spell(holder).into_iter().for_each(&mut word);
    }
}

/// The words that [`encode_load`] gives for a lock with this one holder, all of them at once.
pub fn load_of_one<'a>(holder: &'a Holder, room: &'a mut HolderWords) -> [&'a [u8]; 5] {
    let [owner, fence, deadline, acquired] = room.spell(holder);
    [b"1", owner, fence, deadline, acquired]
}

/// Room for the numbers in a holder's words.
#[derive(Default)]
pub struct HolderWords([itoa::Buffer; 3]);

impl HolderWords {
    /// `owner fence deadline_ms acquired_ms`
    fn spell<'a>(&'a mut self, holder: &'a Holder) -> [&'a [u8]; 4] {
        let [fence, deadline, acquired] = &mut self.0;
        [
            holder.owner(),
            fence.format(holder.fence()).as_bytes(),
            deadline.format(holder.deadline_ms()).as_bytes(),
            acquired.format(holder.acquired_ms()).as_bytes(),
        ]
    }
}

fn parse_owner<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Result<&'a [u8], CommandError> {
    let owner = words.next().ok_or(CommandError::Syntax)?;
    if is_owner(owner) { Ok(owner) } else { Err(CommandError::Owner) }
}

/// What stands behind an owner.
#[derive(Default)]
struct Options {
    lease: Option<Millis>,
    holders: Option<usize>,
    block: Option<Millis>,
}

impl Options {
    fn parse<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<(&'a [u8], Self), CommandError> {
        let owner = parse_owner(&mut words)?;
        let mut options = Self::default();
        while let Some(word) = words.next() {
            let keyword = Keyword::of(word).ok_or(CommandError::Syntax)?;
            match keyword {
                Keyword::Px | Keyword::Ex if options.lease.is_none() => {
                    options.lease = Some(time(keyword, &mut words)?);
                }
                Keyword::Block if options.block.is_none() => {
                    let ms = at_least(0, integer(keyword, &mut words)?, CommandError::Block)?;
                    options.block = Some(millis(Some(ms), CommandError::Block)?);
                }
                Keyword::Holders if options.holders.is_none() => {
                    let n = at_least(1, integer(keyword, &mut words)?, CommandError::Holders)?;
                    let n = usize::try_from(n).ok().filter(|n| *n <= MAX_HOLDERS);
                    options.holders = Some(n.ok_or(CommandError::Holders)?);
                }
                Keyword::Block | Keyword::Holders => return Err(CommandError::Twice(keyword)),
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok((owner, options))
    }

    fn claim<'a>(&self, owner: &'a [u8]) -> Result<Claim<'a>, CommandError> {
        let lease = self.lease.ok_or(CommandError::NoLease)?;
        Ok(Claim { owner, lease, holders: self.holders.unwrap_or(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> impl Iterator<Item = &[u8]> {
        text.split(' ').map(str::as_bytes)
    }

    fn claim(owner: &'static str, lease: u64, holders: usize) -> Claim<'static> {
        Claim { owner: owner.as_bytes(), lease: Millis::new(lease).unwrap(), holders }
    }

    #[test]
    fn words_mean_what_they_say() {
        assert_eq!(parse_try(words("me PX 500")), Ok(claim("me", 500, 1)));
        assert_eq!(parse_try(words("me holders 3 ex 2")), Ok(claim("me", 2000, 3)));
        let block = Millis::new(7).unwrap();
        assert_eq!(parse_acquire(words("PX PX 500 BLOCK 7")), Ok((claim("PX", 500, 1), block)));
        assert_eq!(
            parse_acquire(words("me BLOCK 0 HOLDERS 1024 PX 1")),
            Ok((claim("me", 1, 1024), Millis::ZERO))
        );
        assert_eq!(parse_extend(words("me EX 1")), Ok((&b"me"[..], Millis::new(1000).unwrap())));
        assert_eq!(parse_release(words("me")), Ok(&b"me"[..]));
    }

    #[test]
    fn every_mistake_has_its_error() {
        use CommandError::*;
        for (text, error) in [
            ("me", NoLease),
            ("me PX", ValueMissing(Keyword::Px)),
            ("me PX 1 EX 1", Syntax),
            ("me PX 1 PX 1", Syntax),
            ("me PX 1 HOLDERS", ValueMissing(Keyword::Holders)),
            ("me PX 1 HOLDERS 1 HOLDERS 1", Twice(Keyword::Holders)),
            ("me PX 1 BLOCK 1", Foreign(Keyword::Block)),
            ("me PX 1 NX", Syntax),
            (" PX 1", Owner),
            ("me PX 0", Time),
            ("me PX -1", Time),
            ("me PX 3155760000001", Time),
            ("me EX 9223372036854775807", Time),
            ("me PX abc", NotAnInteger(Keyword::Px)),
            ("me PX 1.5", NotAnInteger(Keyword::Px)),
            ("me PX 9223372036854775808", NotAnInteger(Keyword::Px)),
            ("me PX 1 HOLDERS 0", Holders),
            ("me PX 1 HOLDERS 1025", Holders),
            ("me PX 1 HOLDERS -1", Holders),
        ] {
            assert_eq!(parse_try(words(text)), Err(error), "{text}");
        }
        assert_eq!(parse_acquire(words("me PX 1")), Err(NoBlock));
        assert_eq!(parse_acquire(words("me PX 1 BLOCK -1")), Err(Block));
        assert_eq!(parse_acquire(words("me PX 1 BLOCK 3155760000001")), Err(Block));
        assert_eq!(parse_acquire(words("me PX 1 BLOCK 1 BLOCK 1")), Err(Twice(Keyword::Block)));
        assert_eq!(parse_extend(words("me PX 1 HOLDERS 1")), Err(Foreign(Keyword::Holders)));
        assert_eq!(parse_release(words("me now")), Err(Syntax));
        assert_eq!(parse_try([&b"x".repeat(513)[..], b"PX", b"1"].into_iter()), Err(Owner));
    }

    #[test]
    fn a_load_is_a_whole_lock_or_an_error() {
        let whole = |text| match parse_load(words(text)) {
            Ok(Load::Whole(lock)) => lock,
            other => panic!("{text}: {other:?}"),
        };
        let lock = whole("2 a 5 2000 1000 b 6 3000 1001");
        assert_eq!(lock.len(), 2);
        assert_eq!(lock.expires_at_ms(), 3000);
        let mut text = Vec::new();
        encode_load(&lock, |word| text.push(String::from_utf8(word.to_vec()).unwrap()));
        assert_eq!(text.join(" "), "2 a 5 2000 1000 b 6 3000 1001");

        let lock = whole("1 a 5 2000 1000");
        let mut one_by_one = Vec::new();
        encode_load(&lock, |word| one_by_one.push(word.to_vec()));
        let holder = lock.holders().next().unwrap();
        assert_eq!(load_of_one(holder, &mut HolderWords::default()).as_slice(), one_by_one);
        for text in [
            "0",
            "1",
            "1 a",
            "1 a 5 2000",
            "2 a 5 2000 1000",
            "1 a 5 2000 1000 b",
            "2 a 5 2000 1000 a 6 2000 1000",
            "1 a 0 2000 1000",
            "1 a 9007199254740992 2000 1000",
            "1 a -5 2000 1000",
            "99999999999 a 5 2000 1000",
            "-1 a 5 2000 1000",
        ] {
            assert!(parse_load(words(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_load_of_changes_reads_back_the_same() {
        let text = "- b + a 5 2000 1000 - + + - 6 2000 1000";
        let Ok(load @ Load::Changes(_)) = parse_load(words(text)) else { panic!("{text}") };
        assert_eq!(load.holders().map(Holder::fence).collect::<Vec<_>>(), [5, 6]);
        let Load::Changes(changes) = load else { unreachable!() };
        let mut spelled = Vec::new();
        for change in &changes {
            let change = match change {
                Change::Out(owner) => Change::Out(&owner[..]),
                Change::Put(holder) => Change::Put(holder),
            };
            encode_change(&change, |word| spelled.push(String::from_utf8(word.to_vec()).unwrap()));
        }
        assert_eq!(spelled.join(" "), text);
        for text in ["+", "-", "+ a", "+ a 5 2000", "+ a 5 2000 1000 1", "- b a", "- ", "+ a 0 2000 1000"] {
            assert!(parse_load(words(text)).is_err(), "{text}");
        }
    }
}
