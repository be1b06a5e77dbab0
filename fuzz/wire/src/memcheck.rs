//! Under valgrind, on the servers that take their memory from the C library: nothing wrong in our frames.

use std::path::Path;

use sluice_testing::Server;

use crate::campaign::Campaign;
use crate::crowd;
use crate::options::Options;
use crate::setting::Setting;

/// What hostile clients do, in these settings, and a crowd that waits.
pub(crate) fn run(options: &Options) {
    let settings: Vec<_> = options.settings.iter().filter(|setting| **setting != Setting::Threads).collect();
    let mut wrong = 0;
    for kind in options.servers.iter().filter(|kind| kind.is_valkey()) {
        for setting in &settings {
            let under = Valgrind::new();
            let campaign = Campaign::start(*kind, **setting, options.seed, &under.words());
            let tally = campaign.run(options.calls / settings.len() as u64);
            let what = format!("{} {}: {tally}", kind.name(), setting.name());
            wrong += under.findings(&what);
        }
        let under = Valgrind::new();
        let mut server = Server::setup(*kind).under(&under.words()).start();
        crowd::come_and_go(&server, 200);
        server.shutdown("NOSAVE");
        wrong += under.findings(&format!("{}: 200 that wait", kind.name()));
    }
    assert_eq!(wrong, 0, "errors in the module's frames");
}

/// One server's run.
struct Valgrind(tempfile::TempDir);

impl Valgrind {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("sluice-valgrind-").tempdir().unwrap())
    }

    fn words(&self) -> Vec<String> {
        let report = self.0.path().join("%p.xml");
        // Definite ones alone: what hangs on a table that the server itself lost, as it does when it ends while it frees
        // one in the background, was allocated by whoever made the value.
        let words = ["valgrind", "--error-limit=no", "--num-callers=40", "--leak-check=full", "--xml=yes"];
        let mut words: Vec<_> = words.map(str::to_owned).into();
        words.extend(["--show-leak-kinds=definite".to_owned(), format!("--xml-file={}", report.display())]);
        words
    }

    /// Prints every error that has a frame of ours, and says how many there are.
    fn findings(&self, what: &str) -> usize {
        let (mut ours, mut others, mut reports) = (0, 0, 0);
        for file in self.0.path().read_dir().unwrap() {
            let report = std::fs::read_to_string(file.unwrap().path()).unwrap();
            reports += 1;
            for error in errors(&report) {
                if is_ours(error) {
                    eprintln!("{error}");
                    ours += 1;
                } else {
                    others += 1;
                }
            }
        }
        assert!(reports > 0, "valgrind has written no report");
        println!("{what}; {ours} errors in the module's frames, {others} elsewhere");
        ours
    }
}

fn errors(report: &str) -> impl Iterator<Item = &str> {
    report.split("<error>").skip(1).filter_map(|error| error.split("</error>").next())
}

fn is_ours(error: &str) -> bool {
    let objects = error.split("<obj>").skip(1).filter_map(|rest| rest.split("</obj>").next());
    let module = sluice_testing::module().file_name();
    objects.into_iter().any(|object| Path::new(object).file_name() == module)
}
