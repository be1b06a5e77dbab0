//! What an older module wrote loads: snapshots and append-only files of every server that we support, with limiters
//! and locks of every form. `tests/fixtures/README.md` says what wrote them; they are never written again.
//!
//! A folder of `tests/fixtures` holds what one version of the module wrote, and `answers.txt`: what is asked of a
//! server that has loaded a file of it, and the answers that it has to give.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sluice_testing::{Client, Kind, Reply, Server, on_every_server, until};

use crate::module::since_0_1_0;

/// When the files were written.
pub(crate) const WRITTEN_MS: i64 = 1_900_000_000_000;

/// When the questions are asked: a lease has ended since, and tokens have come back.
pub(crate) const ASKED_MS: i64 = WRITTEN_MS + 100;

/// Above every fence that the files hold: they begin at the time of writing in µs.
const FENCES_BELOW: i64 = WRITTEN_MS * 1000 + 100;

on_every_server![
    what_was_asked_when_they_were_written_is_answered_the_same,
    snapshots_load_and_answer_as_before,
    append_only_files_load_and_answer_as_before,
    effects_load_and_answer_as_before,
    a_fence_ahead_of_the_clock_is_in_the_snapshot,
];

/// Also writes the files: `make fixtures NAME=0.2.0`.
fn what_was_asked_when_they_were_written_is_answered_the_same(kind: Kind) {
    let wanted = std::env::var("FIXTURES").ok().filter(|name| !name.is_empty());
    let mut sets = sets();
    sets.retain(|set| wanted.as_ref().is_none_or(|name| set.ends_with(name)));
    assert!(!sets.is_empty(), "no {wanted:?} in tests/fixtures");
    for set in sets {
        let commands = lines(&set.join("commands.txt"));
        let server = Server::setup(kind).clock_ms(WRITTEN_MS).start();
        ask_all(&mut server.connect(), &commands);
        server.set_clock_ms(ASKED_MS);
        if wanted.is_some() {
            write_all(kind, &set, &commands, &answers(&mut server.connect(), &questions(&commands)));
        }
        assert_answers_of(&server, &set, true);
    }
}

fn snapshots_load_and_answer_as_before(kind: Kind) {
    let mut loaded = 0;
    for (set, writer) in files_of_all() {
        let snapshot = fs::read(writer.join("dump.rdb")).unwrap();
        let setup = Server::setup(kind).clock_ms(ASKED_MS).file("dump.rdb", &snapshot);
        if can_read(kind, &snapshot) {
            let server = setup.start();
            assert_answers(&server, &set);
            assert_locks_live_on(&server);
            assert_limits_live_on(&server);
            loaded += 1;
        } else {
            let Err(log) = setup.try_start() else { panic!("{kind:?} loads {}", writer.display()) };
            let why = ["Can't handle RDB format version", "Wrong signature trying to load DB"];
            assert!(why.iter().any(|why| log.contains(why)), "{log}");
        }
    }
    assert!(loaded >= 2 || kind == Kind::Redis70, "its own and that of Redis 7.0");
    assert!(loaded >= 1);
}

/// As the commands were propagated, and as BGREWRITEAOF wrote them.
fn append_only_files_load_and_answer_as_before(kind: Kind) {
    for (set, writer) in files_of_all() {
        for state in ["appended", "rewritten"] {
            let files = fs::read_dir(writer.join(state)).unwrap().map(|entry| entry.unwrap().path());
            let files: Vec<_> = files.map(|file| (name_of(&file), fs::read(file).unwrap())).collect();
            let server = with_append_only_files(kind, &files);
            assert_answers(&server, &set);
            assert_locks_live_on(&server);
            assert_limits_live_on(&server);
        }
    }
}

/// What replicas and append-only files get, as lines that can be read.
fn effects_load_and_answer_as_before(kind: Kind) {
    for set in sets() {
        let aof: Vec<u8> =
            lines(&set.join("effects.txt")).iter().flat_map(|line| resp(&words(line))).collect();
        let manifest = b"file appendonly.aof.1.incr.aof seq 1 type i\n".to_vec();
        let files =
            [("appendonly.aof.manifest".to_owned(), manifest), ("appendonly.aof.1.incr.aof".to_owned(), aof)];
        let server = with_append_only_files(kind, &files);
        assert_answers(&server, &set);
        assert_locks_live_on(&server);
        assert_limits_live_on(&server);
    }
}

