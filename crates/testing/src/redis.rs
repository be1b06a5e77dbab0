//! For the tests of what speaks to servers by the `redis` crate.

use crate::server::Server;

impl Server {
    /// A client for a server set up with `tcp()`.
    #[track_caller]
    pub fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }
}
