//! A connection that shows the exact bytes: no client library between the test and the server, so a test can
//! send what a well-behaved client never would and see whether the replies stay in step.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::debug::patience;
use crate::reply::Reply;

/// A connection to a server. Its methods panic, saying what was read, when the server does not answer.
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
    last: Vec<u8>,
    echoes: u32,
}

trait Stream: Read + Write + Send {
    fn read_for(&self, patience: Duration) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn read_for(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

impl Stream for TcpStream {
    fn read_for(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

impl Client {
    pub(crate) fn unix(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(patience()))?;
        Ok(Self::over(Box::new(stream)))
    }

    /// A connection to a port of 127.0.0.1, where a server may be or not.
    ///
    /// # Errors
    /// That nobody listens there.
    pub fn to_port(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience()))?;
        Ok(Self::over(Box::new(stream)))
    }

    /// How long it waits for each part of a reply from now on. After a reply that did not come in time the connection
    /// is out of step.
    ///
    /// # Errors
    /// That the connection is broken.
    pub fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.get_ref().read_for(patience)
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream), last: Vec::new(), echoes: 0 }
    }

    /// Sends the words of a line as one command and reads the reply.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> Reply {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Sends one command whose arguments may be any bytes, and reads the reply.
    #[track_caller]
    pub fn call(&mut self, args: &[impl AsRef<[u8]>]) -> Reply {
        self.send(args);
        self.read()
    }

    /// As `call`, for a test in which the connection may break.
    ///
    /// # Errors
    /// That it broke, or that what came is no reply.
    pub fn try_call(&mut self, args: &[impl AsRef<[u8]>]) -> io::Result<Reply> {
        self.stream.get_mut().write_all(&encode(args))?;
        self.try_read()
    }

    /// Sends all lines in one write before it reads any reply.
    #[track_caller]
    pub fn pipeline(&mut self, lines: &[impl AsRef<str>]) -> Vec<Reply> {
        let commands = lines.iter().map(|line| encode(&line.as_ref().split_whitespace().collect::<Vec<_>>()));
        self.send_bytes(&commands.collect::<Vec<_>>().concat());
        lines.iter().map(|_| self.read()).collect()
    }

    /// Sends one command and leaves its reply to `read`.
    #[track_caller]
    pub fn send(&mut self, args: &[impl AsRef<[u8]>]) {
        self.send_bytes(&encode(args));
    }

    /// Sends bytes as they are, also those that are no command.
    #[track_caller]
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the server takes what is sent");
    }

    /// As `send_bytes`, for a test in which the connection may break.
    ///
    /// # Errors
    /// That it broke.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one reply.
    #[track_caller]
    pub fn read(&mut self) -> Reply {
        match self.try_read() {
            Ok(reply) => reply,
            Err(error) => panic!("no reply ({error}); read so far: \"{}\"", self.last.escape_ascii()),
        }
    }

    /// As `read`, for a test in which the connection may break.
    ///
    /// # Errors
    /// That it broke, or that what came is no reply.
    pub fn try_read(&mut self) -> io::Result<Reply> {
        self.last.clear();
        Reply::read_from(&mut self.stream, &mut self.last)
    }

    /// The exact bytes of the last reply.
    pub fn last_bytes(&self) -> &[u8] {
        &self.last
    }

    /// Fails if the server answered more or fewer times than it was asked: the next reply must be to this
    /// question, and nothing may follow it.
    #[track_caller]
    pub fn assert_in_step(&mut self) {
        self.echoes += 1;
        let question = format!("in step {}", self.echoes);
        assert_eq!(self.call(&["ECHO", &question]), Reply::Bulk(question.into_bytes()));
        assert!(
            self.stream.buffer().is_empty(),
            "more replies than commands: \"{}\"",
            self.stream.buffer().escape_ascii()
        );
    }

    /// Fails unless the server has closed, or now closes, this connection.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        match self.try_read() {
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {}
            other => panic!("the connection is open: {other:?}"),
        }
    }

    /// One field of INFO.
    #[track_caller]
    pub fn info(&mut self, section: &str, field: &str) -> String {
        let reply = self.call(&["INFO", section]);
        let prefix = format!("{field}:");
        reply
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_else(|| panic!("no {field} in INFO {section}: {reply:?}"))
            .to_owned()
    }
}

/// The words of a line as `redis-cli` has them: what stands between single quotes is one word.
pub fn words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    let words =
        parts.map(|(n, part)| if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() });
    words.flatten().collect()
}

/// A command as RESP has it.
pub fn encode(args: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args.iter().map(AsRef::as_ref) {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Whatever `args!` takes.
pub trait Arg {
    /// Its bytes.
    fn to_arg(&self) -> Vec<u8>;
}

macro_rules! arg {
    ($($type:ty),+: $self:ident => $bytes:expr) => { $(
        impl Arg for $type {
            fn to_arg(&$self) -> Vec<u8> {
                $bytes
            }
        }
    )+ };
}

arg!(str, String: self => self.as_bytes().to_vec());
arg!([u8], Vec<u8>: self => self.to_vec());
arg!(i32, i64, u32, u64, i128, usize: self => self.to_string().into_bytes());

impl<const N: usize> Arg for [u8; N] {
    fn to_arg(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl<T: Arg + ?Sized> Arg for &T {
    fn to_arg(&self) -> Vec<u8> {
        (**self).to_arg()
    }
}
