//! `countersign dev`: countersign and Envoy in the folder of a start, with the decisions and the results of suites as they come.

mod addresses;
mod findings;
mod holders;
mod in_force;
mod lock;
mod programs;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::timeout;

use self::addresses::Wanted;
use self::in_force::InForce;
use self::lock::Lock;
use self::programs::{ENVOY, LOGS, Programs};
use super::demo::EnvoyArgs;
use super::files::shown;
use super::style::{HEADING, QUIET};
use super::watch::DEBOUNCE;
use super::{CommandError, Exit, documents, style, test};
use crate::config::{Config, Overrides};
use crate::demo::DemoError;
use crate::demo::envoy_binary::{EnvoyBinary, Search};
use crate::demo::interrupt::Interrupt;
use crate::demo::server::SETTINGS;
use crate::pdp::{Load, Revision, Snapshot};
use crate::reload::FileWatch;
use crate::secret::Fingerprint;
use crate::words::of_system;

const EXAMPLES: &str = "\
Examples:
  countersign init authz --dev && countersign dev authz
  countersign dev --envoy /usr/local/bin/envoy

Exit codes: 0 ended by Ctrl-C; 1 a program ended or cannot start; 2 wrong arguments; 3 wrong settings; 5 an address
is taken, or another `dev` runs in the folder";

/// Requests to try.
const REQUESTS: &str = "dev/requests.txt";

/// Held by the one `dev` in the folder.
const LOCK: &str = "dev/dev.lock";

/// Pause between two looks at whether the programs still run, and at the documents in force.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The folder with `countersign.yaml` and `envoy.yaml`, as `countersign init --dev` writes it.
    #[arg(default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    envoy: EnvoyArgs,
}

pub(super) fn run(args: Args) -> Result<Exit, CommandError> {
    let envoy = args.envoy.search().with_absolute_path();
    let folder = enter(&args.folder)?;
    let config = Config::load(Some(Path::new(SETTINGS)), &Overrides::default())?;
    let admin = admin_address(&config)?;
    std::fs::create_dir_all(LOGS).map_err(|error| {
        CommandError::failure(format_args!("cannot create `{LOGS}`: {}", of_system(&error)))
    })?;
    // Before a log is written: those that are there may be another's.
    let _lock = Lock::take(Path::new(LOCK))?;
    let wanted = [addresses::of_server(&config), addresses::of_envoy(&envoy_file())].concat();
    if let Some(taken) = addresses::taken(&wanted, &[]) {
        return Err(CommandError::Listen(taken));
    }
    let work = async {
        let mut interrupt = Interrupt::listen()?;
        Session::run(&folder, (&config, admin), &envoy, &mut interrupt).await
    };
    match documents::runtime()?.block_on(work) {
        Ok(()) | Err(DemoError::Interrupted) => Ok(Exit::Ok),
        Err(error) => Err(CommandError::failure(error)),
    }
}

/// Makes the folder, with both files in it, the one that names are relative to. Gives its path.
fn enter(path: &Path) -> Result<PathBuf, CommandError> {
    for name in [SETTINGS, ENVOY] {
        if !path.join(name).is_file() {
            return Err(CommandError::Usage(format!(
                "there is no `{name}` in `{}`: `countersign init {} --dev` writes one",
                shown(path),
                shown(path),
            )));
        }
    }
    let entered = path.canonicalize().and_then(|path| {
        std::env::set_current_dir(&path)?;
        Ok(path)
    });
    entered.map_err(|error| {
        CommandError::failure(format_args!("cannot enter `{}`: {error}", shown(path)))
    })
}

/// The text of Envoy's configuration; an empty one while an editor is replacing it.
fn envoy_file() -> String {
    std::fs::read_to_string(ENVOY).unwrap_or_default()
}

/// The address that says when the server is ready.
fn admin_address(config: &Config) -> Result<SocketAddr, CommandError> {
    let admin = config.admin.as_ref().map(|admin| admin.address);
    admin.ok_or_else(|| CommandError::settings("settings: `countersign dev` needs `admin.address`"))
}

/// The files that are followed, by their contents.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Contents {
    settings: Fingerprint,
    envoy: Fingerprint,
}

impl Contents {
    fn now() -> Self {
        // A file that an editor is just replacing is as an empty one; it comes back.
        let of = |name| Fingerprint::of(&std::fs::read(name).unwrap_or_default());
        Self { settings: of(SETTINGS), envoy: of(ENVOY) }
    }
}

struct Session<'a> {
    folder: &'a Path,
    documents: Vec<PathBuf>,
    programs: Programs,
    seen: Contents,
    /// The addresses that each program has.
    own: RunningAddresses,
    in_force: InForce,
    /// The documents that suites ran with.
    tested: Option<Revision>,
}

/// The addresses of the programs that run.
#[derive(Debug)]
struct RunningAddresses {
    server: Vec<Wanted>,
    envoy: Vec<Wanted>,
}

impl<'a> Session<'a> {
    /// Runs until a signal comes, or a program ends.
    async fn run(
        folder: &'a Path,
        (config, admin): (&Config, SocketAddr),
        envoy: &Search,
        interrupt: &mut Interrupt,
    ) -> Result<(), DemoError> {
        let seen = Contents::now();
        let envoy = interrupt.or(async { Ok(EnvoyBinary::find(envoy).await?) }).await?;
        let starting = Programs::start(admin, envoy);
        let programs = interrupt.or(starting).await?;
        let own = RunningAddresses {
            server: addresses::of_server(config),
            envoy: addresses::of_envoy(&envoy_file()),
        };
        let (documents, in_force, tested) = (config.documents.clone(), InForce::default(), None);
        let mut session = Self { folder, documents, programs, seen, own, in_force, tested };
        session.greet().map_err(DemoError::Output)?;
        findings::show(&session.documents);
        let _decisions = session.decisions(config)?;
        let ended = session.follow(interrupt).await;
        session.programs.stop().await?;
        ended
    }

