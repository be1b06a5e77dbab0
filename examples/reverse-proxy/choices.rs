//! What can be chosen on the command line.

use std::fmt;
use std::str::FromStr;

use axum::http::{HeaderName, Method};
use clap::ValueEnum;
use sluice_client::Outage;
use sluice_tower::ipnet::IpNet;
use sluice_tower::{ClientIp, Key};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// They wait their turn
    Wait,
    /// They are answered 429
    Refuse,
}

/// `closed`, `open`, `local`, `local:3`
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnOutage(Outage);

impl FromStr for OnOutage {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let outage = match text.split_once(':') {
            None if text == "closed" => Outage::Closed,
            None if text == "open" => Outage::Open,
            None if text == "local" => Outage::local(1),
            Some(("local", replicas)) => match replicas.parse() {
                Ok(replicas @ 1..) => Outage::local(replicas),
                _ => return Err("local:N wants the number of replicas, from 1"),
            },
            _ => return Err("expected closed, open, local or local:N"),
        };
        Ok(Self(outage))
    }
}

impl From<OnOutage> for Outage {
    fn from(OnOutage(outage): OnOutage) -> Self {
        outage
    }
}

impl fmt::Display for OnOutage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outage::Open => f.write_str("everything passes"),
            Outage::Local { one_of } => write!(f, "it limits by itself, to one part in {one_of}"),
            _ => f.write_str("nothing passes"),
        }
    }
}

/// `OPTIONS`, `/health`, `/static/`, `-`
#[derive(Debug, Clone)]
pub(crate) enum Exempt {
    Method(Method),
    Path(String),
    Nothing,
}

impl FromStr for Exempt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "-" => Ok(Self::Nothing),
            _ if text.starts_with('/') => Ok(Self::Path(text.to_owned())),
            _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                text.parse().map(Self::Method).map_err(|_| "expected a method, a path or -")
            }
            _ => Err("expected a method such as OPTIONS, a path such as /health or /static/, or -"),
        }
    }
}

impl fmt::Display for Exempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => method.fmt(f),
            Self::Path(path) => f.write_str(path),
            Self::Nothing => f.write_str("-"),
        }
    }
}

/// `one`, `ip`, `path`, `header:x-api-key`
#[derive(Debug, Clone)]
pub(crate) enum KeyOf {
    One,
    Ip,
    Path,
    Header(HeaderName),
}

impl KeyOf {
    pub(crate) fn key(&self, trusted: &[IpNet]) -> Key {
        match self {
            Self::One => Key::fixed("all"),
            Self::Ip => Key::client_ip(ClientIp::new().trust(trusted.iter().copied())),
            Self::Path => Key::path(),
            Self::Header(name) => Key::header(name.clone()),
        }
    }
}

impl FromStr for KeyOf {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "one" => Ok(Self::One),
            "ip" => Ok(Self::Ip),
            "path" => Ok(Self::Path),
            _ => match text.split_once(':') {
                Some(("header", name)) => {
                    name.parse().map(Self::Header).map_err(|_| "header:NAME wants the name of a header")
                }
                _ => Err("expected one, ip, path or header:NAME"),
            },
        }
    }
}

impl fmt::Display for KeyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("in all"),
            Self::Ip => f.write_str("for each client address"),
            Self::Path => f.write_str("for each path"),
            Self::Header(name) => write!(f, "for each {name}"),
        }
    }
}
