//! What becomes of servers whose test fails, and of those whose test cannot clean up.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use sluice_testing::{Kind, Server, Signal, on_every_server, signal, until};

on_every_server![a_server_that_dies_fails_its_test];

fn a_server_that_dies_fails_its_test(kind: Kind) {
    let server = Server::setup(kind).without_module().start();
    let mut client = server.connect();
    client.send(&["SHUTDOWN", "NOSAVE"]);
    client.assert_closed();
    let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
    assert!(noticed.is_err());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let Err(log) = Server::setup(Kind::Redis82).without_module().config("no-such-setting 1").try_start()
    else {
        panic!("it started");
    };
    assert!(log.contains("no-such-setting"), "{log}");
}

/// Set in the process in which a test of this file runs once more, to come to a bad end there.
const BAD_END: &str = "SLUICE_TEST_BAD_END";

/// What a process says in which the test of this name comes to a bad end.
fn bad_end(test: &str, keep: &str) -> String {
    let test = format!("harness::failures::{test}");
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &test, "--nocapture"]).env(BAD_END, "1").env("KEEP", keep);
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{test} has ended well");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn line_of<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    said.lines().find_map(|line| line.strip_prefix(name))
}

#[test]
fn a_failing_test_shows_the_log_and_keeps_the_folder_if_asked_to() {
    let itself = "a_failing_test_shows_the_log_and_keeps_the_folder_if_asked_to";
    if env::var_os(BAD_END).is_some() {
        let server = Server::setup(Kind::Redis82).without_module().start();
        eprintln!("folder: {}", server.dir().display());
        panic!("on purpose");
    }
    for (keep, kept) in [("1", true), ("", false), ("0", false)] {
        let said = bad_end(itself, keep);
        assert!(said.contains("Ready to accept connections"), "{said}");
        let folder = line_of(&said, "folder: ").unwrap();
        assert_eq!(line_of(&said, "kept: "), kept.then_some(folder), "KEEP={keep}: {said}");
        assert_eq!(Path::new(folder).join("server.log").exists(), kept, "KEEP={keep}");
        if kept {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}

#[test]
fn a_server_does_not_outlive_a_test_that_is_killed() {
    if env::var_os(BAD_END).is_some() {
        let server = Server::setup(Kind::Redis82).without_module().start();
        eprintln!("folder: {}\nserver: {}", server.dir().display(), server.pid());
        signal(std::process::id(), Signal::KILL);
    }
    let said = bad_end("a_server_does_not_outlive_a_test_that_is_killed", "");
    fs::remove_dir_all(line_of(&said, "folder: ").unwrap()).unwrap();
    // One that has ended has no command line, also as long as nobody has asked how it ended.
    let command = format!("/proc/{}/cmdline", line_of(&said, "server: ").unwrap());
    until("the server has ended", || {
        fs::read(&command).is_ok_and(|line| line.is_empty()) || !Path::new(&command).exists()
    });
}
