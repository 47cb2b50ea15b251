//! Putting a question to the decision point: the call that serves, watched, at a fixed moment.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::args::Args;
use super::question::{ExplainInput, ExplainedCaller};
use super::report::ExplainReport;
use super::watch::ExplainWatch;
use crate::authn::{self, Credential, NoCache};
use crate::cli::CommandError;
use crate::cli::documents::{self, Progress};
use crate::clock::{Clock, FixedClock, SystemClock, UnixTime};
use crate::config::{Config, standard_proxies};
use crate::evidence::{PeerSources, PrincipalSource};
use crate::evidence_level::EvidenceLevel;
use crate::limits::KEY_FETCH_TIMEOUT;
use crate::pdp::{
    FetchError, FetchRequest, Fetched, Fetcher, HttpsFetcher, KeyCache, Outcome, Pdp, PdpOptions,
    Pinned, Snapshot, VerificationCacheOptions,
};
use crate::policy::Suite;
use crate::request::RequestView;
use crate::signer::{AssertionKeys, AssertionOptions, Signer};

/// The parts that decide a question.
pub(super) struct ExplainSetup<'a> {
    pub(super) args: &'a Args,
    pub(super) config: Option<&'a Config>,
    pub(super) snapshot: Snapshot,
}

#[derive(Debug)]
struct Offline;

