//! The module inside real servers: Redis 7.0 and 8.2, Valkey 8.1 and 9.1.
//!
//! `make test` fetches the servers and runs all of this; `make test SERVER=valkey_9_1` runs it on one of them, and
//! `make test-one TEST=returns SERVER=valkey_9_1` the tests with a word in their names. Each file keeps a promise:
//!
//! | file | promise |
//! |---|---|
//! | `limiter/acl` | access rules hold: by name, by key and by category |
//! | `limiter/aof` | only effects are logged, with absolute times |
//! | `limiter/cases` | every case of `tests/conformance/limits.json` is answered and stored as written |
//! | `limiter/changed_limits` | a limit that changes counts what was used, beside the one that it was |
//! | `limiter/clock_steps` | what a clock that is set back or forward does, and what it does not |
//! | `limiter/cluster` | a limit lives in one slot, is found by redirection, and moves with its slot |
//! | `limiter/conformance` | every case of `tests/conformance/ratelimit.json` is answered as written |
//! | `limiter/effects` | a granted call is one effect, and a caller below its limit deletes nothing |
//! | `limiter/errors` | what is not understood gets an error of a fixed text, and nothing comes of it |
//! | `limiter/expiry` | a key lives as long as something of it is used, and a little longer, and then is gone |
//! | `limiter/hammer` | fifty clients at once are granted the bound and no more |
//! | `limiter/hostile` | no input stops the server or puts its replies out of step |
//! | `limiter/holds` | nobody acts before the end of a hold, and turns that were given move behind it |
//! | `limiter/info` | INFO counts what was answered, and nobody is told by events |
//! | `limiter/introspection` | the server tells what each command is, takes and touches |
//! | `limiter/keys_and_protocol` | any bytes make a key, and commands go wherever commands go |
//! | `limiter/meaning` | what an ACQUIRE is answered, and when: clauses, costs and modes |
//! | `limiter/memory` | when memory is full, limits hold and nobody new costs memory |
//! | `limiter/persistence` | what was granted stays granted over crash, restart and rewrite |
//! | `limiter/replication` | a replica has the state to the byte, and goes on from it |
//! | `limiter/returns` | RETURN gives back what was taken, and never more |
//! | `limiter/rolling_deploys` | callers with different limits on one key do no more than the larger one allows |
//! | `limiter/stored_state` | what stands in a key, how long, and how INFO shows it |
//! | `limiter/top` | operators see whose keys are refused most, and nobody else does |
//! | `limiter/watch_and_caches` | who watches hears of changes and of nothing else |
//! | `limiter/windows` | never more than its count in any window, and in a calendar's windows |
//! | `limiter/wrong_types` | what is no limiter's state is left alone |
//! | `lock/acl` | access rules hold: by name, by key and by category |
//! | `lock/cluster` | a lock moves with its slot, who waits is sent after it, and none is held twice |
//! | `lock/commands` | one holder at a time, whose lease ends by itself and by nobody else |
//! | `lock/contention` | many at once are granted one by one, in order, and no write is lost |
//! | `lock/counters` | INFO counts what became of the calls, and how many wait |
//! | `lock/errors` | what is not understood gets an error of a fixed text, and nothing comes of it |
//! | `lock/events` | each grant, extension and release is told, and nothing else |
//! | `lock/fence_bounds` | whatever fence a client brings in, every fence granted after it can be loaded again |
//! | `lock/fencing` | every grant has a larger fence than all before, whatever the clock does |
//! | `lock/fencing_restart` | and so over crash, restart and promotion |
//! | `lock/footprint` | a lock that is gone leaves no memory behind |
//! | `lock/hostile` | no input stops the server, or leaves a lock that does not end |
//! | `lock/introspection` | the server tells what each command is, takes and touches |
//! | `lock/memory` | full memory takes no lock from anybody, and gives none |
//! | `lock/model` | thousands of random calls are answered as a plain list of leases says |
//! | `lock/owners` | any 1 to 512 bytes are an owner, and come back as they were |
//! | `lock/paused` | while writes are paused nothing is granted; then the first that waits is |
//! | `lock/persistence` | a held lock stays held, by owner, fence and ms, over crash, restart and rewrite |
//! | `lock/replication` | only effects leave the server, with absolute times |
//! | `lock/restore` | whatever RESTORE is given, the outcome is an error or a lock |
//! | `lock/semaphores` | HOLDERS n: at most n at once, each with a lease of its own |
//! | `lock/strangers` | whatever a stranger does to the key, no lock is immortal or held twice |
//! | `lock/values` | what makes two stored locks equal, and who can read them |
//! | `lock/waiting` | who waits gets the lock when it is free, with the whole lease |
//! | `lock/waiting_clients` | clients of all kinds wait alike, and their replies stay in step |
//! | `lock/waiting_clock` | nobody waits for long after a lease has ended, whatever the clock does, and nobody is granted by a server that has overslept |
//! | `lock/waiting_ends` | a wait that ends without the lock ends for good |
//! | `lock/waiting_failover` | a wait ends with the server that it is on |
//! | `lock/waiting_modules` | other modules get what a script gets, unless they ask to wait |
//! | `lock/waiting_order` | first in, first out, whatever comes later and however little it asks for |
//! | `lock/waiting_refused` | where a client's write would be refused, nobody who waits is granted |
//! | `lock/waiting_replica` | on a read-only replica nothing is granted and nothing written |
//! | `lock/waiting_scripts` | nothing blocks in a transaction or a script |
//! | `lock/waiting_strangers` | whatever a stranger does to the key, who waits is granted or told |
//! | `lock/waiting_undelivered` | a grant that its client never hears of goes to the next |
//! | `lock/wrong_types` | what is something else is no lock, and a lock is nothing else |
//! | `module/compatibility` | what an older version wrote loads on every server, and lives on |
//! | `module/documentation` | pages, COMMAND DOCS, settings, counters and errors say the same, none more and none less |
//! | `module/load` | the module is loaded, configured and unloaded as servers do it |
//! | `module/old_server` | a server that is too old is told what it lacks |
//! | `module/refused_keys` | a server that lets nobody write a key now is borne with |
//! | `module/rollback` | the steps back to a server without the module work, and loading it leaves nothing behind |
//! | `policies/calls` | a call by a policy is the call with its limits spelled out, wherever it stands |
//! | `policies/cases` | every case of `tests/conformance/policies.json` on policies is answered as written |
//! | `policies/changes` | a change counts from the next call on, and no call is answered under half a table |
//! | `policies/errors` | what is wrong gets an error of a fixed text, in one order, and changes nothing |
//! | `policies/introspection` | the server tells what each command is and takes, and clients of a cluster what to do |
//! | `policies/nodes` | each node of a cluster has a table of its own |
//! | `policies/replicas` | replicas have their primary's policies, at every change and when they come |
//! | `policies/rights` | operators change policies, everybody looks at them |
//! | `policies/setting` | the setting is the table: from the file, by CONFIG, over a restart, and in no data |
//! | `policies/shadow` | a policy in shadow refuses nobody, and counts whom it would have refused |
//! | `throttle/cases` | every case that redis-cell has answered is answered and stored as it did |
//! | `throttle/effects` | only results leave the server, with absolute times, and are counted |
//! | `throttle/introspection` | the server tells what CL.THROTTLE is, and who may call it |
//! | `throttle/load` | it is there where it is asked for, and a name that is taken stops nobody |
//! | `throttle/switch` | what redis-cell left is carried on with, and leads back |
//! | `throttle/values` | what is no value of it is left alone, and no input stops the server |
//! | `harness/servers` | servers, clocks, clients and clusters do what the tests take for granted |
//! | `harness/failures` | a server that fails its test is told of, kept if asked for, and left by nobody |
//! | `harness/names` | this table, and that of `tests/conformance/locks.md`, name what is there |
//!
//! What tests of one folder share is in its other files; what several need is in `shared/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod harness;
mod limiter;
mod lock;
mod module;
mod policies;
mod shared;
mod throttle;
