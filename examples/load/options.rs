//! The suites to measure, and for how long.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Measures countersign under load: against a server that allows everything, against itself with features off, and
/// through a real Envoy against Envoy's own filters.
///
/// The contenders of a table take turns, round after round, and medians are compared: read the ratios, and the processor time
/// where the machine is not quiet. On a machine that has nothing else to do, all of it takes about a quarter of an hour.
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The suites to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Suite::ALL)]
    pub(crate) suites: Vec<Suite>,

    /// How many turns each contender has.
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// How long a turn takes, in seconds; a round has one in a closed loop and one in an open loop.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// One short round with small sizes: shows that everything still runs, and measures nothing.
    #[arg(long)]
    pub(crate) quick: bool,

    /// gRPC connections to the server.
    #[arg(long, default_value_t = 2)]
    pub(crate) connections: usize,

    /// Checks in flight on each connection in a closed loop, and HTTPS connections to Envoy.
    #[arg(long, default_value_t = 32)]
    streams: usize,

    /// Checks a second in an open loop [default: half of what the slowest contender can do, at most 20000].
    #[arg(long)]
    pub(crate) rate: Option<f64>,

    /// Leave it to the operating system which core does what.
    #[arg(long)]
    pub(crate) no_pin: bool,

    /// The Envoy to run; without it one is found or fetched as in the demo.
    #[arg(long, env = "ENVOY", value_name = "PATH")]
    pub(crate) envoy: Option<PathBuf>,

    /// Measure the programs that are there beside this one, as they are, instead of building them first.
    #[arg(long)]
    pub(crate) no_build: bool,

    /// The countersign to measure, instead of the one that is built first.
    #[arg(long, value_name = "PATH")]
    pub(crate) countersign: Option<PathBuf>,

    /// Another build of countersign, to be measured beside it, directly and through Envoy.
    #[arg(long, value_name = "PATH")]
    pub(crate) beside: Option<PathBuf>,

    /// Write the tables into `performance.md` of this folder, and the plots beside it.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) docs: Option<PathBuf>,

    /// How the tables are printed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// gRPC straight to countersign and to a server that allows everything.
    Direct,
    /// countersign against itself with more or less to do.
    Itself,
    /// HTTPS through a real Envoy.
    Envoy,
    /// Memory, start, and reload under load.
    Footprint,
    /// The cost of a check with more of everything.
    Scaling,
}

/// The reader of the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people: Markdown.
    #[default]
    Human,
    /// For programs: one JSON object for each row.
    Json,
}

/// The servers, started by the harness itself.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Run a server that allows whatever it is asked.
    #[command(hide = true)]
    AlwaysAllow { address: SocketAddr },
}

// === impl Suite ===

impl Suite {
    const ALL: [Self; 5] =
        [Self::Direct, Self::Itself, Self::Envoy, Self::Footprint, Self::Scaling];
}

// === impl Options ===

impl Options {
    pub(crate) const fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    pub(crate) const fn seconds(&self) -> f64 {
        if self.quick { 0.1 } else { self.seconds }
    }

    pub(crate) const fn streams(&self) -> usize {
        if self.quick { 4 } else { self.streams }
    }

    /// True if every suite is to run.
    pub(crate) fn is_whole(&self) -> bool {
        Suite::ALL.iter().all(|suite| self.suites.contains(suite))
    }

    /// `size`, or what is left of it in a quick run.
    pub(crate) fn size(&self, size: usize) -> usize {
        if self.quick { size.min(10) } else { size }
    }
}
