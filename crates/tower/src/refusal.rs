//! Why a request is not passed on, and what its sender hears.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use sluice_client::{Decision, Error};

/// Why a request is not passed on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal<'a> {
    /// The limit is reached, or the queue is longer than the longest wait.
    Limited {
        /// [`Decision::Denied`].
        decision: Decision,
        /// The name of the limit that decided.
        policy: &'a str,
    },
    /// The request costs more than the limit can ever grant at once, so that trying again does not help.
    TooCostly {
        /// [`Decision::Never`].
        decision: Decision,
        /// The name of the limit that decided.
        policy: &'a str,
    },
    /// The request has no key, and [`WithoutKey::Refuse`](crate::WithoutKey::Refuse) applies.
    WithoutKey,
    /// The key is the address of the client, and the server does not hand on who the peer is. Somebody has to
    /// configure it: see [`ClientIp`](crate::ClientIp).
    WithoutPeer,
    /// The limiter could not decide: the server is out of reach and the limiter is
    /// [`Outage::Closed`](sluice_client::Outage::Closed), or the call was an error.
    Undecided(&'a Error),
}

impl Refusal<'_> {
    /// 429 if limited, 413 if it never can be granted, 400 without a key; 503 while the server is out of reach,
    /// 500 on any other error (the module is not loaded, the key holds something else, the peer is not known),
    /// which lasts until somebody acts.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooCostly { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WithoutKey => StatusCode::BAD_REQUEST,
            Self::Undecided(error) if error.is_unreachable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Undecided(_) | Self::WithoutPeer => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer unless [`respond_with`](crate::RateLimitLayer::respond_with) makes another: the status
    /// and a problem (RFC 9457) in JSON. It does not say what went wrong in here.
    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.to_string()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl fmt::Display for Refusal<'_> {
    /// The problem in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status();
        let title = match self {
            Self::Limited { .. } => "Too many requests",
            Self::TooCostly { .. } => "The request costs more than the limit can ever grant",
            Self::WithoutKey => "The request does not say who it is from",
            Self::Undecided(_) | Self::WithoutPeer => "The rate limit cannot be checked",
        };
        f.write_str("{")?;
        if let Self::Limited { .. } = self {
            // The type is the draft's; a policy holds nothing that JSON would escape.
            f.write_str(r#""type":"https://iana.org/assignments/http-problem-types#quota-exceeded","#)?;
        }
        if let Self::Limited { policy, .. } | Self::TooCostly { policy, .. } = self {
            write!(f, r#""violated-policies":["{policy}"],"#)?;
        }
        write!(f, r#""title":"{title}","status":{}}}"#, status.as_u16())
    }
}
