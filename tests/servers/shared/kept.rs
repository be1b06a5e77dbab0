//! Data that has to outlive the server's process, whichever family it is of.

use std::fmt::Debug;

use sluice_testing::{Kind, Reply, Server};

use super::{NOON_MS, until_rewritten};

/// Keys of every form, and all that can be seen of them.
pub(crate) struct Kept<P> {
    /// Makes the keys on a server that began at noon.
    pub(crate) fill: fn(&Server),
    pub(crate) picture: fn(&Server) -> P,
    /// Changes, each of which is carried out, made while the file is being rewritten.
    pub(crate) during: &'static [&'static str],
    /// The same once it has been.
    pub(crate) after: &'static [&'static str],
}

impl<P: Debug + PartialEq> Kept<P> {
    pub(crate) fn over_a_kill(&self, kind: Kind) {
        let mut server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
        let before = self.filled(&server);
        server.kill9();
        server.start_again();
        assert_eq!((self.picture)(&server), before);
    }

    pub(crate) fn over_a_snapshot(&self, kind: Kind) {
        let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
        let before = self.filled(&server);
        server.shutdown("SAVE");
        server.start_again();
        assert_eq!((self.picture)(&server), before);
    }

    pub(crate) fn over_reloads(&self, kind: Kind) {
        let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
        let before = self.filled(&server);
        for reload in ["DEBUG RELOAD", "DEBUG LOADAOF", "DEBUG RELOAD"] {
            server.ask(reload).assert_ok();
            assert_eq!((self.picture)(&server), before, "{reload}");
        }
    }

    /// Over a rewrite of the append-only file, as a snapshot or as commands.
    pub(crate) fn over_a_rewrite(&self, kind: Kind, as_snapshot: bool) {
        let preamble = if as_snapshot { "aof-use-rdb-preamble yes" } else { "aof-use-rdb-preamble no" };
        let mut server = Server::setup(kind).aof().config(preamble).clock_ms(NOON_MS).start();
        (self.fill)(&server);
        let mut client = server.connect();
        let mut change = |lines: &[&str]| {
            for line in lines {
                let done = match client.ask(line) {
                    Reply::Int(done) => done,
                    reply => reply.ints()[0],
                };
                assert_eq!(done, 1, "{line}");
            }
        };
        let answer = server.ask("BGREWRITEAOF");
        assert!(answer.text().starts_with("Background append only file rewriting"), "{answer:?}");
        change(self.during);
        until_rewritten(&mut server.connect());
        change(self.after);
        let before = (self.picture)(&server);
        server.kill9();
        server.start_again();
        assert_eq!((self.picture)(&server), before);
    }

    fn filled(&self, server: &Server) -> P {
        (self.fill)(server);
        (self.picture)(server)
    }
}