/// Reads the documents, and their suites.
pub(super) fn load(
    paths: &[PathBuf],
    offline: bool,
) -> Result<(Snapshot, Vec<Suite>, Vec<String>), CommandError> {
    if paths.is_empty() {
        let message = "the settings name no documents: give `--documents`";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let suites = crate::pdp::Load::from_paths(paths).suites;
    let (snapshot, missing) = documents::fetch(paths, offline)?;
    Ok((snapshot, suites, missing))
}

/// Decides `input` and tells how.
pub(super) fn ask(
    setup: ExplainSetup<'_>,
    input: ExplainInput,
) -> Result<ExplainReport, CommandError> {
    let runtime = documents::runtime()?;
    let _guard = runtime.enter();
    let now = setup.args.at.or(input.at).unwrap_or_else(|| SystemClock.now());
    let ExplainInput { view, caller, at: _, missing, context } = input;
    let may_wait = matches!(caller, ExplainedCaller::Shown(_) | ExplainedCaller::Peer(..))
        && !setup.args.offline;
    let show_values = setup.args.show_values;
    let pdp = setup.pdp(now, may_wait, context.names_tls_peer);
    let pinned = pdp.pin();
    let mut watch = ExplainWatch::new(missing);
    watch.claims = if show_values { claims(&pinned, &view, &caller) } else { Vec::new() };
    let progress = may_wait.then(|| Progress::begin("the issuers")).flatten();
    let outcome = runtime.block_on(decide(&pinned, &view, caller, now, &mut watch));
    drop(progress);
    let policies = pinned.snapshot().policies();
    Ok(ExplainReport::new(&view, &outcome, &watch, policies, context, show_values))
}

/// The claims of the tokens that the caller shows, verified or not.
fn claims(
    pinned: &Pinned<'_>,
    view: &RequestView,
    caller: &ExplainedCaller,
) -> Vec<Map<String, Value>> {
    let (ExplainedCaller::Shown(credentials) | ExplainedCaller::Peer(_, credentials)) = caller
    else {
        return Vec::new();
    };
    let collected = pinned.collect(view, credentials);
    let tokens = collected.evidence.presented().iter();
    tokens.filter_map(|token| Some((*token.jws().ok()?.claims).clone())).collect()
}

async fn decide(
    pinned: &Pinned<'_>,
    view: &RequestView,
    caller: ExplainedCaller,
    now: UnixTime,
    watch: &mut ExplainWatch,
) -> Outcome {
    match caller {
        ExplainedCaller::Shown(credentials) => pinned.decide_traced(view, credentials, watch).await,
        ExplainedCaller::Vouched(subject) => pinned.decide_for(view, subject, watch).await,
        ExplainedCaller::Refused(rejection) => pinned.refuse(view, rejection).await,
        ExplainedCaller::Peer(peer, credentials) => {
            let collected = pinned.collect(view, &credentials);
            let peer = Credential::Verified(peer);
            match pinned.gather(&collected).await {
                Ok(material) => {
                    let (trust, steps) = (pinned.snapshot().trust(), &mut watch.steps);
                    let subject = authn::with_tokens(
                        peer,
                        &collected.evidence,
                        trust,
                        &material,
                        &NoCache,
                        now,
                        steps,
                    );
                    pinned.decide_for(view, subject, watch).await
                }
                Err(rejection) => pinned.refuse(view, rejection).await,
            }
        }
    }
}

impl ExplainSetup<'_> {
    fn pdp(self, now: UnixTime, may_wait: bool, names_tls_peer: bool) -> Pdp {
        let clock = Arc::new(FixedClock::at(now));
        let proxies = self.config.map(|config| Arc::clone(&config.proxies));
        let proxies = proxies.unwrap_or_else(|| Arc::new(standard_proxies()));
        let fetcher: Arc<dyn Fetcher> =
            if may_wait { Arc::new(HttpsFetcher::through(&proxies)) } else { Arc::new(Offline) };
        let keys = KeyCache::new(clock.clone(), fetcher);
        let saved = self.args.state_folder.as_ref();
        let saved = saved.or(self.config.and_then(|config| config.state_folder.as_ref()));
        // Fetched keys are not saved here: the folder belongs to the server.
        let keys = match saved.filter(|_| !may_wait) {
            Some(folder) => keys.saved_in(folder.clone()),
            None => keys,
        };
        let peer_sources = self.config.map(|config| config.pdp.peer_sources.clone());
        let options = PdpOptions {
            peer_sources: peer_sources.unwrap_or_else(|| every_source(names_tls_peer)),
            deadline: KEY_FETCH_TIMEOUT,
            memory: VerificationCacheOptions::default(),
        };
        let signer = self.signer(&clock);
        let pdp = Pdp::new(self.snapshot, Arc::new(keys), clock, options);
        let pdp = match signer {
            Some(signer) => pdp.asserting(Arc::new(signer)),
            None => pdp,
        };
        // The memory of a server is not here: of a token that is shown, this is the first use.
        let anomalies = self.config.and_then(|config| config.anomalies).unwrap_or_default();
        let pdp = pdp.remembering_uses(anomalies.window.get());
        if may_wait { pdp } else { pdp.without_introspection() }
    }

    /// Signs as a server would, with a key that is worth nothing: what it signs goes nowhere. None where the server that the
    /// settings are of signs nothing either.
    fn signer(&self, clock: &Arc<FixedClock>) -> Option<Signer> {
        let issuer = match self.config {
            Some(config) => config.assertion.as_ref()?.issuer.clone(),
            None => String::from("https://explain.invalid"),
        };
        let options = AssertionOptions { issuer, keys: AssertionKeys::default(), publish: None };
        let clock: Arc<dyn Clock> = clock.clone();
        Signer::new(&options, clock).ok()
    }
}

/// Everything that is shown is looked at, where no settings say otherwise.
const fn every_source(names_tls_peer: bool) -> PeerSources {
    PeerSources {
        source_certificate: true,
        xfcc: true,
        xfcc_without_tls: !names_tls_peer,
        client_cert: true,
        client_cert_without_tls: false,
        principal: PrincipalSource::UriSanRequired,
        least_evidence: EvidenceLevel::Asserted,
        identities: Vec::new(),
    }
}

impl Fetcher for Offline {
    fn fetch<'a>(&'a self, _: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let why = String::from("`--offline` was given");
        Box::pin(async { Err(FetchError::Credentials(why)) })
    }
}
