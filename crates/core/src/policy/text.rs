//! All policies as one text: what the setting is, what `RATELIMIT.POLICY REPLACE` takes, and what replicas get.
//!
//! ```text
//! text:   policy [<; | newline> policy]...            nothing, and nothing but spaces, is no policy
//! policy: name LIMIT ... [LIMIT ...]... [SHADOW]
//! ```
//!
//! Written, it has one spelling: by name, whole seconds as `EX`, `BURST` and `COST` only where they are not the
//! default.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{CStr, CString};

use super::definition::{Name, Policy};
use crate::grammar::error::CommandError;
use crate::grammar::names::CommandName;
use crate::grammar::policy::{encode_policy, parse_policy};

/// How many policies there may be.
pub const MAX_POLICIES: usize = 256;

/// How long the text may be, in bytes, as it is given and as it is written.
pub const MAX_TEXT_LEN: usize = 64 * 1024;

/// The policies of a text, by name.
pub type Policies = BTreeMap<Name, Policy>;

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextError {
    /// Which of its policies it is, from 1; `None` if it is the text as a whole.
    pub policy: Option<usize>,
    /// What is wrong with it.
    pub error: CommandError,
}

impl TextError {
    /// What whoever sent the text is told: `ERR policy 2: LIMIT must be at least 1`.
    pub fn text(self, command: CommandName) -> CString {
        let text = self.error.text(command);
        let Some(policy) = self.policy else { return text.into_owned() };
        let (_, what) =
            text.to_bytes().split_at(text.to_bytes().iter().take_while(|byte| **byte != b' ').count());
        let what = String::from_utf8_lossy(what);
        CString::new(format!("ERR policy {policy}:{what}")).unwrap_or_else(|_| CStr::to_owned(c"ERR"))
    }
}

/// The policies that a text is, all of them or none.
///
/// # Errors
/// The first mistake, with the place of its policy.
pub fn parse(text: &[u8]) -> Result<Policies, TextError> {
    if text.len() > MAX_TEXT_LEN {
        return Err(TextError { policy: None, error: CommandError::PoliciesTooLong });
    }
    let mut policies = Policies::new();
    let words = |part| <[u8]>::split(part, u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let parts = text.split(|byte| matches!(byte, b';' | b'\n')).filter(|part| words(part).next().is_some());
    for (place, part) in (1..).zip(parts) {
        let wrong = |error| TextError { policy: Some(place), error };
        let policy = parse_one(words(part), &mut policies).map_err(wrong);
        policy?;
    }
    match len(policies.iter()) > MAX_TEXT_LEN {
        true => Err(TextError { policy: None, error: CommandError::PoliciesTooLong }),
        false => Ok(policies),
    }
}

fn parse_one<'a>(
    mut words: impl Iterator<Item = &'a [u8]>,
    policies: &mut Policies,
) -> Result<(), CommandError> {
    if policies.len() == MAX_POLICIES {
        return Err(CommandError::TooManyPolicies);
    }
    let name = Name::new(words.next().unwrap_or_default())?;
    let policy = parse_policy(words).map_err(|error| match error {
        CommandError::Time => CommandError::PolicyTime, // there is no command to name
        error => error,
    })?;
    match policies.entry(name) {
        Entry::Vacant(free) => {
            free.insert(policy);
            Ok(())
        }
        Entry::Occupied(_) => Err(CommandError::PolicyTwice),
    }
}

/// What stands between two policies.
const BETWEEN: &str = "; ";

/// The text of policies, which come by name; [`parse`] reads it back.
pub fn write<'a>(policies: impl Iterator<Item = (&'a Name, &'a Policy)>) -> String {
    let mut text = String::new();
    for (name, policy) in policies {
        if !text.is_empty() {
            text.push_str(BETWEEN);
        }
        text.push_str(&named(name, policy));
    }
    text
}

/// How long that text is, in bytes.
pub fn len<'a>(policies: impl Iterator<Item = (&'a Name, &'a Policy)>) -> usize {
    let lengths = policies.map(|(name, policy)| named(name, policy).len() + BETWEEN.len());
    lengths.sum::<usize>().saturating_sub(BETWEEN.len())
}

/// One policy with its name in front: `name LIMIT ...`.
pub fn named(name: &Name, policy: &Policy) -> String {
    format!("{} {}", name.as_str(), limits(policy))
}

/// One policy without its name: `LIMIT ... [SHADOW]`.
pub fn limits(policy: &Policy) -> String {
    let mut text = String::new();
    encode_policy(policy, |word| {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&String::from_utf8_lossy(word));
    });
    text
}

