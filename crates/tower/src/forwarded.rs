//! The headers in which proxies write down where a request came from, read from the nearest proxy on
//! outwards. Everything here comes from strangers: nothing panics, and what is no address is a hop
//! without one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderMap;
use http::header::FORWARDED;

/// What one proxy wrote down: the address it was called from, or something that is none.
pub(crate) type Hop = Option<IpAddr>;

/// The hops of `X-Forwarded-For`. Several lines are one list; empty elements are none.
pub(crate) fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Hop> {
    let lines = headers.get_all("x-forwarded-for").into_iter().rev();
    lines.flat_map(|line| {
        let elements = line.as_bytes().rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        elements.filter(|element| !element.is_empty()).map(node)
    })
}

/// The hops of `Forwarded`. A line with a quote that is not closed is one hop without an address,
/// because nobody can tell which proxy wrote what in it.
pub(crate) fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Hop> {
    let lines = headers.get_all(FORWARDED).into_iter().rev();
    lines.flat_map(|line| {
        let hops = match split(line.as_bytes(), b',') {
            Some(elements) => elements.into_iter().filter(|element| !element.is_empty()).map(hop).collect(),
            None => vec![None],
        };
        hops.into_iter().rev()
    })
}

/// `for=192.0.2.7;proto=https`, with `for` once.
fn hop(element: &[u8]) -> Hop {
    let mut found = None;
    for pair in split(element, b';')? {
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = pair.split_at(equals);
        if name.trim_ascii().eq_ignore_ascii_case(b"for") {
            let value = unquoted(value.get(1..)?.trim_ascii())?;
            if found.replace(value).is_some() {
                return None;
            }
        }
    }
    node(&found?)
}

/// The parts between separators outside of quotes; `None` if a quote is not closed.
fn split(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte => return *byte == separator && !quoted,
        }
        false
    });
    let parts = parts.map(<[u8]>::trim_ascii).collect();
    (!quoted).then_some(parts)
}

/// The value of a token or a quoted string.
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let Some(rest) = value.strip_prefix(b"\"") else {
        return (!value.contains(&b'"')).then(|| value.to_vec());
    };
    let mut text = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => text.push(*bytes.next()?),
            b'"' => return bytes.as_slice().is_empty().then_some(text),
            byte => text.push(*byte),
        }
    }
    None
}

/// An address with or without a port: `192.0.2.7`, `192.0.2.7:80`, `[2001:db8::7]:_a`, `2001:db8::7`.
fn node(text: &[u8]) -> Hop {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let port_or_nothing = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        let address: Ipv6Addr = address.parse().ok()?;
        return port_or_nothing.then_some(address.into());
    }
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (address, port) = text.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(address.into())
}

/// A number, or a name that hides one.
fn is_port(text: &str) -> bool {
    let hidden = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match text.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(hidden),
        None => !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}
