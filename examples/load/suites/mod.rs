//! The suites: each gives a table or two, and what they say about our targets.

mod direct;
mod envoy;
mod footprint;
mod itself;
mod scaling;

use std::sync::Arc;

use countersign::clock::{Clock as _, SystemClock};
use time::OffsetDateTime;

use crate::cores::Cores;
use crate::options::{Options, Output, Suite};
use crate::process::Server;
use crate::report::{Report, Table};
use crate::world::{Setup, World};

/// The tools of every suite.
pub(crate) struct Bench<'a> {
    world: Arc<World>,
    options: &'a Options,
    report: Report,
}

pub(crate) fn run(options: &Options) {
    let cores = Cores::choose(options.no_pin);
    // One thread: it has one core, and a client that hands over between threads is a slow client.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(cores, options.countersign.as_deref()));
        Bench { world, options, report: Report::new() }.run().await;
    });
}

impl Bench<'_> {
    async fn run(&mut self) {
        self.machine();
        for suite in &self.options.suites {
            match suite {
                Suite::Direct => direct::run(self).await,
                Suite::Itself => itself::run(self).await,
                Suite::Envoy => envoy::run(self).await,
                Suite::Footprint => footprint::run(self).await,
                Suite::Scaling => scaling::run(self).await,
            }
        }
        self.report.show_targets(self.options);
        if let Some(folder) = &self.options.docs {
            self.report.write(folder);
        }
    }

    /// Another build of countersign with everything on, and what it is called.
    async fn other_build(&self) -> Option<(String, Arc<Server>)> {
        let build = self.options.beside.as_ref()?;
        let server = self.world.start_build(build, Setup::EVERYTHING).await;
        Some((format!("countersign, `{}`", build.display()), server))
    }

    /// The machine of the figures, and the method.
    fn machine(&mut self) {
        let (cores, options) = (self.world.cores, self.options);
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.map_or("unknown", |name| name.trim_start_matches(['\t', ':', ' ']));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let build =
            if cfg!(debug_assertions) { "debug: these figures mean nothing" } else { "optimised" };
        let mut table = Table::new("machine", "How it was measured", &["what", "how"]);
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        let today = OffsetDateTime::from_unix_timestamp(SystemClock.now().as_secs());
        row("date", today.unwrap().date().to_string());
        row("processor", model.to_owned());
        row("kernel", format!("Linux {}", kernel.trim()));
        row("build", build.to_owned());
        row("countersign", self.world.countersign().to_owned());
        row("placement", cores.words().to_owned());
        let (rounds, seconds) = (options.rounds(), options.seconds());
        row("rounds", format!("{rounds}, with turns of {seconds} s in each kind of loop"));
        let (connections, streams) = (options.connections, options.streams());
        row(
            "gRPC",
            format!(
                "{connections} connections, {streams} checks in flight on each in a closed loop"
            ),
        );
        if options.output == Output::Human {
            eprintln!("files in {}", self.world.folder.path().display());
        }
        self.report.show(table, options);
    }
}