/// Where no lock is held, but the last fence is ahead of a clock that was set back. Redis 7.0 has no way to save it.
fn a_fence_ahead_of_the_clock_is_in_the_snapshot(kind: Kind) {
    for (_, writer) in files_of_all() {
        let snapshot = fs::read(writer.join("fence-ahead.rdb")).unwrap();
        if !can_read(kind, &snapshot) {
            continue;
        }
        let server = Server::setup(kind).clock_ms(BEFORE_MS).file("dump.rdb", &snapshot).start();
        let granted = server.connect().ask("LOCK.TRY k A PX 1000").ints();
        let expected =
            if name_of(&writer).starts_with("redis-7.0") { BEFORE_MS * 1000 } else { WRITTEN_MS * 1000 + 1 };
        assert_eq!(granted, [1, expected, 1000], "{}", writer.display());
    }
}

/// A minute before.
const BEFORE_MS: i64 = WRITTEN_MS - 60_000;

/// Whether the server loads snapshots of that version, as the file's first nine bytes say it. Valkey and Redis have
/// gone separate ways since version 11.
fn can_read(kind: Kind, snapshot: &[u8]) -> bool {
    let version = std::str::from_utf8(&snapshot[..9]).unwrap();
    let readable: &[&str] = match kind {
        Kind::Redis62 => &[],
        Kind::Redis70 => &["REDIS0010"],
        Kind::Redis82 => &["REDIS0010", "REDIS0011", "REDIS0012"],
        Kind::Valkey81 => &["REDIS0010", "REDIS0011"],
        Kind::Valkey91 => &["REDIS0010", "REDIS0011", "VALKEY080"],
    };
    readable.contains(&version)
}

