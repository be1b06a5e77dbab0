//! Ports for servers.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

/// Below those that the kernel hands out to outgoing connections, so none of them can take one before a server does.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// A loopback address that no server listens on. Whoever listens on a port of it has reserved the same port of
/// 127.0.0.1, against all other processes that ask here, for as long as it lives.
const RESERVED: Ipv4Addr = Ipv4Addr::new(127, 83, 76, 67);

/// A port of 127.0.0.1 that nobody listens on and that nobody else is given while this process lives.
pub fn free_port() -> u16 {
    static NEXT: Mutex<(u16, Vec<TcpListener>)> = Mutex::new((0, Vec::new()));
    let mut next = NEXT.lock().unwrap();
    let count = PORTS.end - PORTS.start;
    // Processes start apart, so that they seldom ask for the same.
    let first = u16::try_from(std::process::id() % u32::from(count / 50)).unwrap() * 50;
    loop {
        let port = PORTS.start + (first + next.0) % count;
        next.0 = (next.0 + 1) % count;
        let Ok(reservation) = TcpListener::bind((RESERVED, port)) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            next.1.push(reservation);
            return port;
        }
    }
}
