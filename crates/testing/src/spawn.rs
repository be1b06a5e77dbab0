//! Processes that do not outlive the tests, whatever ends them, and signals to them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

type Order = (Command, Sender<io::Result<Child>>);

/// Starts a process that the kernel kills when this one dies, also when that is interrupted and drops nothing.
///
/// The thread that starts it lives as long as the process: the kernel goes by the *thread* that started a child, and
/// a test's thread may end before a server that other tests share.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    static SPAWNER: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The one who asked waits for the answer.
                answer.send(command.spawn()).unwrap();
            }
        });
        orders
    });
    // SAFETY: between fork and exec there is one system call, which takes no lock and no memory.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
    let (answer, answers) = mpsc::channel();
    SPAWNER.send((command, answer)).unwrap();
    answers.recv().unwrap()
}

/// Sends a signal to a process, by its own id only.
#[track_caller]
pub fn signal(process: u32, signal: Signal) {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("the id of a process");
    kill_process(process, signal).unwrap_or_else(|error| panic!("{signal:?} to {process:?}: {error}"));
}
