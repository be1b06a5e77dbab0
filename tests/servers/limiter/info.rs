//! What an operator sees in INFO and by keyspace events: counters of what was answered, and no noise.

use sluice_testing::{Client, Kind, Server, on_every_server};

use crate::shared::NOON_MS;

on_every_server![info_counts_each_kind_of_answer, info_has_the_section_once, a_limiter_fires_no_events];

fn info_counts_each_kind_of_answer(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let none = "granted:0 refused:0 never:0 partial:0 forced:0 reserved:0 returned:0 repaired:0 \
                mixed:0 forgotten:0 debt_cut:0 held:0 shadow:0";
    assert_eq!(counters(&mut client), none);
    for (line, counted) in [
        ("ACQUIRE k LIMIT 2 EX 1", "granted"),
        ("ACQUIRE k LIMIT 2 EX 1 MAXWAIT 5", "granted"),
        ("ACQUIRE k LIMIT 2 EX 1", "refused"),
        ("ACQUIRE k LIMIT 2 EX 1 PARTIAL", "refused"),
        ("ACQUIRE k LIMIT 2 EX 1 COST 3", "refused never"),
        ("ACQUIRE k LIMIT 2 EX 1 MAXWAIT 500", "granted reserved"),
        ("ACQUIRE k LIMIT 2 EX 1 MAXWAIT 500", "refused"),
        ("ACQUIRE k LIMIT 2 EX 1 FORCE", "granted forced"),
        ("ACQUIRE p LIMIT 2 EX 1 COST 9 PARTIAL", "granted partial"),
        ("RETURN k LIMIT 2 EX 1", "returned"),
        ("RETURN k LIMIT 2 EX 1 DUE 0", ""),
        ("RETURN idle LIMIT 2 EX 1", ""),
        ("PEEK k LIMIT 2 EX 1", ""),
        ("PEEK k LIMIT 3 EX 1", ""),
        ("INFO k", ""),
        ("ACQUIRE k LIMIT 3 EX 1 COST 2", "refused mixed"),
        ("ACQUIRE k LIMIT 3 EX 1 COST 3", "refused"),
        ("ACQUIRE k LIMIT 3 EX 1 COST 4 FORCE", "granted forced"),
        ("ACQUIRE p LIMIT 2 EX 2 FORCE", "granted forced mixed"),
        ("RETURN p LIMIT 2 EX 2", "returned"),
        ("RETURN p LIMIT 2 EX 3", ""),
        // A joins beside others that are full, and these go: nothing is mixed.
        ("ACQUIRE fresh LIMIT 2 EX 2 COST 0 LIMIT 5 EX 5", "granted"),
        ("ACQUIRE fresh LIMIT 3 EX 2 COST 1 LIMIT 5 EX 5", "granted"),
        ("ACQUIRE debt LIMIT 1 EX 1 COST 3601 FORCE", "granted forced"),
        ("ACQUIRE debt LIMIT 1 EX 1 FORCE", "granted forced debt_cut"),
        ("ACQUIRE eight LIMIT 11 EX 100", "granted"),
        ("ACQUIRE eight LIMIT 12 EX 100", "granted mixed"),
        ("ACQUIRE eight LIMIT 13 EX 100", "granted mixed"),
        ("ACQUIRE eight LIMIT 14 EX 100", "granted mixed"),
        ("ACQUIRE eight LIMIT 15 EX 100", "granted mixed"),
        ("ACQUIRE eight LIMIT 16 EX 100", "granted mixed"),
        ("ACQUIRE eight LIMIT 17 EX 100", "granted mixed"),
        ("ACQUIRE eight LIMIT 18 EX 100", "granted mixed"),
        ("ACQUIRE eight LIMIT 19 EX 100", "granted mixed forgotten"),
        ("HOLD held EX 5", ""),
        ("HOLD held EX 4", ""),
        ("ACQUIRE held LIMIT 2 EX 2", "refused held"),
        ("ACQUIRE held LIMIT 2 EX 2 PARTIAL", "refused held"),
        ("ACQUIRE held LIMIT 2 EX 2 COST 3", "refused never"),
        ("ACQUIRE held LIMIT 2 EX 2 MAXWAIT 4999", "refused held"),
        ("ACQUIRE held LIMIT 2 EX 2 MAXWAIT 5000", "granted reserved"),
        ("ACQUIRE held LIMIT 2 EX 2 FORCE", "granted forced"),
        ("ACQUIRE held LIMIT 2 EX 2", "refused"),
        ("PEEK held LIMIT 2 EX 2 COST 0", ""),
        ("TURN held 5", ""),
        ("HOLD held OFF", ""),
        ("HOLD held EX 5", ""),
        ("ACQUIRE k LIMIT 0 EX 1", ""),
        ("ACQUIRE k LIMIT 3 EX 1 MAXWAIT 60001", ""),
        ("ACQUIRE k LIMIT", ""),
    ] {
        let before = counters(&mut client);
        client.ask(&format!("RATELIMIT.{line}"));
        let expected: Vec<_> = before
            .split(' ')
            .map(|pair| {
                let (name, value) = pair.split_once(':').unwrap();
                let by = i64::from(counted.split(' ').any(|counted| counted == name));
                format!("{name}:{}", value.parse::<i64>().unwrap() + by)
            })
            .collect();
        assert_eq!(counters(&mut client), expected.join(" "), "{line}");
    }
    // A clock that was set back is told of where something had to be cut, once.
    server.set_clock_ms(NOON_MS - 7_200_000);
    for (line, repaired) in [
        ("PEEK k LIMIT 2 EX 1", 0),
        ("ACQUIRE k LIMIT 2 EX 1", 1),
        ("ACQUIRE k LIMIT 2 EX 1", 1),
        ("RETURN p LIMIT 2 EX 2 DUE 0", 1),
        ("RETURN p LIMIT 2 EX 2", 2),
        ("TURN held 5", 2),
        ("HOLD held EX 1", 3),
        ("HOLD held EX 1", 3),
    ] {
        client.ask(&format!("RATELIMIT.{line}"));
        assert_eq!(client.info("sluice", "sluice_repaired"), repaired.to_string(), "{line}");
    }
    client.ask("SET s foreign").assert_ok();
    let before = counters(&mut client);
    client.ask("RATELIMIT.ACQUIRE s LIMIT 1 EX 1").error();
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    client.ask("RATELIMIT.ACQUIRE new LIMIT 1 EX 1").error();
    assert_eq!(counters(&mut client), before);
}

