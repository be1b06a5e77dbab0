//! The words of a policy.
//!
//! ```text
//! policy: LIMIT ... [LIMIT ...]... [SHADOW]             see [`super::limits`]
//!
//! name policy                                 RATELIMIT.POLICY SET
//! name [name ...]                             RATELIMIT.POLICY DEL
//! text                                        RATELIMIT.POLICY REPLACE, see [`crate::policy::text`]
//! name                                        RATELIMIT.POLICY GET
//! ```

use super::error::CommandError;
use super::keyword::Keyword;
use super::limits::{Named, Options, encode_clauses, parse};
use super::words::encode_keyword;
use crate::limit::call::Clauses;
use crate::policy::definition::{Name, NoPolicies, Policy};

/// Parses what follows `RATELIMIT.POLICY SET`.
pub fn parse_set<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<(Name, Policy), CommandError> {
    let name = Name::new(words.next().ok_or(CommandError::Arity)?)?;
    Ok((name, parse_policy(words)?))
}

/// Parses a policy without its name.
pub fn parse_policy<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Policy, CommandError> {
    let mut shadows = 0;
    let limits = words.filter(|word| {
        let is_shadow = Keyword::of(word) == Some(Keyword::Shadow);
        shadows += usize::from(is_shadow);
        !is_shadow
    });
    let mut clauses = Clauses::new();
    match parse(limits, &NoPolicies, &mut clauses) {
        // An option is none of a policy's, and no policy stands for another.
        Ok(Options { mode: None, why: None, named: Named::No }) => {}
        Ok(_) | Err(CommandError::NoLimit | CommandError::Modes) => return Err(CommandError::Syntax),
        Err(error) => return Err(error),
    }
    match shadows {
        0 | 1 => Ok(Policy { clauses, shadow: shadows == 1 }),
        _ => Err(CommandError::Twice(Keyword::Shadow)),
    }
}

/// Calls `word` with each word that [`parse_policy`] reads back as `policy`.
pub fn encode_policy(policy: &Policy, mut word: impl FnMut(&[u8])) {
    encode_clauses(&policy.clauses, true, &mut word);
    if policy.shadow {
        encode_keyword(Keyword::Shadow, &mut word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> impl Iterator<Item = &[u8]> {
        text.split_whitespace().map(str::as_bytes)
    }

    #[test]
    fn a_policy_is_limits_and_nothing_else() {
        let (name, policy) = parse_set(words("api limit 5 ex 1 cost 2 Shadow LIMIT 7 PX 5 STRICT")).unwrap();
        assert_eq!((name.as_str(), policy.clauses.len(), policy.shadow), ("api", 2, true));
        for (text, error) in [
            ("", CommandError::Arity),
            ("a", CommandError::Syntax),
            ("a SHADOW", CommandError::Syntax),
            ("a:b", CommandError::PolicyName),
            ("a LIMIT 1 EX 1 MAXWAIT 5", CommandError::Syntax),
            ("a LIMIT 1 EX 1 PARTIAL FORCE", CommandError::Syntax),
            ("a LIMIT 1 EX 1 DUE 5", CommandError::Syntax),
            ("a LIMIT 1 EX 1 AT 5", CommandError::Syntax),
            ("a LIMIT 1 EX 1 SHADOW SHADOW", CommandError::Twice(Keyword::Shadow)),
            ("a LIMIT 1 EX 1 COST SHADOW", CommandError::ValueMissing(Keyword::Cost)),
            ("a LIMIT 1 EX 0", CommandError::Time),
            ("a LIMIT 1", CommandError::NoPeriod),
            ("a @b", CommandError::Syntax),
            ("a LIMIT 1 EX 1 @b", CommandError::Syntax),
        ] {
            assert_eq!(parse_set(words(text)).map(|_| ()), Err(error), "{text}");
        }
    }
}
