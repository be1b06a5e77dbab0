//! What is asked for, by variables of the environment.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use sluice_testing::Kind;

use crate::setting::Setting;

pub(crate) struct Options {
    pub(crate) servers: Vec<Kind>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) seed: u64,
    /// For each server, shared by its settings.
    pub(crate) calls: u64,
}

impl Options {
    /// `SERVER`, `SETTING`: all, unless one is named. `SEED`: another each time. `CALLS`: so many.
    pub(crate) fn of_the_environment(calls: u64) -> Self {
        let another = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            servers: one_or_all("SERVER", Kind::ALL.to_vec(), |kind| word(*kind)),
            settings: one_or_all("SETTING", Setting::ALL.to_vec(), |setting| setting.name()),
            seed: number("SEED").unwrap_or_else(another),
            calls: number("CALLS").unwrap_or(calls),
        }
    }
}

/// As tests are named after it.
pub(crate) fn word(kind: Kind) -> String {
    match kind {
        Kind::Redis62 => "redis_6_2",
        Kind::Redis70 => "redis_7_0",
        Kind::Redis82 => "redis_8_2",
        Kind::Valkey81 => "valkey_8_1",
        Kind::Valkey91 => "valkey_9_1",
    }
    .to_owned()
}

fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn number(name: &str) -> Option<u64> {
    value(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn one_or_all<T>(variable: &str, all: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
    let Some(wanted) = value(variable) else { return all };
    let names: Vec<_> = all.iter().map(&name).collect();
    let found: Vec<_> = all.into_iter().filter(|one| name(one) == wanted).collect();
    assert!(!found.is_empty(), "no {variable}={wanted}: there are {}", names.join(", "));
    found
}
