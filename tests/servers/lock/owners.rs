//! An owner is any 1 to 512 bytes, and comes back as it was, to the byte; and what LOCK.INFO looks like on the wire.

use sluice_testing::{Kind, Server, args, on_every_server};

use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    info_is_a_map_and_flat_pairs_in_resp2,
    any_bytes_are_an_owner,
    an_owner_may_look_like_a_word_of_the_command,
    owners_that_differ_in_one_byte_are_two,
    any_bytes_are_a_key,
];

fn info_is_a_map_and_flat_pairs_in_resp2(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let (mut resp2, mut resp3) = (server.connect(), server.connect_resp3());
    for client in [&mut resp2, &mut resp3] {
        assert!(client.ask("LOCK.INFO k").is_null());
    }
    assert_eq!((resp2.last_bytes(), resp3.last_bytes()), (&b"$-1\r\n"[..], &b"_\r\n"[..]));
    resp3.ask("LOCK.TRY k A PX 1000 HOLDERS 2");
    assert_eq!(resp3.last_bytes(), format!("*3\r\n:1\r\n:{F}\r\n:1000\r\n").as_bytes());
    resp3.ask("LOCK.TRY k B PX 9 HOLDERS 2");
    server.set_clock_ms(NOON_MS + 2);
    let lines = |map: &str, sizes: [usize; 2]| {
        let holder = |owner, fence, ttl| {
            let fields =
                format!("$5\r\nfence\r\n:{fence}\r\n$6\r\nttl-ms\r\n:{ttl}\r\n$7\r\nheld-ms\r\n:2\r\n");
            format!("{map}{}\r\n$5\r\nowner\r\n$1\r\n{owner}\r\n{fields}", sizes[1])
        };
        let holders = format!("*2\r\n{}{}", holder("A", F, 998), holder("B", F + 1, 7));
        format!(
            "{map}{}\r\n$7\r\nholders\r\n{holders}$7\r\nwaiting\r\n:0\r\n$7\r\nwaiters\r\n*0\r\n",
            sizes[0]
        )
    };
    resp2.ask("LOCK.INFO k");
    assert_eq!(
        resp2.last_bytes().escape_ascii().to_string(),
        lines("*", [6, 8]).escape_default().to_string()
    );
    resp3.ask("LOCK.INFO k");
    assert_eq!(
        resp3.last_bytes().escape_ascii().to_string(),
        lines("%", [3, 4]).escape_default().to_string()
    );
    // The same in a transaction.
    resp3.pipeline(&["MULTI", "LOCK.INFO k"]);
    resp3.ask("EXEC");
    assert_eq!(resp3.last_bytes(), format!("*1\r\n{}", lines("%", [3, 4])).as_bytes());
    resp2.assert_in_step();
    resp3.assert_in_step();
}

fn any_bytes_are_an_owner(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).aof().start();
    let (mut resp2, mut resp3) = (server.connect(), server.connect_resp3());
    let every_byte: Vec<u8> = (0..=255).collect();
    let long = [&every_byte[..], &every_byte[..]].concat();
    let owners: [&[u8]; 8] = [b"\0", b"\r\n", b"A\0", b"+OK\r\n$-1\r\n", b"\xff\xfe", b"%s%n", b" ", &long];
    for (n, owner) in (0..).zip(owners) {
        assert_eq!(resp2.call(&args!["LOCK.TRY", "k", owner, "PX", 1000]).ints(), [1, F + n, 1000]);
        assert_eq!(resp2.call(&args!["LOCK.TRY", "k", owner, "PX", 1000]).ints(), [0, F + n, 1000]);
        assert_eq!(resp2.call(&args!["LOCK.EXTEND", "k", owner, "PX", 900]).ints(), [1, F + n, 900]);
        let expected = format!("{} F+{n} ttl 900 held 0; 0 wait", owner.escape_ascii());
        assert_eq!(shown(&mut resp2, "k"), expected);
        assert_eq!(shown(&mut resp3, "k"), expected);
        resp2.ask("DEBUG RELOAD").assert_ok();
        assert_eq!(shown(&mut resp2, "k"), expected);
        resp2.ask("DEBUG LOADAOF").assert_ok();
        assert_eq!(shown(&mut resp2, "k"), expected);
        assert_eq!(resp2.call(&args!["LOCK.RELEASE", "k", owner]).int(), 1);
    }
    resp2.assert_in_step();
    resp3.assert_in_step();
}

fn an_owner_may_look_like_a_word_of_the_command(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (n, owner) in (0..).zip(["PX", "EX", "HOLDERS", "BLOCK", "1", "0", "-1"]) {
        let line = format!("LOCK.ACQUIRE k {owner} PX 1000 HOLDERS 1 BLOCK 0");
        assert_eq!(client.ask(&line).ints(), [1, F + n, 1000], "{owner}");
        assert_eq!(client.ask(&format!("LOCK.EXTEND k {owner} EX 2")).ints(), [1, F + n, 2000], "{owner}");
        assert_eq!(client.ask(&format!("LOCK.RELEASE k {owner}")).int(), 1, "{owner}");
    }
}

fn owners_that_differ_in_one_byte_are_two(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let owner = [b'o'; 512];
    assert_eq!(client.call(&args!["LOCK.TRY", "k", owner, "PX", 1000]).ints(), [1, F, 1000]);
    for place in [0, 255, 511] {
        let mut other = owner;
        other[place] = b'O';
        assert_eq!(client.call(&args!["LOCK.TRY", "k", other, "PX", 1000]).ints(), [0, F, 1000]);
        assert_eq!(client.call(&args!["LOCK.RELEASE", "k", other]).int(), 0);
    }
    for len in [1, 511] {
        assert_eq!(client.call(&args!["LOCK.EXTEND", "k", &owner[..len], "PX", 1]).ints(), [0, F, 1000]);
    }
    assert_eq!(client.call(&args!["LOCK.RELEASE", "k", owner]).int(), 1);
}

fn any_bytes_are_a_key(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let long = vec![b'k'; 1 << 20];
    let keys: [&[u8]; 7] = [b"", b"\0", b"\r\n", b"\xff\xfe", b"%s%n", b"{tag}", &long];
    for (n, key) in (0..).zip(keys) {
        assert_eq!(client.call(&args!["LOCK.TRY", key, "A", "PX", 1000]).ints(), [1, F + n, 1000]);
    }
    for (n, key) in (0..).zip(keys) {
        assert_eq!(client.call(&args!["LOCK.TRY", key, "B", "PX", 1000]).ints(), [0, F + n, 1000]);
        assert_eq!(client.call(&args!["LOCK.INFO", key]).pairs().len(), 3);
        assert_eq!(client.call(&args!["LOCK.RELEASE", key, "A"]).int(), 1);
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
    client.assert_in_step();
}
