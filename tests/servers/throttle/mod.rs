//! `CL.THROTTLE`, for those who come from redis-cell.

mod cases;
mod effects;
mod introspection;
mod load;
mod switch;
mod values;

use sluice_testing::{Client, Kind, Server, Setup};

use crate::shared::NOON_MS;

/// The argument that asks for it.
pub(crate) const ASKED: &str = "throttle yes";

/// A server at noon that has it.
fn setup(kind: Kind) -> Setup {
    Server::setup(kind).module_args(ASKED).clock_ms(NOON_MS)
}

fn start(kind: Kind) -> (Server, Client) {
    let server = setup(kind).start();
    let client = server.connect();
    (server, client)
}
