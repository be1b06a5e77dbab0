//! Input that no well-behaved client sends, whichever family of commands it is for.

use sluice_testing::{Client, Kind, Reply, Server, args, encode};

use super::random::Random;

/// Keys that have broken other programs.
pub(crate) const KEYS: &[&[u8]] = &[b"k", b"k2", b"", b"\0", b"\xff\xff", b"%n%s", b"\r\n"];

/// A family of commands.
pub(crate) struct Family {
    /// The next command: nonsense, nearly right, or right.
    pub(crate) command: fn(&mut Random) -> Vec<Vec<u8>>,
    /// Whether one of them may be answered this, which is no error.
    pub(crate) can_be: fn(&Reply) -> bool,
    /// The command that looks at a key.
    pub(crate) info: &'static str,
    /// What a script may find its reply to be, by Lua's `type`.
    pub(crate) lua_types: &'static [&'static str],
}

impl Family {
    /// Twenty pipelines of so many commands. So many of each protocol's must have had nothing wrong.
    pub(crate) fn in_a_pipeline(&self, kind: Kind, seed: u64, length: usize, least: usize) {
        let server = Server::start(kind);
        let mut random = Random(seed);
        for mut client in [server.connect(), server.connect_resp3()] {
            let mut sensible = 0;
            for _ in 0..20 {
                let commands: Vec<_> = (0..length).map(|_| (self.command)(&mut random)).collect();
                client.send_bytes(&commands.iter().map(|words| encode(words)).collect::<Vec<_>>().concat());
                for words in &commands {
                    let reply = client.read();
                    self.assert_well_formed(&reply, words);
                    sensible += usize::from(!matches!(reply, Reply::Error(_) | Reply::Null));
                }
                client.assert_in_step();
            }
            // The nonsense is near enough to sense that some of it is carried out.
            assert!(sensible > least, "only {sensible} of {} commands had nothing wrong", 20 * length);
            self.assert_unharmed(&server, &mut client);
        }
    }

    pub(crate) fn in_transactions_and_scripts(&self, kind: Kind, seed: u64) {
        let server = Server::start(kind);
        let mut client = server.connect();
        let mut random = Random(seed);
        for _ in 0..200 {
            let commands: Vec<_> = (0..10).map(|_| (self.command)(&mut random)).collect();
            client.ask("MULTI").assert_ok();
            let queued = Reply::Simple("QUEUED".to_owned());
            let all_queued = commands.iter().all(|words| client.call(words) == queued);
            let exec = client.ask("EXEC");
            if all_queued {
                assert_eq!(exec.array().len(), commands.len());
                let replies = exec.array().iter().zip(&commands);
                replies.for_each(|(reply, words)| self.assert_well_formed(reply, words));
            } else {
                assert!(exec.error().starts_with("EXECABORT "));
            }
        }
        let script = "local reply = redis.pcall(unpack(ARGV)) return type(reply)";
        for _ in 0..2000 {
            let mut words: Vec<Vec<u8>> = args!["EVAL", script, 0].to_vec();
            words.extend((self.command)(&mut random));
            assert!(self.lua_types.contains(&client.call(&words).text()));
        }
        self.assert_unharmed(&server, &mut client);
    }

    /// Each of these calls, with each of its words but the first in turn replaced by a mebibyte of each of these bytes.
    pub(crate) fn huge_words(&self, kind: Kind, calls: &[String], bytes: &[u8]) {
        let server = Server::start(kind);
        let mut client = server.connect();
        for byte in bytes {
            let huge = vec![*byte; 1 << 20];
            for call in calls {
                let right: Vec<_> = call.split(' ').map(|word| word.as_bytes().to_vec()).collect();
                for place in 1..right.len() {
                    let mut words = right.clone();
                    words[place].clone_from(&huge);
                    self.assert_well_formed(&client.call(&words), &[]);
                }
            }
        }
        self.assert_unharmed(&server, &mut client);
    }

    /// Each of these beginnings, followed by a hundred thousand words of each kind.
    pub(crate) fn many_words(&self, kind: Kind, beginnings: &[String], words: &[&str]) {
        let server = Server::start(kind);
        let mut client = server.connect();
        for beginning in beginnings {
            for words in words {
                let line = format!("{beginning} {}", format!("{words} ").repeat(25_000));
                assert!(client.ask(&line).error().starts_with("ERR "));
            }
        }
        assert_eq!(client.ask("DBSIZE").int(), 0);
        self.assert_unharmed(&server, &mut client);
    }

    /// Connections that end in the middle of this command on the key `half`, and before its replies.
    pub(crate) fn cut_off(&self, kind: Kind, line: &str) {
        let server = Server::start(kind);
        let whole = encode(&line.split(' ').collect::<Vec<_>>());
        for end in 0..whole.len() {
            server.connect().send_bytes(&whole[..end]);
        }
        let mut client = server.connect();
        assert_eq!(client.ask("EXISTS half").int(), 0);
        // Gone before the reply could be read.
        server.connect().send_bytes(&whole.repeat(1000));
        self.assert_unharmed(&server, &mut client);
    }

    /// What can be, or an error of ours: with a code, one line, nothing that the caller sent.
    fn assert_well_formed(&self, reply: &Reply, words: &[Vec<u8>]) {
        let well_formed = match reply {
            Reply::Error(text) => {
                let known = ["ERR ", "WRONGTYPE ", "NOPOLICY "].iter().any(|code| text.starts_with(code));
                known && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.contains('%')
            }
            reply => (self.can_be)(reply),
        };
        let sent: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
        assert!(well_formed, "{sent:?} was answered {reply:?}");
    }

    /// The server is well, nobody waits, and all that it has stored will expire.
    fn assert_unharmed(&self, server: &Server, client: &mut Client) {
        client.assert_in_step();
        assert_eq!(client.info("clients", "blocked_clients"), "0");
        assert_eq!(client.info("sluice", "sluice_lock_waiting"), "0");
        for key in client.ask("KEYS *").array() {
            // It may be gone by now (-2), but none is for ever (-1).
            assert_ne!(client.call(&args!["PTTL", key.bytes()]).int(), -1, "{key:?}");
            assert!(!matches!(client.call(&args![self.info, key.bytes()]), Reply::Error(_)), "{key:?}");
        }
        assert_eq!(server.connect().ask("PING").text(), "PONG");
        let log = server.log();
        for sign in ["BUG REPORT", "STACK TRACE", "panicked", "ASSERTION", "internal error"] {
            assert!(!log.contains(sign), "the log says {sign}");
        }
    }
}
