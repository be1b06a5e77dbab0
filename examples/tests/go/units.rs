//! What the Go tests of the module promise, and that its sources are formatted.

use std::path::Path;
use std::process::Command;

use sluice_testing::{Kind, Server, go_tests, has, on_both_servers};

use crate::MODULE;

on_both_servers![the_go_tests_pass];

async fn the_go_tests_pass(kind: Kind) {
    if has("go") {
        let server = Server::start_tcp(kind);
        tokio::task::spawn_blocking(move || go_tests(MODULE, &server.url())).await.unwrap();
    }
}

#[test]
fn the_sources_are_formatted() {
    if has("go") {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
        let output = Command::new("gofmt").args(["-l", "."]).current_dir(module).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "run gofmt -w on these");
    }
}
