//! A client's connections, over crashes and redirections.

use std::collections::HashMap;
use std::time::Duration;

use sluice_testing::{Client, Reply};

use crate::now::now_us;

/// Where the key of a number is served, as far as clients know.
pub(crate) trait Route: Sync {
    /// The port of the server that has the key.
    fn port(&self, key: &str) -> u16;

    /// A server has said that the key is at another port from now on.
    fn moved(&self, _key: &str, _port: u16) {}

    /// The server at a port does not answer.
    fn silent(&self, _key: &str, _port: u16) {}
}

/// One server, for all keys.
pub(crate) struct Only(pub(crate) u16);

impl Route for Only {
    fn port(&self, _key: &str) -> u16 {
        self.0
    }
}

/// What came of a call.
pub(crate) struct Came {
    /// The port of the server that was asked last.
    pub(crate) node: u16,
    /// Before the command was sent to that server, and after it was answered or not, unix µs.
    pub(crate) invoked_us: i64,
    pub(crate) ended_us: i64,
    /// None: the command may have been sent, and no reply has come.
    pub(crate) reply: Option<Reply>,
}

/// The first word of what stands for a reply when nobody listens at the port.
const ABSENT: &str = "CLIENT";

/// The connections of one client, one a server, opened when first needed.
pub(crate) struct Link<'a> {
    route: &'a dyn Route,
    open: HashMap<u16, Client>,
}

impl<'a> Link<'a> {
    pub(crate) fn new(route: &'a dyn Route) -> Self {
        Self { route, open: HashMap::new() }
    }

    /// Sends a command to whoever has the key and follows redirections. An error without effect, such as a server that
    /// is not there, is an error reply.
    pub(crate) fn call(&mut self, key: &str, words: &[String], patience: Duration) -> Came {
        let mut port = self.route.port(key);
        let mut asking = false;
        for _ in 0..6 {
            let came = self.send(port, words, asking, patience);
            if came.reply.as_ref().is_none_or(is_absent) {
                self.route.silent(key, port);
            }
            let Some(Reply::Error(error)) = &came.reply else { return came };
            let mut parts = error.split(' ');
            let kind = parts.next();
            let target = parts.nth(1).and_then(|address| address.rsplit(':').next()?.parse().ok());
            match (kind, target) {
                (Some("MOVED"), Some(target)) => {
                    self.route.moved(key, target);
                    (port, asking) = (target, false);
                }
                (Some("ASK"), Some(target)) => (port, asking) = (target, true),
                _ => return came,
            }
        }
        let error = Some(Reply::Error("ERR redirected for ever".to_owned()));
        Came { node: port, invoked_us: now_us(), ended_us: now_us(), reply: error }
    }

    /// Drops all connections, as a client does that dies.
    pub(crate) fn die(&mut self) {
        self.open.clear();
    }

    fn send(&mut self, port: u16, words: &[String], asking: bool, patience: Duration) -> Came {
        let mut came = Came { node: port, invoked_us: now_us(), ended_us: 0, reply: None };
        let client = match self.open.entry(port) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                Client::to_port(port).map(|client| entry.insert(client))
            }
        };
        came.invoked_us = now_us();
        came.reply = match client {
            // Nobody there: nothing was sent.
            Err(error) => Some(Reply::Error(format!("{ABSENT} {error}"))),
            Ok(client) => ask(client, words, asking, patience),
        };
        came.ended_us = now_us();
        let gone = matches!(&came.reply, Some(Reply::Error(error)) if error.starts_with("UNBLOCKED"));
        if came.reply.is_none() || gone {
            self.open.remove(&port);
        }
        came
    }
}

fn is_absent(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.starts_with(ABSENT))
}

fn ask(client: &mut Client, words: &[String], asking: bool, patience: Duration) -> Option<Reply> {
    client.set_patience(patience).ok()?;
    if asking {
        client.try_call(&["ASKING"]).ok()?;
    }
    client.try_call(words).ok()
}
