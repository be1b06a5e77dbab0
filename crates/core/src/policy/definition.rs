//! One policy, its name, and who knows which there are.

use crate::grammar::error::CommandError;
use crate::limit::call::Clauses;

/// How long a policy's name may be.
pub const MAX_NAME_LEN: usize = 64;

/// What a policy's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its limits, at least one, each with what a call costs that says nothing else. All of these may be 0.
    pub clauses: Clauses,
    /// Only tried out: what it would refuse is granted, and counted.
    pub shadow: bool,
}

/// A policy's name: 1 to [`MAX_NAME_LEN`] of `A-Za-z0-9._-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// The name that these bytes are.
    ///
    /// # Errors
    /// [`CommandError::PolicyName`]
    pub fn new(bytes: &[u8]) -> Result<Self, CommandError> {
        let may_be = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = (1..=MAX_NAME_LEN).contains(&bytes.len()) && bytes.iter().all(may_be);
        let text = std::str::from_utf8(bytes).ok().filter(|_| fits);
        text.map(|text| Self(text.into())).ok_or(CommandError::PolicyName)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A policy that a call has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Whether it is only tried out.
    pub shadow: bool,
    /// Its place in the table, and how often that had changed by then.
    pub(super) place: u16,
    pub(super) version: u32,
}

/// Who knows which policies there are.
pub trait Lookup {
    /// Puts the limits of the policy of this name into `clauses`, which is empty, each with the cost that is its
    /// default. `None` if there is no such policy.
    fn look_up(&self, name: &[u8], clauses: &mut Clauses) -> Option<Found>;
}

/// Nobody knows any.
#[derive(Debug, Clone, Copy)]
pub struct NoPolicies;

impl Lookup for NoPolicies {
    fn look_up(&self, _: &[u8], _: &mut Clauses) -> Option<Found> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "A.b_c-9", "-", "..", &"x".repeat(64)] {
            assert_eq!(Name::new(name.as_bytes()).unwrap().as_str(), name);
        }
        for name in [&b""[..], b"a:b", b"a b", b"@a", b"a;", b"\xc3\xa4", b"a\0", b"a\n", &[b'x'; 65]] {
            assert_eq!(Name::new(name), Err(CommandError::PolicyName), "{}", name.escape_ascii());
        }
    }
}