fn info_has_the_section_once(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for section in ["sluice", "SLUICE", "modules", "everything", "all sluice", "modules everything sluice"] {
        let info = client.ask(&format!("INFO {section}"));
        assert_eq!(info.text().matches("# sluice\r\n").count(), 1, "{section}: {info:?}");
        assert_eq!(info.text().matches("\r\nsluice_granted:0\r\n").count(), 1, "{section}: {info:?}");
    }
    assert!(!client.ask("INFO server").text().contains("sluice_"));
}

fn a_limiter_fires_no_events(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let (mut client, mut listener) = (server.connect(), server.connect());
    client.ask("CONFIG SET notify-keyspace-events KEA").assert_ok();
    listener.ask("PSUBSCRIBE __keyevent@0__:*");
    for line in [
        "RATELIMIT.ACQUIRE k LIMIT 2 EX 1",
        "RATELIMIT.ACQUIRE k LIMIT 2 EX 1",
        "RATELIMIT.ACQUIRE k LIMIT 2 EX 1",
        "RATELIMIT.PEEK k LIMIT 2 EX 1",
        "RATELIMIT.ACQUIRE k LIMIT 3 EX 1",
        "RATELIMIT.ACQUIRE k LIMIT 3 EX 1 FORCE",
        "RATELIMIT.RETURN k LIMIT 3 EX 1",
        "RATELIMIT.INFO k",
        "RATELIMIT.HOLD k EX 1",
        "RATELIMIT.ACQUIRE k LIMIT 3 EX 1",
        "RATELIMIT.TURN k 5",
        "RATELIMIT.HOLD k OFF",
        "RATELIMIT.RETURN k LIMIT 3 EX 1 COST 9",
        "RATELIMIT.RETURN k LIMIT 2 EX 1 COST 9",
        "RATELIMIT.HOLD never-used PX 1",
        "RATELIMIT.HOLD never-used OFF",
        "RATELIMIT.ACQUIRE soon-gone LIMIT 1 EX 1",
    ] {
        client.ask(line);
    }
    client.ask("SET end 1").assert_ok();
    // Only the server itself has something to say: the first news is that of the plain command, the next of an expiry.
    let mut event = || {
        let message = listener.read();
        format!("{} {}", message.array()[2].text(), message.array()[3].text())
    };
    assert_eq!(event(), "__keyevent@0__:set end");
    server.set_clock_ms(NOON_MS + 2001);
    client.ask("GET soon-gone");
    assert_eq!(event(), "__keyevent@0__:expired soon-gone");
}

/// `granted:1 refused:0 ...`, in the order of the section.
fn counters(client: &mut Client) -> String {
    let info = client.ask("INFO sluice");
    let fields = info.text().lines().filter_map(|line| line.strip_prefix("sluice_"));
    let others = ["lock_", "policies", "throttle_"];
    fields.filter(|field| !others.iter().any(|other| field.starts_with(other))).collect::<Vec<_>>().join(" ")
}
