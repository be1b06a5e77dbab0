//! A network between a client and a server that fails when the test says so: a TCP proxy that delays, silences and
//! cuts connections, and that can lead to another server, as a name does after a failover.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A proxy on a port of 127.0.0.1. Dropping it closes what goes through it.
pub struct Proxy {
    port: u16,
    network: Arc<Network>,
}

struct Network {
    leads_to: AtomicU16,
    delay_us: AtomicU64,
    ended: AtomicBool,
    accepted: AtomicUsize,
    paths: Mutex<Vec<Path>>,
}

/// A connection of a client, and the one to the server that belongs to it.
struct Path {
    silent: Arc<AtomicBool>,
    ends: [TcpStream; 2],
}

impl Proxy {
    /// A proxy that leads to the server on this port.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let network = Arc::new(Network {
            leads_to: AtomicU16::new(port),
            delay_us: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            paths: Mutex::default(),
        });
        let port = listener.local_addr().unwrap().port();
        let accepting = Arc::clone(&network);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    accepting.accept(client);
                }
            }
        });
        Self { port, network }
    }

    /// Its address as clients write it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections it has accepted so far.
    pub fn accepted(&self) -> usize {
        self.network.accepted.load(Ordering::SeqCst)
    }

    /// What is sent from now on arrives so much later, either way.
    pub fn delay(&self, time: Duration) {
        self.network.delay_us.store(u64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// The connections that are there stay open and forward nothing any more. New ones do.
    pub fn silence(&self) {
        for path in &*self.network.paths.lock().unwrap() {
            path.silent.store(true, Ordering::SeqCst);
        }
    }

    /// Closes the connections that are there.
    pub fn cut(&self) {
        for path in self.network.paths.lock().unwrap().drain(..) {
            path.close();
        }
    }

    /// New connections lead to another server. Those that are there stay where they are.
    pub fn lead_to(&self, port: u16) {
        self.network.leads_to.store(port, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.cut();
    }
}

impl Network {
    fn accept(self: &Arc<Self>, client: TcpStream) {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        // Nobody there: the client's connection is closed, which is what it hears.
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.leads_to.load(Ordering::SeqCst)))
        else {
            return;
        };
        for end in [&client, &server] {
            end.set_nodelay(true).unwrap();
        }
        let silent = Arc::new(AtomicBool::new(false));
        for (from, to) in [(&client, &server), (&server, &client)] {
            self.forward(from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(&silent));
        }
        self.paths.lock().unwrap().push(Path { silent, ends: [client, server] });
    }

    fn forward(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, silent: Arc<AtomicBool>) {
        let (chunks, due) = mpsc::channel::<(Instant, Vec<u8>)>();
        let network = Arc::clone(self);
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(len @ 1..) = from.read(&mut buffer) {
                let delay = Duration::from_micros(network.delay_us.load(Ordering::SeqCst));
                if chunks.send((Instant::now() + delay, buffer[..len].to_vec())).is_err() {
                    return;
                }
            }
        });
        thread::spawn(move || {
            for (at, bytes) in due {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                if !silent.load(Ordering::SeqCst) && to.write_all(&bytes).is_err() {
                    return;
                }
            }
            // An end that is silent does not even close.
            if !silent.load(Ordering::SeqCst) {
                let _ = to.shutdown(Shutdown::Both);
            }
        });
    }
}

impl Path {
    fn close(&self) {
        for end in &self.ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
