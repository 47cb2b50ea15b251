//! `countersign demo`: a throw-away mesh on this machine, with a real Envoy, and a tour of what is let through, what is
//! refused and why. The tests include this folder, and are made of its parts.
//!
//! Nothing here is on the serving path. countersign runs as a process of its own, from the same executable.

mod error;
mod folder;
mod stage;

pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod envoy;
pub(crate) mod envoy_binary;
pub(crate) mod http1;
pub(crate) mod interrupt;
pub(crate) mod mint;
pub(crate) mod pki;
pub(crate) mod play;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod server;
pub(crate) mod tour;
pub(crate) mod upstream;

use std::io::Write;
use std::path::PathBuf;

pub(crate) use error::DemoError;
pub(crate) use folder::Folder;
pub(crate) use pki::Pki;
pub(crate) use stage::{Props, Stage};

use envoy_binary::{EnvoyBinary, Search};
use interrupt::Interrupt;
use report::Report;

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) program: PathBuf,
    pub(crate) envoy: Search,
    /// The folder for all files; a temporary one where there is none.
    pub(crate) folder: Option<PathBuf>,
    /// True if everything stays up after the tour, until Ctrl-C.
    pub(crate) keep: bool,
    pub(crate) output: TourOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TourOutput {
    /// A table.
    Human,
    /// One JSON object.
    Json,
}

/// Plays the tour. `true` where every step ended as it had to.
pub(crate) async fn run(
    options: &Options,
    out: &mut (dyn Write + Send),
) -> Result<bool, DemoError> {
    let mut interrupt = Interrupt::listen()?;
    let envoy = interrupt.or(async { Ok(EnvoyBinary::find(&options.envoy).await?) }).await?;
    let mut folder = match &options.folder {
        Some(path) => Folder::named(path)?,
        None => Folder::temporary()?,
    };
    let result = perform(options, envoy, &folder, &mut interrupt, out).await;
    let look_into_it = !matches!(result, Ok(true) | Err(DemoError::Interrupted));
    if look_into_it && folder.is_temporary() {
        folder.keep();
        if options.output == TourOutput::Human {
            writeln!(out, "the files are left in {}", folder.path().display())?;
        }
    }
    result
}

async fn perform(
    options: &Options,
    envoy: EnvoyBinary,
    folder: &Folder,
    interrupt: &mut Interrupt,
    out: &mut (dyn Write + Send),
) -> Result<bool, DemoError> {
    if options.output == TourOutput::Human {
        writeln!(out, "Envoy {} ({})", envoy.version(), envoy.program().display())?;
        writeln!(out, "files in {}\n", folder.path().display())?;
    }
    let version = envoy.version().to_owned();
    let props = Props::new(options.program.clone(), envoy);
    let mut stage = interrupt.or(Stage::raise(&props, folder)).await?;
    let rows = interrupt.or(async { Ok(tour(&mut stage).await) }).await?;
    let report = Report { envoy: version, folder: folder.path().to_owned(), rows };
    match options.output {
        TourOutput::Human => report.write_table(out)?,
        TourOutput::Json => report.write_json(out)?,
    }
    if options.keep {
        if options.output == TourOutput::Human {
            invite(&stage, out)?;
        }
        interrupt.wait().await;
    } else if options.output == TourOutput::Human {
        writeln!(
            out,
            "\nto send requests and change rules of your own: `countersign demo --keep`"
        )?;
    }
    stage.strike().await?;
    Ok(report.as_expected())
}

pub(crate) async fn tour(stage: &mut Stage<'_>) -> Vec<play::Row> {
    let pki = std::sync::Arc::clone(&stage.pki);
    let steps = tour::steps(&pki, &stage.tokens);
    let mut rows = Vec::with_capacity(steps.len());
    for step in &steps {
        rows.push(play::play(stage, step).await);
    }
    rows.push(revocation(stage, &pki).await);
    rows
}

/// Revokes, tries, and takes it back, so that all else can be tried afterwards.
async fn revocation(stage: &mut Stage<'_>, pki: &Pki) -> play::Row {
    let step = tour::after_revocation(pki, &stage.tokens);
    let revoked = stage.revoke("POST", &tour::revoked()).await;
    let mut row = play::play(stage, &step).await;
    let withdrawn = stage.revoke("DELETE", &tour::revoked()).await;
    row.problems.extend(revoked.err().into_iter().chain(withdrawn.err()));
    row
}

/// Says what can be tried while everything is up.
fn invite(stage: &Stage<'_>, out: &mut dyn Write) -> Result<(), DemoError> {
    let folder = stage.folder().path().display();
    let curl = format!(
        "curl -i --noproxy '*' --cacert ca/prod.pem --connect-to {}:443:{}",
        pki::HOST,
        stage.envoy().listener()
    );
    let url = format!("https://{}", pki::HOST);
    let frontend = "--cert clients/frontend.pem --key clients/frontend.key";
    let reports = "--cert clients/reports.pem --key clients/reports.key";
    let token = |name| format!("-H \"authorization: Bearer $(cat tokens/{name}.jwt)\"");
    let (bearer, bound) = (token("bearer"), token("bound"));
    writeln!(out, "\neverything stays up until Ctrl-C; to try, in another terminal:\n")?;
    writeln!(out, "cd {folder}")?;
    writeln!(out, "# allowed")?;
    writeln!(out, "{curl} {frontend} {bearer} {url}/v1/orders")?;
    writeln!(out, "# the same token without a certificate")?;
    writeln!(out, "{curl} {bearer} {url}/v1/orders")?;
    writeln!(out, "# a token of the frontend in the hands of another workload")?;
    writeln!(out, "{curl} {reports} {bound} {url}/v1/orders/42")?;
    writeln!(
        out,
        "# end the sessions of that user, and the next request is refused; `--undo` takes it back"
    )?;
    let admin = format!("--admin http://{} --token-file admin.token", stage.addresses().admin);
    let subject = format!("--subject {} --issuer {}", mint::SUBJECT, mint::ISSUER);
    writeln!(out, "countersign revoke {subject} {admin}")?;
    writeln!(out, "# what was decided, and why")?;
    writeln!(out, "tail -f audit.jsonl")?;
    let explain = "explain --config countersign.yaml --decision";
    writeln!(out, "countersign {explain} \"$(tail -1 audit.jsonl | cut -c17-48)\"")?;
    writeln!(out, "curl http://{}/metrics", stage.addresses().admin)?;
    writeln!(out, "# change policies/orders.yaml, and the next request sees it\n")?;
    Ok(out.flush()?)
}
