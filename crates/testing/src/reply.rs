//! What a server answers, as it stands on the wire.

use std::fmt;
use std::io::{self, BufRead, Error, ErrorKind};

/// One reply, RESP2 or RESP3. The three forms of null are one here; `Client::last_bytes` tells them apart.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// `_`, `$-1` or `*-1`.
    Null,
    /// An integer.
    Int(i64),
    /// `#t` or `#f`.
    Bool(bool),
    /// A simple string: `OK`.
    Simple(String),
    /// The whole text, code included: `ERR syntax error`.
    Error(String),
    /// A bulk string: any bytes.
    Bulk(Vec<u8>),
    /// A double, as written.
    Double(String),
    /// An array.
    Array(Vec<Reply>),
    /// A set, in the order of the wire.
    Set(Vec<Reply>),
    /// News that nobody asked for.
    Push(Vec<Reply>),
    /// A map, in the order of the wire.
    Map(Vec<(Reply, Reply)>),
}

impl Reply {
    /// Reads one reply and appends its exact bytes to `raw`.
    pub(crate) fn read_from(input: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Self> {
        let start = raw.len();
        input.read_until(b'\n', raw)?;
        let line = raw[start..]
            .strip_suffix(b"\r\n")
            .ok_or_else(|| broken("a line without an end", &raw[start..]))?;
        let (kind, text) = line.split_first().ok_or_else(|| broken("an empty line", line))?;
        let text = match kind {
            // Servers repeat there what they were sent.
            b'-' => String::from_utf8_lossy(text).into_owned(),
            _ => String::from_utf8(text.to_vec()).map_err(|_| broken("a line that is not UTF-8", line))?,
        };
        let number = || text.parse::<i64>().map_err(|_| broken("no number", line));
        Ok(match kind {
            b'+' => Self::Simple(text),
            b'-' => Self::Error(text),
            b':' => Self::Int(number()?),
            b',' => Self::Double(text),
            b'#' => Self::Bool(text == "t"),
            b'_' => Self::Null,
            b'$' | b'*' if text == "-1" => Self::Null,
            b'$' | b'=' => {
                let length = usize::try_from(number()?).map_err(|_| broken("a negative length", line))?;
                let (start, mut body) = (raw.len(), vec![0; length + 2]);
                input.read_exact(&mut body)?;
                raw.extend_from_slice(&body);
                Self::Bulk(
                    raw[start..].strip_suffix(b"\r\n").ok_or_else(|| broken("no end", &body))?.to_vec(),
                )
            }
            b'*' | b'~' | b'>' | b'%' => {
                let (kind, count) = (*kind, number()?);
                let mut next = || Self::read_from(input, raw);
                match kind {
                    b'%' => Self::Map((0..count).map(|_| Ok((next()?, next()?))).collect::<io::Result<_>>()?),
                    b'~' => Self::Set((0..count).map(|_| next()).collect::<io::Result<_>>()?),
                    b'>' => Self::Push((0..count).map(|_| next()).collect::<io::Result<_>>()?),
                    _ => Self::Array((0..count).map(|_| next()).collect::<io::Result<_>>()?),
                }
            }
            _ => return Err(broken("an unknown type", line)),
        })
    }

    /// The integer that it is.
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            other => panic!("wanted an integer, got {other:?}"),
        }
    }

    /// The integers of an array that holds nothing else.
    #[track_caller]
    pub fn ints(&self) -> Vec<i64> {
        self.array().iter().map(Self::int).collect()
    }

    /// The elements of an array.
    #[track_caller]
    pub fn array(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            other => panic!("wanted an array, got {other:?}"),
        }
    }

    /// The pairs of a map, or of a flat array as RESP2 has it.
    #[track_caller]
    pub fn pairs(&self) -> Vec<(Self, Self)> {
        match self {
            Self::Map(pairs) => pairs.clone(),
            Self::Array(flat) if flat.len().is_multiple_of(2) => {
                flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
            }
            other => panic!("wanted a map or flat pairs, got {other:?}"),
        }
    }

    /// The bytes of a bulk string.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bulk(bytes) => bytes,
            other => panic!("wanted a bulk string, got {other:?}"),
        }
    }

    /// The text of a bulk or simple string.
    #[track_caller]
    pub fn text(&self) -> &str {
        match self {
            Self::Bulk(bytes) => std::str::from_utf8(bytes).expect("a text in UTF-8"),
            Self::Simple(text) => text,
            other => panic!("wanted a text, got {other:?}"),
        }
    }

    /// The whole text of an error: `ERR syntax error`.
    #[track_caller]
    pub fn error(&self) -> &str {
        match self {
            Self::Error(text) => text,
            other => panic!("wanted an error, got {other:?}"),
        }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// Fails unless it is `OK`.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert_eq!(*self, Self::Simple("OK".to_owned()));
    }

    /// Whether it is a null of any form.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }
}

/// Bytes as text, so that a failing test can be read.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "null"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Simple(text) => write!(f, "+{text}"),
            Self::Error(text) => write!(f, "-{text}"),
            Self::Double(text) => write!(f, ",{text}"),
            Self::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Set(items) => f.debug_set().entries(items).finish(),
            Self::Push(items) => f.debug_tuple("push").field(items).finish(),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(key, value)| (key, value))).finish(),
        }
    }
}

fn broken(what: &str, line: &[u8]) -> Error {
    // Nothing at all means that the server closed the connection.
    let kind = if line.is_empty() { ErrorKind::UnexpectedEof } else { ErrorKind::InvalidData };
    Error::new(kind, format!("{what}: \"{}\"", line.escape_ascii()))
}
