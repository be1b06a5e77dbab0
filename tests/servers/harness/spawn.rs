//! Starting a process that does not outlive the tests, whatever ends them.

use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

/// Starts the command from a thread that lives as long as the process. The kernel can kill a child when the
/// *thread* that started it ends, and a test's thread may end before a server that other tests share.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
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
    let (answer, answers) = mpsc::channel();
    SPAWNER.send((command, answer)).unwrap();
    answers.recv().unwrap()
}

/// A command that is killed when the test process dies, also when that is interrupted and drops nothing.
/// `setpriv` becomes the program, so the process id is the program's; without it only `Drop` cleans up.
pub(super) fn dies_with_us(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
