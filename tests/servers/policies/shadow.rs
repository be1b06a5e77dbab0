//! A policy in shadow refuses nobody, charges as ever, and counts whom it would have refused.

use sluice_testing::{Kind, on_every_server};

use crate::policies::{int, shown};
use crate::shared::at_noon;

on_every_server![
    what_would_be_refused_is_granted_charges_nothing_and_is_counted,
    a_hold_holds_nobody_who_comes_by_a_policy_in_shadow,
    a_peek_tells_what_an_acquire_would_be_answered,
    maxwait_is_still_held_to_the_setting,
];

fn what_would_be_refused_is_granted_charges_nothing_and_is_counted(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    int(&mut client, "RATELIMIT.POLICY SET s LIMIT 3 EX 30 LIMIT 100 EX 60 SHADOW");
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k @s COST 2 2").ints(), [1, 0, 1, 3, 20_000, 0]);
    let (stored, replicated) = (client.ask("GET k"), client.info("replication", "master_repl_offset"));
    for (line, reply) in [
        ("RATELIMIT.ACQUIRE k @s COST 2 2", &[1, 0, 1, 3, 20_000, 0][..]),
        ("RATELIMIT.ACQUIRE k @s COST 9 2", &[1, 0, 1, 3, 20_000, 0]),
        ("RATELIMIT.ACQUIRE k @s COST 2 2 MAXWAIT 60000", &[1, 0, 1, 3, 20_000, 0, 1_800_000_000_000_000]),
    ] {
        assert_eq!(client.ask(line).ints(), reply, "{line}");
        assert_eq!(client.ask("GET k"), stored, "{line}");
    }
    assert_eq!(client.info("replication", "master_repl_offset"), replicated);
    // A part that fits is granted as ever; where nothing fits, it is all of it.
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k @s COST 5 5 PARTIAL").ints()[..3], [1, 0, 0]);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k @s COST 5 5 PARTIAL").ints()[..3], [5, 0, 0]);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k @s FORCE").ints()[..3], [1, 10_000, 0]);
    assert_eq!(client.ask("RATELIMIT.RETURN k @s").ints()[0], 1);
    assert_eq!(shown(&mut client, "s"), "LIMIT 3 EX 30 LIMIT 100 EX 60 SHADOW; 3, 0, 4");
    for (field, value) in [("granted", "7"), ("refused", "0"), ("never", "0"), ("held", "0"), ("shadow", "4")]
    {
        assert_eq!(client.info("sluice", &format!("sluice_{field}")), value, "{field}");
    }
    // Whoever spells the limits out is refused all the same.
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 30").ints()[0], 0);
    client.assert_in_step();
}

fn a_hold_holds_nobody_who_comes_by_a_policy_in_shadow(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    int(&mut client, "RATELIMIT.POLICY SET s LIMIT 3 EX 30 SHADOW");
    client.ask("RATELIMIT.HOLD k EX 30").int();
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k @s").ints()[..3], [1, 0, 0]);
    assert_eq!(shown(&mut client, "s"), "LIMIT 3 EX 30 SHADOW; 0, 0, 1");
    assert_eq!(client.info("sluice", "sluice_held"), "0");
}

fn a_peek_tells_what_an_acquire_would_be_answered(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    int(&mut client, "RATELIMIT.POLICY SET s LIMIT 2 EX 30 SHADOW");
    for _ in 0..4 {
        for option in ["", "PARTIAL", "MAXWAIT 5000"] {
            let peek = client.ask(&format!("RATELIMIT.PEEK k @s {option}"));
            assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE k @s {option}")), peek, "{option}");
        }
    }
    assert_eq!(shown(&mut client, "s"), "LIMIT 2 EX 30 SHADOW; 2, 0, 10");
}

fn maxwait_is_still_held_to_the_setting(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    int(&mut client, "RATELIMIT.POLICY SET s LIMIT 2 EX 30 SHADOW");
    let error = client.ask("RATELIMIT.ACQUIRE k @s MAXWAIT 60001");
    assert_eq!(error.error(), "ERR MAXWAIT is above the setting sluice.max-wait-ms");
}