    /// Says what runs, and what to try.
    fn greet(&self) -> std::io::Result<()> {
        let mut out = style::out();
        writeln!(out, "{HEADING}countersign and Envoy run; Ctrl-C ends both{HEADING:#}")?;
        for line in self.programs.describe() {
            writeln!(out, "  {line}")?;
        }
        if let Ok(requests) = std::fs::read_to_string(REQUESTS) {
            let folder = shown(self.folder);
            writeln!(out, "\n{HEADING}to try in another terminal, in {folder}{HEADING:#}")?;
            write!(out, "{requests}")?;
        }
        writeln!(
            out,
            "\n{QUIET}documents reload as you edit them, and their suites run; after a change of `{SETTINGS}` or `{ENVOY}` its program starts again{QUIET:#}\n"
        )
    }

    /// Lists decisions as they come, by a process of its own: it ends with this value.
    fn decisions(&self, config: &Config) -> Result<Option<tokio::process::Child>, DemoError> {
        if config.audit.as_ref().and_then(|audit| audit.file()).is_none() {
            style::hint("decisions are not listed: the settings have no `audit.file`");
            return Ok(None);
        }
        let mut command = Command::new(self.programs.program());
        command.args(["decisions", "--config", SETTINGS, "--tail", "--since", "0s"]);
        command.kill_on_drop(true);
        let failed = DemoError::network("cannot start `countersign decisions`");
        Ok(Some(command.spawn().map_err(failed)?))
    }

    async fn follow(&mut self, interrupt: &mut Interrupt) -> Result<(), DemoError> {
        let changed = Arc::new(Notify::new());
        let tell = Arc::clone(&changed);
        let mut watch = FileWatch::new(Arc::new(move || tell.notify_one()));
        loop {
            let mut files = self.test();
            files.extend([SETTINGS, ENVOY].map(PathBuf::from));
            watch.arm(&self.documents, &files);
            interrupt.or(self.wait(&changed, &watch)).await?;
            interrupt.or(self.again()).await?;
        }
    }

    /// Waits for a change, and until no more follow for a while; an error if a program ends.
    async fn wait(&mut self, changed: &Notify, watch: &FileWatch) -> Result<(), DemoError> {
        let looking = async {
            loop {
                let looked = timeout(LOOK_AGAIN, changed.notified()).await;
                self.programs.still_run()?;
                self.in_force.look(self.programs.admin()).await;
                if looked.is_ok() {
                    return Ok::<(), DemoError>(());
                }
            }
        };
        // Then it looks without being notified.
        timeout(watch.patience(), looking).await.unwrap_or(Ok(()))?;
        while timeout(DEBOUNCE, changed.notified()).await.is_ok() {}
        Ok(())
    }

    /// Starts the programs again whose settings changed.
    async fn again(&mut self) -> Result<(), DemoError> {
        let now = Contents::now();
        let before = std::mem::replace(&mut self.seen, now);
        if before.settings != now.settings {
            match self.read_settings() {
                Ok(admin) => {
                    self.programs.start_server_again(admin).await?;
                    style::hint(format_args!("`{SETTINGS}` changed: countersign started again"));
                }
                Err(error) => {
                    error.print();
                    style::hint("the server goes on with the settings that it has");
                }
            }
        }
        if before.envoy != now.envoy {
            let wanted = addresses::of_envoy(&envoy_file());
            let started = match addresses::taken(&wanted, &self.own.envoy) {
                Some(taken) => Err(taken),
                None => self.programs.start_envoy_again().await?,
            };
            match started {
                Ok(()) => {
                    self.own.envoy = wanted;
                    style::hint(format_args!("`{ENVOY}` changed: Envoy started again"));
                    findings::show(&self.documents);
                }
                Err(why) => {
                    style::error(why);
                    style::hint("Envoy goes on with the configuration that it has");
                }
            }
        }
        Ok(())
    }

    /// Reads the settings again, with the documents that a server would start with.
    fn read_settings(&mut self) -> Result<SocketAddr, CommandError> {
        let config = Config::load(Some(Path::new(SETTINGS)), &Overrides::default())?;
        documents::read(&config.documents)?;
        let admin = admin_address(&config)?;
        let wanted = addresses::of_server(&config);
        if let Some(taken) = addresses::taken(&wanted, &self.own.server) {
            return Err(CommandError::Listen(taken));
        }
        self.own.server = wanted;
        self.documents = config.documents;
        Ok(admin)
    }

    /// Runs the suites of the documents if these changed. Gives the files that they are made of.
    fn test(&mut self) -> Vec<PathBuf> {
        let load = Load::from_paths(&self.documents);
        let files = load.snapshot.iter().flat_map(Snapshot::files).map(Path::to_owned).collect();
        let set = load.set.name().clone();
        if self.tested.as_ref() != Some(&set) {
            if let Err(error) = test::once(load) {
                error.print();
            }
            self.tested = Some(set);
        }
        files
    }
}
