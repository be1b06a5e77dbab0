//! A connection that says more than anybody should, and counts what it is answered.

use std::io::ErrorKind;

use sluice_testing::{Client, Kind, Reply, Server, encode};

use crate::batch::Sent;
use crate::chance::Chance;
use crate::manner::Manner;
use crate::operators::{PASSWORD, USER};
use crate::tally::Tally;
use crate::trail::Trail;
use crate::words::{Words, line};

pub(crate) struct Talker {
    client: Client,
    /// The server's number of it.
    pub(crate) id: i64,
    pub(crate) manner: Manner,
    pending: Vec<Sent>,
    /// What the last batch was answered.
    pub(crate) heard: Vec<Reply>,
    markers: u64,
    /// The server may have closed it, or will.
    pub(crate) doomed: bool,
    /// It was unblocked with an error, by CLIENT UNBLOCK or as the server's role changed, which Redis 7.0 may answer
    /// beside the call that waited.
    pub(crate) told_twice: bool,
}

impl Talker {
    pub(crate) fn new(server: &Server, manner: Manner, tcp: bool) -> Self {
        let mut client = if tcp { server.connect_tcp() } else { server.connect() };
        let id = client.ask("CLIENT ID").int();
        match manner {
            Manner::Resp2 | Manner::Inline => {}
            Manner::Resp3 => drop(client.ask("HELLO 3")),
            Manner::Subscribed => {
                client.ask("HELLO 3");
                // Answered by news, as everything about channels is.
                // Redis 7.0 puts news of what a command does into the middle of its answer.
                let events = if server.kind() == Kind::Redis70 { "none*" } else { "__key*" };
                client.send(&["PSUBSCRIBE", events]);
                assert!(matches!(client.read(), Reply::Push(_)));
            }
            Manner::Tracking => {
                client.ask("HELLO 3");
                client.ask("CLIENT TRACKING ON BCAST NOLOOP").assert_ok();
            }
            Manner::User => drop(client.call(&["AUTH", USER, PASSWORD])),
        }
        Self {
            client,
            id,
            manner,
            pending: Vec::new(),
            heard: Vec::new(),
            markers: 0,
            doomed: false,
            told_twice: false,
        }
    }

    /// Sends all of it in one write, and a question behind it whose answer is known.
    pub(crate) fn send(&mut self, batch: Vec<Sent>, trail: &mut Trail) {
        let who = format!("client {} {:?}", self.id, self.manner);
        self.markers += 1;
        let mut bytes = Vec::new();
        for Sent { words, .. } in &batch {
            trail.note(&who, words);
            bytes.extend(self.spelled(words));
        }
        bytes.extend(encode(&self.marker()));
        self.pending = batch;
        // Where the server has closed the connection, reading tells.
        let sent = self.client.try_send_bytes(&bytes);
        assert!(sent.is_ok() || self.doomed, "{who}: {sent:?}");
    }

    /// Sends the first half of a command, and hangs up.
    pub(crate) fn hang_up(mut self, words: &Words, chance: &mut Chance) {
        let bytes = self.spelled(words);
        let _ = self.client.try_send_bytes(&bytes[..chance.below(bytes.len())]);
    }

    fn marker(&self) -> Words {
        line(&format!("ECHO in-step-{}", self.markers))
    }

    fn spelled(&self, words: &Words) -> Vec<u8> {
        let length: usize = words.iter().map(Vec::len).sum();
        // The server takes lines up to 64 KiB; and an empty line is no command.
        if self.manner != Manner::Inline || length > 10_000 || words.is_empty() {
            return encode(words);
        }
        let mut bytes = Vec::new();
        for word in words {
            let quoted: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            let plain = !word.is_empty() && word.iter().all(u8::is_ascii_alphanumeric);
            bytes.extend(if plain { word.clone() } else { format!("\"{quoted}\"").into_bytes() });
            bytes.push(b' ');
        }
        bytes.extend(b"\r\n");
        bytes
    }

    /// Reads exactly one reply for each command that was sent, and checks those of our own. False if the server has
    /// closed the connection, as it may if this one is doomed.
    pub(crate) fn hear(&mut self, kind: Kind, tally: &mut Tally) -> bool {
        let batch = std::mem::take(&mut self.pending);
        self.heard.clear();
        // The commands of a MULTI that were taken, by their places in the batch.
        let mut queued: Option<Vec<usize>> = None;
        for (place, sent) in batch.iter().enumerate() {
            let Some(reply) = self.next() else { return false };
            tally.count(sent, &reply);
            let name = sent.words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
            match (name.as_slice(), &mut queued) {
                (b"EXEC", of) => {
                    if let (Some(of), Reply::Array(replies)) = (of.take(), &reply) {
                        assert_eq!(of.len(), replies.len(), "EXEC answers each of its commands");
                        for (place, reply) in of.iter().zip(replies) {
                            check(&batch[*place], reply);
                        }
                    }
                }
                (b"DISCARD", of) => *of = None,
                (b"MULTI", of @ None) if sent.words.len() == 1 && reply == ok() => *of = Some(Vec::new()),
                (_, Some(of)) if reply == Reply::Simple("QUEUED".to_owned()) => of.push(place),
                (_, Some(_)) => {}
                (_, None) => check(sent, &reply),
            }
            self.heard.push(reply);
        }
        let wanted = Reply::Bulk(self.marker()[1].clone());
        let Some(mut reply) = self.next() else { return false };
        if reply != wanted && self.told_twice && kind == Kind::Redis70 {
            tally.told_twice += 1;
            let Some(next) = self.next() else { return false };
            reply = next;
        }
        assert_eq!(reply, wanted, "client {} {:?}: one reply a command", self.id, self.manner);
        self.told_twice = false;
        true
    }

    /// The next reply that is no news.
    fn next(&mut self) -> Option<Reply> {
        loop {
            match self.client.try_read() {
                Ok(Reply::Push(_)) => {}
                Ok(reply) => return Some(reply),
                Err(error) => {
                    let closed =
                        matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
                    assert!(closed && self.doomed, "client {} {:?}: {error}", self.id, self.manner);
                    return None;
                }
            }
        }
    }
}

fn check(sent: &Sent, reply: &Reply) {
    if let Some(ours) = sent.ours {
        ours.check(&sent.words, reply);
    }
}

fn ok() -> Reply {
    Reply::Simple("OK".to_owned())
}
