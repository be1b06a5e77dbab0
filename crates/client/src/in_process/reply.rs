//! Replies as they come over the wire, in RESP2.

use redis::{Value, parse_redis_value};

pub(super) fn text(bytes: &[u8]) -> Value {
    Value::BulkString(bytes.to_vec())
}

/// A count or a time that the protocol bounds far below the largest integer.
pub(super) fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(super) fn integers<const N: usize>(numbers: [i64; N]) -> Value {
    Value::Array(numbers.into_iter().map(Value::Int).collect())
}

/// A map, as flat pairs.
pub(super) fn map(pairs: Vec<(&str, Value)>) -> Value {
    Value::Array(pairs.into_iter().flat_map(|(name, value)| [text(name.as_bytes()), value]).collect())
}

/// An error in its own words.
pub(super) fn error(line: &str) -> Value {
    // One line, so it parses.
    parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap_or(Value::Nil)
}
