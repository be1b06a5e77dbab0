//! The last that was sent, for whoever wants to know how it came to a failure.

use std::collections::VecDeque;
use std::thread;

use crate::words::Words;

const KEPT: usize = 150;

/// Prints what it has kept when the run fails.
#[derive(Default)]
pub(crate) struct Trail(VecDeque<String>);

impl Trail {
    pub(crate) fn note(&mut self, who: &str, words: &Words) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(format!("{who}: {}", shown(words)));
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the last {} that were sent, the newest at the end:", self.0.len());
            self.0.iter().for_each(|line| eprintln!("    {line}"));
        }
    }
}

/// A command as one line of text, long words cut short.
pub(crate) fn shown(words: &Words) -> String {
    let shown = words.iter().map(|word| match word.len() {
        0 => "\"\"".to_owned(),
        1..=120 => word.escape_ascii().to_string(),
        length => format!("{}...({length} bytes)", word[..40].escape_ascii()),
    });
    shown.collect::<Vec<_>>().join(" ")
}
