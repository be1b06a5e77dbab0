//! A program that runs, and one that has ended.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far beyond what any program here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line that a program has printed, and when it was read.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) at: Instant,
    pub(crate) text: String,
}

/// A program that runs. It is killed when the value is dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    incoming: Receiver<Line>,
    lines: Vec<Line>,
    complaints: Option<JoinHandle<String>>,
    _folder: TempDir,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) ok: bool,
    pub(crate) lines: Vec<Line>,
    /// What it wrote to the standard error.
    pub(crate) complaints: String,
}

/// The command, for which an interrupt is what it is to whoever types it: what a shell starts in the background ignores
/// them, and so would all that the tests start.
fn heeding_interrupts(command: &Command) -> Command {
    let mut env = Command::new("env");
    env.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        env.env(name, value.expect("none is taken away"));
    }
    if let Some(folder) = command.get_current_dir() {
        env.current_dir(folder);
    }
    env
}

impl Program {
    pub(crate) fn start(name: String, command: &Command, folder: TempDir) -> Self {
        let mut command = heeding_interrupts(command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, incoming) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for text in output.lines() {
                let _ = sender.send(Line { at: Instant::now(), text: text.unwrap() });
            }
        });
        let mut errors = child.stderr.take().unwrap();
        let complaints = Some(thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        }));
        Self { name, child, incoming, lines: Vec::new(), complaints, _folder: folder }
    }

    /// Waits for a line that starts like this, and answers the rest of it.
    pub(crate) fn until(&mut self, start: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.incoming.recv_timeout(left) else {
                let _ = self.child.kill();
                let complaints = self.complaints.take().unwrap().join().unwrap();
                panic!("{} never said {start:?}: {:#?}\n{complaints}", self.name, self.lines);
            };
            self.lines.push(line.clone());
            if let Some(rest) = line.text.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        sluice_testing::signal(self.child.id(), sluice_testing::Signal::INT);
    }

    pub(crate) fn end(mut self) -> Ended {
        let end = Instant::now() + PATIENCE;
        // Its output ends with the program and whatever that has started.
        while let Ok(line) = self.incoming.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.lines.push(line);
        }
        assert!(Instant::now() < end, "{} does not end: {:#?}", self.name, self.lines);
        let ok = self.child.wait().unwrap().success();
        let complaints = self.complaints.take().unwrap().join().unwrap();
        Ended { ok, lines: std::mem::take(&mut self.lines), complaints }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The rest of the lines that start like this.
    pub(crate) fn said(&self, start: &str) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line.text.strip_prefix(start)).collect()
    }

    /// The number of milliseconds in its only line, which is `start`, the number, and " ms".
    pub(crate) fn retry_ms(&self, start: &str) -> u64 {
        assert_eq!(self.lines.len(), 1, "{self:?}");
        let said = self.said(start);
        let number = said.first().and_then(|rest| rest.strip_suffix(" ms")?.parse().ok());
        number.unwrap_or_else(|| panic!("{self:?}"))
    }
}