/// A server that has loaded these parts of an append-only file.
fn with_append_only_files(kind: Kind, files: &[(String, Vec<u8>)]) -> Server {
    let mut server = Server::setup(kind).clock_ms(ASKED_MS).start();
    server.shutdown("NOSAVE");
    let folder = server.dir().join("appendonlydir");
    fs::create_dir(&folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    server.change(|setup| setup.aof());
    server.start_again();
    server
}

#[track_caller]
fn assert_answers(server: &Server, set: &Path) {
    assert_answers_of(server, set, false);
}

/// Asks what is written in the set, of a server that has loaded it, or that was asked its commands anew.
#[track_caller]
fn assert_answers_of(server: &Server, set: &Path, asked_anew: bool) {
    let expected = lines(&set.join("answers.txt"));
    assert!(expected.len() > 100, "{}", set.display());
    let questions: Vec<_> = expected.iter().step_by(2).cloned().collect();
    let answers = answers(&mut server.connect(), &questions);
    for (answer, expected) in answers.chunks(2).zip(expected.chunks(2)) {
        let [(question, answer), (_, expected)] = [answer, expected].map(|pair| (&pair[0], &pair[1]));
        if name_of(set) != "0.1.0"
            || !since_0_1_0::is_answered_otherwise(question, expected, answer, asked_anew)
        {
            assert_eq!(answer, expected, "{question} of {}", set.display());
        }
    }
}

/// A loaded lock is extended and released by its holder and by nobody else, and whoever gets it next has a higher
/// fence than any lock that was loaded, though the clock is far behind them.
#[track_caller]
fn assert_locks_live_on(server: &Server) {
    let mut client = server.connect();
    let fence = client.ask("LOCK.EXTEND lock:one run-7f3a PX 90000").ints()[1];
    assert_eq!(client.ask("LOCK.EXTEND lock:one run-7f3a PX 80000").ints(), [1, fence, 80_000]);
    assert_eq!(client.ask("LOCK.TRY lock:one stranger PX 1").ints(), [0, fence, 80_000]);
    assert_eq!(client.ask("LOCK.EXTEND lock:one stranger PX 1").ints()[0], 0);
    assert_eq!(client.ask("LOCK.RELEASE lock:one stranger").int(), 0);
    assert_eq!(client.ask("LOCK.RELEASE lock:one run-7f3a").int(), 1);
    assert_eq!(client.ask("LOCK.TRY lock:pool worker-5 PX 1000 HOLDERS 4").ints()[0], 0);
    assert_eq!(client.ask("LOCK.RELEASE lock:pool worker-4").int(), 1);
    server.set_clock_ms(BEFORE_MS);
    for (key, owner) in [("lock:pool", "worker-5"), ("lock:one", "next")] {
        let granted = client.ask(&format!("LOCK.TRY {key} {owner} PX 1000 HOLDERS 4")).ints();
        assert_eq!((granted[0], granted[2]), (1, 1000), "{key}");
        assert!(granted[1] > newest_fence(&mut client), "{key}: {granted:?}");
    }
}

/// A loaded limit goes on from what was used: the next call is granted what is left and no more, writes the form that
/// it found, and gives the key the expiry of today.
#[track_caller]
fn assert_limits_live_on(server: &Server) {
    server.set_clock_ms(ASKED_MS);
    let mut client = server.connect();
    let take = "RATELIMIT.ACQUIRE limit:plain LIMIT 10 EX 60 COST";
    let loaded = client.ask("PEXPIRETIME limit:plain");
    assert_eq!(client.ask(&format!("{take} 9")).ints(), [0, 5900, 8, 10, 11_900, 0]);
    assert_eq!(client.ask("PEXPIRETIME limit:plain"), loaded, "a refusal writes nothing");
    assert_eq!(client.ask(&format!("{take} 8")).ints(), [1, 0, 0, 10, 59_900, 0]);
    assert_eq!(client.ask("GET limit:plain").text(), "1900000060000000000:10/60000:10");
    assert_eq!(client.ask("PEXPIRETIME limit:plain").int(), WRITTEN_MS + 60_000 + 14_975);
    // Another limit joins beside the one that was loaded.
    let other = "RATELIMIT.ACQUIRE limit:burst LIMIT 10 EX 60";
    assert_eq!(client.ask(other).ints(), [1, 0, 2, 10, 47_000, 0]);
    assert_eq!(client.info("sluice", "sluice_mixed"), "1");
    assert_eq!(client.info("sluice", "sluice_repaired"), "0");
}

/// The newest fence of the locks that were loaded: nothing was granted after this one.
fn newest_fence(client: &mut Client) -> i64 {
    client.ask("SELECT 3").assert_ok();
    let held = client.ask("LOCK.TRY lock:one stranger PX 1").ints();
    client.ask("SELECT 0").assert_ok();
    assert!(held[0] == 0 && held[1] < FENCES_BELOW, "{held:?}");
    held[1]
}

/// The folders of `tests/fixtures`.
fn sets() -> Vec<PathBuf> {
    let folders = folders_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"));
    assert!(!folders.is_empty());
    folders
}

/// Each set with each of its folders, one for each server that wrote it.
fn files_of_all() -> Vec<(PathBuf, PathBuf)> {
    let of = |set: PathBuf| folders_in(&set).into_iter().map(move |writer| (set.clone(), writer));
    let all: Vec<_> = sets().into_iter().flat_map(of).collect();
    assert!(all.len() >= 4, "{all:?}");
    all
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let paths: BTreeSet<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.into_iter().filter(|path| path.is_dir()).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The lines of a file of ours, without remarks.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
}

fn ask_all(client: &mut Client, commands: &[String]) {
    for line in commands {
        assert!(!matches!(client.call(&words(line)), Reply::Error(_)), "{line}");
    }
}

/// Each question followed by its answer.
fn answers(client: &mut Client, questions: &[String]) -> Vec<String> {
    questions.iter().flat_map(|line| [line.clone(), shown(&client.call(&words(line)))]).collect()
}

/// A reply on one line. (Not what the harness shows in a failing test, which may change.)
fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Null => "nil".to_owned(),
        Reply::Int(value) => value.to_string(),
        Reply::Simple(text) => text.clone(),
        Reply::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Reply::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => panic!("no answer to a question of ours: {other:?}"),
    }
}

/// A line's words, in which bytes are written as `escape_ascii` does, a blank as `\x20`.
fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(unescaped).collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), word.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, if byte == b'\\' { rest.next() } else { None }) {
            (b'\\', Some(b'n')) => b'\n',
            (b'\\', Some(b'r')) => b'\r',
            (b'\\', Some(b't')) => b'\t',
            (b'\\', Some(b'x')) => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            (b'\\', Some(other)) => other,
            (other, _) => other,
        });
    }
    bytes
}

/// The opposite: as a word of a line.
fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace(' ', "\\x20")
}

