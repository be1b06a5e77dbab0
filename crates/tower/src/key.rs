//! Which bucket a request draws from, and what happens to one that does not say.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;

use crate::client_ip::ClientIp;

/// What tells one caller from another: requests with the same key share their limits.
///
/// | made by | key in Redis |
/// |---|---|
/// | [`Key::fixed`] | the text as it is |
/// | [`Key::client_ip`] | `ip:192.0.2.7`, `ip:2001:db8:1:2::/64` |
/// | [`Key::header`] | `header:x-api-key:the value` |
/// | [`Key::path`] | `path:/the/path` |
/// | [`Key::by`] | what the closure answers |
///
/// A key longer than [`Key::LONGEST`] counts as none, so that a caller cannot fill the server's memory
/// with long ones. What happens to requests without a key is [`WithoutKey`].
#[derive(Clone)]
pub struct Key(Of);

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The request does not say enough.
    Key,
    /// The server does not hand on who the peer is, which is no fault of the request.
    Peer,
}

#[derive(Clone)]
enum Of {
    Fixed(Bytes),
    ClientIp(Arc<ClientIp>),
    Header(HeaderName),
    Path,
    By(KeyOf),
}

type KeyOf = Arc<dyn Fn(&Parts) -> Option<Vec<u8>> + Send + Sync>;

impl Key {
    /// The longest key of a request, in bytes, without the prefix of the layer.
    pub const LONGEST: usize = 1024;

    /// One key for all requests: everything that passes here shares the limits.
    pub fn fixed(key: impl Into<Bytes>) -> Self {
        Self(Of::Fixed(key.into()))
    }

    /// The address of the client; see [`ClientIp`] for what that is behind proxies.
    pub fn client_ip(client: ClientIp) -> Self {
        Self(Of::ClientIp(Arc::new(client)))
    }

    /// The value of a header, as it is sent: whoever can choose it freely can choose a fresh bucket for
    /// each request, so take one that is checked further in, or checked before. Two lines of it are
    /// ambiguous and count as none, and so does an empty one. The value is a part of the key in Redis; use
    /// [`Key::by`] to hash a secret first.
    pub fn header(name: HeaderName) -> Self {
        Self(Of::Header(name))
    }

    /// The path, as it is sent: `/a` and `/%61` are two. For paths with parameters take the route
    /// instead, with [`Key::by`] and axum's `MatchedPath`.
    pub fn path() -> Self {
        Self(Of::Path)
    }

    /// Whatever tells callers apart; `None` where there is nothing to tell.
    ///
    /// ```
    /// use sluice_tower::{ClientIp, Key};
    ///
    /// // Each client has a bucket for each method.
    /// let client = Key::client_ip(ClientIp::new());
    /// let key = Key::by(move |request| {
    ///     Some([request.method.as_str().as_bytes(), b":", &client.of(request)?].concat())
    /// });
    /// ```
    pub fn by<K: Into<Vec<u8>>>(key: impl Fn(&Parts) -> Option<K> + Send + Sync + 'static) -> Self {
        Self(Of::By(Arc::new(move |request| key(request).map(Into::into))))
    }

    /// The key of a request, without the prefix of a layer.
    pub fn of(&self, request: &Parts) -> Option<Vec<u8>> {
        self.find(request).ok()
    }

    pub(crate) fn find(&self, request: &Parts) -> Result<Vec<u8>, Missing> {
        if let Of::ClientIp(client) = &self.0 {
            let network = client.network_of(request).ok_or(Missing::Peer)?;
            return Ok(format!("ip:{network}").into_bytes());
        }
        self.said(request).filter(|key| key.len() <= Self::LONGEST).ok_or(Missing::Key)
    }

    /// What the request itself says.
    fn said(&self, request: &Parts) -> Option<Vec<u8>> {
        Some(match &self.0 {
            Of::Fixed(key) => key.to_vec(),
            Of::ClientIp(_) => return None,
            Of::Header(name) => {
                let mut lines = request.headers.get_all(name).iter();
                match (lines.next(), lines.next()) {
                    (Some(value), None) if !value.is_empty() => {
                        [b"header:", name.as_str().as_bytes(), b":", value.as_bytes()].concat()
                    }
                    _ => return None,
                }
            }
            Of::Path => [b"path:", request.uri.path().as_bytes()].concat(),
            Of::By(key) => key(request)?,
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Of::Fixed(key) => f.debug_tuple("Fixed").field(key).finish(),
            Of::ClientIp(client) => client.fmt(f),
            Of::Header(name) => f.debug_tuple("Header").field(name).finish(),
            Of::Path => f.write_str("Path"),
            Of::By(_) => f.write_str("By(..)"),
        }
    }
}

impl From<&'static str> for Key {
    /// [`Key::fixed`].
    fn from(key: &'static str) -> Self {
        Self::fixed(key)
    }
}

impl From<ClientIp> for Key {
    /// [`Key::client_ip`].
    fn from(client: ClientIp) -> Self {
        Self::client_ip(client)
    }
}

/// What happens to a request without a key: no such header, a closure that answered none. A peer that is not
/// known is our own fault: see [`Refusal::WithoutPeer`](crate::Refusal::WithoutPeer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WithoutKey {
    /// It is refused, with 400 Bad Request. A limit that callers escape by saying less is none.
    #[default]
    Refuse,
    /// It passes, unlimited and without headers, and so does one whose peer is not known.
    Pass,
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn text(key: &Key, request: &Parts) -> Option<String> {
        key.of(request).map(|key| String::from_utf8(key).unwrap())
    }

    #[test]
    fn each_kind_spells_keys_that_no_other_kind_does() {
        let request = request("/a/b?c=d", &[("x-api-key", "7f")]);
        let some = |key: &str| Some(key.to_owned());
        assert_eq!(text(&Key::from("partner:api"), &request), some("partner:api"));
        let header = Key::header(HeaderName::from_static("x-api-key"));
        assert_eq!(text(&header, &request), some("header:x-api-key:7f"));
        assert_eq!(text(&Key::path(), &request), some("path:/a/b"), "without the query");
        let method = Key::by(|request| Some(request.method.to_string()));
        assert_eq!(text(&method, &request), some("GET"));
    }

    #[test]
    fn what_is_missing_empty_twice_or_too_long_is_no_key() {
        let header = Key::header(HeaderName::from_static("x-api-key"));
        assert_eq!(text(&header, &request("/", &[])), None);
        assert_eq!(text(&header, &request("/", &[("x-api-key", "")])), None);
        assert_eq!(text(&header, &request("/", &[("x-api-key", "a"), ("x-api-key", "b")])), None);

        let path = |len: usize| format!("/{}", "a".repeat(len - "path:/".len()));
        assert!(Key::path().of(&request(&path(1024), &[])).is_some());
        assert!(Key::path().of(&request(&path(1025), &[])).is_none());
        assert_eq!(Key::path().find(&request(&path(1025), &[])), Err(Missing::Key));
        assert_eq!(Key::from(ClientIp::new()).find(&request("/", &[])), Err(Missing::Peer));
    }
}