/// A number by which equal texts are known, and different ones told apart as far as 53 bits can: FNV-1a, folded, so that
/// what keeps numbers as doubles keeps it whole.
pub fn sum(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 53) ^ (hash & ((1 << 53) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::names::RATELIMIT_POLICY_REPLACE;
    use crate::policy::definition::MAX_NAME_LEN;

    fn again(text: &str) -> String {
        write(parse(text.as_bytes()).unwrap().iter())
    }

    fn wrong(text: &[u8]) -> String {
        parse(text).expect_err("a mistake").text(RATELIMIT_POLICY_REPLACE).into_string().unwrap()
    }

    #[test]
    fn a_text_has_one_spelling() {
        for (given, written) in [
            ("", ""),
            (" ;\n; \t\r\n", ""),
            ("a LIMIT 5 EX 60", "a LIMIT 5 EX 60"),
            (
                "b limit 10 px 2500 burst 3;a LIMIT 5 PX 60000 STRICT",
                "a LIMIT 5 EX 60 STRICT; b LIMIT 10 PX 2500 BURST 3",
            ),
            ("a LIMIT 5 EX 1 BURST 5 COST 1", "a LIMIT 5 EX 1"),
            (
                "a SHADOW LIMIT 5 COST 0 EX 1\n\na.b LIMIT 1 EX 86400 ALIGN 140400;",
                "a LIMIT 5 EX 1 COST 0 SHADOW; a.b LIMIT 1 EX 86400 ALIGN 54000",
            ),
            ("x\tLIMIT  1\tEX\t1 LIMIT 7 PX 1001 COST 9\r\n", "x LIMIT 1 EX 1 LIMIT 7 PX 1001 COST 9"),
        ] {
            assert_eq!(again(given), written);
            assert_eq!(again(written), written);
        }
    }

    #[test]
    fn a_mistake_is_told_with_the_place_of_its_policy() {
        for (text, error) in [
            ("a LIMIT 7 EX 60; b LIMIT 0 EX 1", "ERR policy 2: LIMIT must be at least 1"),
            ("; ;a", "ERR policy 1: syntax error"),
            ("a LIMIT 1 EX 1;b LIMIT 1;", "ERR policy 2: LIMIT needs EX or PX"),
            (
                "a LIMIT 1 EX 0",
                "ERR policy 1: EX and PX must be at least 1 and at most 100 years (3155760000 s)",
            ),
            ("a:b LIMIT 1 EX 1", "ERR policy 1: a policy's name is 1 to 64 of A-Z a-z 0-9 . _ -"),
            ("LIMIT 1 EX 1", "ERR policy 1: syntax error"),
            (
                "a LIMIT 1 EX 1\nb LIMIT 1 EX 1\na LIMIT 2 EX 1",
                "ERR policy 3: a policy of this name was said before",
            ),
            ("a LIMIT 1 EX 1 FORCE", "ERR policy 1: syntax error"),
            ("a LIMIT 1 EX 1 SHADOW SHADOW", "ERR policy 1: SHADOW is said twice"),
            ("a @b", "ERR policy 1: syntax error"),
            ("a LIMIT one EX 1", "ERR policy 1: LIMIT count is not an integer or out of range"),
            ("a LIMIT 1 EX 1, b LIMIT 1 EX 1", "ERR policy 1: EX is not an integer or out of range"),
        ] {
            assert_eq!(wrong(text.as_bytes()), error, "{text}");
        }
        assert_eq!(wrong(b"a LIMIT 1 EX 1\0"), "ERR policy 1: EX is not an integer or out of range");
        assert_eq!(
            wrong("a LIMIT 1 EX 1 ".repeat(9).replace("1 a", "1").as_bytes()),
            "ERR policy 1: at most 8 LIMIT clauses"
        );
    }

    #[test]
    fn there_are_as_many_policies_as_there_may_be_and_as_long_a_text() {
        let many = |many: usize| (0..many).map(|n| format!("p{n} LIMIT 1 EX 1;")).collect::<String>();
        assert_eq!(parse(many(256).as_bytes()).unwrap().len(), 256);
        assert_eq!(wrong(many(257).as_bytes()), "ERR policy 257: at most 256 policies");
        let longest = "a LIMIT 1 EX 1".to_owned() + &" ".repeat(MAX_TEXT_LEN - 14);
        assert!(parse(longest.as_bytes()).is_ok());
        let text = "ERR all policies together must be at most 65536 bytes of text";
        assert_eq!(wrong((longest + " ").as_bytes()), text);
        // Shorter as it is given than as it is written: `; ` stands for each `;`.
        let limits = " LIMIT 111111111 PX 999999999 COST 222222222".repeat(5);
        let all: Vec<_> = (0..256).map(|n| format!("{n:035}{limits}")).collect();
        let tight = all.join(";");
        assert_eq!(tight.len(), MAX_TEXT_LEN - 1);
        assert_eq!(wrong(tight.as_bytes()), text);
    }

    #[test]
    fn texts_name_the_bounds_that_are_checked() {
        for (error, bound) in [
            (CommandError::PolicyName, MAX_NAME_LEN),
            (CommandError::TooManyPolicies, MAX_POLICIES),
            (CommandError::PoliciesTooLong, MAX_TEXT_LEN),
        ] {
            let text =
                TextError { policy: None, error }.text(RATELIMIT_POLICY_REPLACE).into_string().unwrap();
            assert!(text.split(' ').any(|word| word == bound.to_string()), "{text}");
        }
    }

    #[test]
    fn equal_texts_have_one_sum_and_it_fits_a_double() {
        let (one, other) = (sum("a LIMIT 5 EX 60"), sum("a LIMIT 5 EX 61"));
        assert!(one != other && one < 1 << 53 && other < 1 << 53);
        assert_eq!(sum(""), 0xcbf2_9ce4_8422_2325_u64 >> 53 ^ (0xcbf2_9ce4_8422_2325 & ((1 << 53) - 1)));
    }
}
