//! A grant that its client never hears of is taken back, and goes to the next.

use sluice_testing::{Client, Kind, Server, on_every_server, until};

use crate::lock::queue::{granted, holders, wait};

on_every_server![
    a_grant_to_a_client_that_is_sent_away_in_the_same_moment_goes_to_the_next,
    a_grant_to_a_client_that_is_killed_in_the_same_moment_goes_to_the_next,
    a_grant_that_nobody_hears_of_leaves_the_lock_free,
    a_grant_that_its_owner_learns_of_elsewhere_is_not_taken_back,
];

/// The ids of those who wait, in the order of their coming.
fn waiting_ids(client: &mut Client) -> Vec<i64> {
    let list = client.ask("CLIENT LIST");
    let field = |line: &str, name: &str| {
        line.split(' ').find_map(|field| field.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    let lines = list.text().lines().filter(|line| field(line, "cmd=").eq_ignore_ascii_case("lock.acquire"));
    let mut ids: Vec<i64> = lines.map(|line| field(line, "id=").parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// Both commands are read in one turn of the server's loop: the first grants, the second reaches the client before
/// the grant does.
fn a_grant_to_a_client_that_is_sent_away_in_the_same_moment_goes_to_the_next(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut first = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut second = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    let id = waiting_ids(&mut client)[0];
    let replies = client.pipeline(&["LOCK.RELEASE k A".to_owned(), format!("CLIENT UNBLOCK {id} ERROR")]);
    assert_eq!(replies[0].int(), 1);
    if kind == Kind::Redis70 {
        // This server answers at the release and then once more: B has been told that it holds the lock.
        granted(&mut first);
        assert!(first.read().error().starts_with("UNBLOCKED "));
        assert_eq!(holders(&mut client, "k"), ["B"]);
        return;
    }
    assert!(first.read().error().starts_with("UNBLOCKED "));
    first.assert_in_step();
    granted(&mut second);
    assert_eq!(holders(&mut client, "k"), ["C"]);
    assert_eq!(client.info("sluice", "sluice_lock_undelivered"), "1");
}

fn a_grant_to_a_client_that_is_killed_in_the_same_moment_goes_to_the_next(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let _first = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut second = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    let id = waiting_ids(&mut client)[0];
    client.pipeline(&["LOCK.RELEASE k A".to_owned(), format!("CLIENT KILL ID {id}")]);
    if kind == Kind::Redis70 {
        return; // here a grant counts as delivered at the release
    }
    granted(&mut second);
    assert_eq!(holders(&mut client, "k"), ["C"]);
}

fn a_grant_that_nobody_hears_of_leaves_the_lock_free(kind: Kind) {
    if kind == Kind::Redis70 {
        return;
    }
    let server = Server::setup(kind).aof().start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let _first = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let id = waiting_ids(&mut client)[0];
    client.pipeline(&["LOCK.RELEASE k A".to_owned(), format!("CLIENT KILL ID {id}")]);
    until("it is taken back", || client.ask("LOCK.INFO k").is_null());
    assert_eq!(server.aof_commands().last().map(String::as_str), Some("DEL k"));
}

/// EXTEND tells the truth after a lost reply, whenever it comes.
fn a_grant_that_its_owner_learns_of_elsewhere_is_not_taken_back(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for asks in ["LOCK.EXTEND k B PX 60000", "LOCK.TRY k B PX 60000"] {
        client.ask("LOCK.TRY k A PX 60000");
        let _first = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let second = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 1000");
        let id = waiting_ids(&mut client)[0];
        let lines = ["LOCK.RELEASE k A".to_owned(), format!("CLIENT KILL ID {id}"), asks.to_owned()];
        let told = client.pipeline(&lines)[2].ints();
        assert!(told[1] > 0 && told[2] > 0, "{asks}: {told:?}");
        let mut second = second;
        assert_eq!(second.read().ints()[0], 0, "{asks}");
        assert_eq!(holders(&mut client, "k"), ["B"], "{asks}");
        client.ask("DEL k");
    }
}
