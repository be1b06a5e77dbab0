//! What the server carries out, in its order.

use sluice_testing::Server;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ms;

/// The lines of MONITOR.
pub(crate) struct Monitor(Lines<BufReader<TcpStream>>);

impl Monitor {
    pub(crate) async fn start(server: &Server) -> Self {
        let mut connection = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
        connection.write_all(b"MONITOR\r\n").await.unwrap();
        let mut lines = BufReader::new(connection).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "+OK");
        Self(lines)
    }

    /// Waits until the next command of this name has been carried out.
    pub(crate) async fn next(&mut self, command: &str) -> String {
        let command = format!("\"{command}\"");
        loop {
            let line = timeout(ms(20_000), self.0.next_line()).await.expect(&command).unwrap().unwrap();
            if line.contains(&command) {
                return line;
            }
        }
    }
}

/// When the first turn of a queue was, since 1970, from what is stored after `turns` turns without a
/// pause: the instant at which the next one is due.
pub(crate) fn first_turn(
    server: &Server,
    key: &str,
    turns: u32,
    interval: std::time::Duration,
) -> std::time::Duration {
    let stored = server.ask(&format!("GET {key}"));
    let next: u64 = stored.text()[..19].parse().unwrap();
    std::time::Duration::from_nanos(next) - interval * turns
}