/// A command as an append-only file holds it.
fn resp(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

// From here on: how a set is written.

/// All that is to be seen of the keys that the commands name: each once, and each limit once. When the key of a
/// persistent lock expires is nothing that lasts: a rewritten file says nothing of it, and the lease ends all the same.
fn questions(commands: &[String]) -> Vec<String> {
    let (mut questions, mut asked, mut database) = (Vec::new(), BTreeSet::new(), "0");
    let persistent: Vec<_> = commands.iter().filter_map(|line| line.strip_prefix("PERSIST ")).collect();
    for line in commands {
        let mut rest = line.splitn(3, ' ');
        let (command, key, limits) = (rest.next().unwrap(), rest.next().unwrap(), rest.next().unwrap_or(""));
        let about: &[String] = match command {
            "SELECT" => {
                database = key;
                std::slice::from_ref(line)
            }
            "RATELIMIT.ACQUIRE" => &[
                format!("GET {key}"),
                format!("PEXPIRETIME {key}"),
                format!("RATELIMIT.INFO {key}"),
                format!("RATELIMIT.PEEK {key} {limits}"),
            ],
            "RATELIMIT.HOLD" => &[
                format!("GET {key}"),
                format!("PEXPIRETIME {key}"),
                format!("RATELIMIT.INFO {key}"),
                format!("RATELIMIT.TURN {key} 0"),
                format!("RATELIMIT.TURN {key} 100"),
            ],
            _ if persistent.contains(&key) => &[format!("TYPE {key}"), format!("LOCK.INFO {key}")],
            _ if command.starts_with("LOCK.") => {
                &[format!("TYPE {key}"), format!("PEXPIRETIME {key}"), format!("LOCK.INFO {key}")]
            }
            _ => &[],
        };
        questions.extend(about.iter().filter(|line| asked.insert(format!("{database} {line}"))).cloned());
    }
    questions.push("DBSIZE".to_owned());
    questions
}

/// Writes what this server adds to the set. Nothing that is there is written again.
fn write_all(kind: Kind, set: &Path, commands: &[String], answers: &[String]) {
    let folder = set.join(kind.name().to_lowercase().replace(' ', "-"));
    let write = |file: &str, bytes: &[u8]| write_new(&folder.join(file), bytes);
    let mut server = Server::setup(kind).clock_ms(WRITTEN_MS).start();
    ask_all(&mut server.connect(), commands);
    server.shutdown("SAVE");
    write("dump.rdb", &server.rdb_bytes());

    let mut server = Server::setup(kind).clock_ms(WRITTEN_MS).start();
    ask_all(&mut server.connect(), &["LOCK.TRY k A PX 1000".to_owned(), "LOCK.RELEASE k A".to_owned()]);
    server.set_clock_ms(BEFORE_MS);
    server.shutdown("SAVE");
    write("fence-ahead.rdb", &server.rdb_bytes());

    let setup = || Server::setup(kind).aof().config("aof-use-rdb-preamble no").clock_ms(WRITTEN_MS);
    let server = setup().start();
    ask_all(&mut server.connect(), commands);
    for (name, bytes) in parts(&server) {
        write(&format!("appended/{name}"), &bytes);
    }
    let effects = commands_in(&server.aof_bytes());

    let server = setup().start();
    let mut client = server.connect();
    let (before, after) = commands.split_at(commands.len() - 3);
    ask_all(&mut client, before);
    client.ask("BGREWRITEAOF").text();
    until("the file is rewritten", || client.info("persistence", "aof_rewrite_in_progress") == "0");
    until("the old files are gone", || parts(&server).len() == 3);
    ask_all(&mut client, after);
    for (name, bytes) in parts(&server) {
        write(&format!("rewritten/{name}"), &bytes);
    }

    // These are the same on every server.
    if !set.join("answers.txt").exists() {
        let pairs: Vec<_> = answers.chunks(2).map(|pair| format!("{}\n{}\n", pair[0], pair[1])).collect();
        write_new(&set.join("answers.txt"), pairs.join("\n").as_bytes());
        write_new(&set.join("effects.txt"), (effects.join("\n") + "\n").as_bytes());
    }
    assert_eq!(effects, lines(&set.join("effects.txt")));
}

fn write_new(file: &Path, bytes: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let created = fs::File::create_new(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    { created }.write_all(bytes).unwrap();
}

/// The manifest of the append-only file and all that it names.
fn parts(server: &Server) -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(server.dir().join("appendonlydir")).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (name_of(&path), fs::read(path).unwrap())).collect()
}

/// Commands of an append-only file as lines.
fn commands_in(aof: &[u8]) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), aof);
    let number = |rest: &mut &[u8]| -> usize {
        let end = rest.iter().position(|byte| *byte == b'\r').unwrap();
        let number = std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
        *rest = &rest[end + 2..];
        number
    };
    while !rest.is_empty() {
        let mut words = Vec::new();
        for _ in 0..number(&mut rest) {
            let length = number(&mut rest);
            words.push(escaped(&rest[..length]));
            rest = &rest[length + 2..];
        }
        lines.push(words.join(" "));
    }
    lines
}
