//! What a server holds, to compare it with what another one does, or the same one later.

use std::collections::BTreeMap;

use sluice_testing::{Client, Reply, args};

/// Database, key.
type Place = (usize, Vec<u8>);

/// The keys that are there for long: a sum over the value, and the expiry in unix ms.
pub(crate) struct Picture(BTreeMap<Place, (Vec<u8>, i64)>);

impl Picture {
    /// Of so many databases.
    pub(crate) fn of(client: &mut Client, databases: usize) -> Self {
        let mut keys = BTreeMap::new();
        for database in 0..databases {
            if databases > 1 {
                client.ask(&format!("SELECT {database}")).assert_ok();
            }
            for key in client.ask("KEYS *").array() {
                let key = key.bytes();
                let digest = client.call(&args!["DEBUG", "DIGEST-VALUE", key]).array()[0].clone();
                let digest = match digest {
                    Reply::Simple(text) => text.into_bytes(),
                    other => other.bytes().to_vec(),
                };
                let expires = client.call(&args!["PEXPIRETIME", key]).int();
                // -2: it has gone meanwhile
                if expires != -2 {
                    keys.insert((database, key.to_vec()), (digest, expires));
                }
            }
        }
        if databases > 1 {
            client.ask("SELECT 0").assert_ok();
        }
        Self(keys)
    }

    /// Panics if a key differs that lives on at this time, in unix ms. How many were compared.
    pub(crate) fn assert_same(&self, other: &Self, what: &str, now_ms: i64) -> u64 {
        let lives = |value: &&(Vec<u8>, i64)| value.1 == -1 || value.1 > now_ms;
        let places: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let mut compared = 0;
        for place in places {
            let values = [self, other].map(|picture| picture.0.get(place));
            if values.iter().flatten().all(|value| !lives(value)) {
                continue;
            }
            let shown = |value: Option<&(Vec<u8>, i64)>| {
                value.map(|(digest, expires)| format!("{} expires {expires}", digest.escape_ascii()))
            };
            let key = place.1.escape_ascii();
            assert_eq!(shown(values[0]), shown(values[1]), "{key} in database {}, {what}", place.0);
            compared += 1;
        }
        compared
    }
}
