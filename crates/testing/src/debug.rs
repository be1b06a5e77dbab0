//! What helps to look into a server of a test: its folder kept, and a pause before it is used.

use std::io::Write;
use std::time::Duration;

/// `KEEP=1`: the folder of a server stays when its test fails.
pub(crate) fn keeps() -> bool {
    is_set("KEEP")
}

/// `PAUSE=1`: says which process it is and waits until somebody has attached a debugger and pressed Enter.
pub(crate) fn pause(name: &str, process: u32) {
    if pauses() {
        // Not by eprintln, which the test's runner keeps back until the test is over.
        let text = format!("\n{name} is process {process}: `gdb -p {process}`, and Enter here to go on\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

/// A reply that takes longer than this never comes: the test fails instead of hanging. Nothing that a test waits for
/// takes this long, not on a busy machine either; but whoever holds a server in a debugger takes longer.
pub(crate) fn patience() -> Duration {
    Duration::from_secs(if pauses() { 24 * 3600 } else { 20 })
}

fn pauses() -> bool {
    is_set("PAUSE")
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}
