//! The servers that the module is tested on, and where their programs are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::root::root;

/// A server program of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Too old for the module: only for the test that it says so.
    Redis62,
    /// The oldest that we support, as Debian 12 ships it.
    Redis70,
    /// The newest Redis.
    Redis82,
    /// The oldest Valkey that we support.
    Valkey81,
    /// The newest Valkey.
    Valkey91,
}

/// A program that was found and has the version we want.
struct Program {
    path: PathBuf,
    version: String,
}

impl Kind {
    /// Those that the module works on.
    pub const ALL: [Self; 4] = [Self::Redis70, Self::Redis82, Self::Valkey81, Self::Valkey91];

    /// The name and version as people write it: `Redis 7.0.15`.
    pub fn name(self) -> String {
        let maker = if self.is_valkey() { "Valkey" } else { "Redis" };
        format!("{maker} {}", self.version())
    }

    /// Valkey, not Redis.
    pub fn is_valkey(self) -> bool {
        matches!(self, Self::Valkey81 | Self::Valkey91)
    }

    /// The version that the program itself reports.
    pub fn version(self) -> &'static str {
        &self.program().version
    }

    /// The server program.
    pub fn path(self) -> &'static Path {
        &self.program().path
    }

    /// The version wanted. Debian's security updates change the last number of its 7.0, so any will do there.
    fn wanted(self) -> &'static str {
        match self {
            Self::Redis62 => "6.2.5",
            Self::Redis70 => "7.0.",
            Self::Redis82 => "8.2.3",
            Self::Valkey81 => "8.1.8",
            Self::Valkey91 => "9.1.2",
        }
    }

    /// Looks the program up once a process and checks its version, so that no test runs on another server
    /// than its name says.
    fn program(self) -> &'static Program {
        static FOUND: [OnceLock<Program>; 5] = [const { OnceLock::new() }; 5];
        FOUND[self as usize].get_or_init(|| {
            let path = match self {
                Self::Redis70 => in_path("redis-server"),
                Self::Redis62 | Self::Redis82 => fetched(&format!("redis-{}/redis-server", self.wanted())),
                Self::Valkey81 | Self::Valkey91 => {
                    fetched(&format!("valkey-{}/valkey-server", self.wanted()))
                }
            };
            let output = Command::new(&path).arg("--version").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            // "Redis server v=7.0.15 sha=00000000:0 malloc=..."
            let version =
                text.split(" v=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
            let wanted = self.wanted();
            assert!(
                version.starts_with(wanted),
                "{} is not version {wanted}: it says {text}",
                path.display()
            );
            Program { version: version.to_owned(), path }
        })
    }
}

/// A program from the folder that `scripts/servers` fills.
fn fetched(file: &str) -> PathBuf {
    let path = root().join(".servers").join(file);
    assert!(path.exists(), "no {}: run `scripts/servers`, which fetches it", path.display());
    path
}

pub(crate) fn in_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("no {program} in PATH: run `scripts/need {program}`, which installs it"))
}
