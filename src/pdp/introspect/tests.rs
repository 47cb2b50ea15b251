//! Floods, outages, expiry and reloads, with an endpoint that answers on demand and a clock that the test sets.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::authn::NoCache;
use crate::clock::{FixedClock, UnixTime};
use crate::document::{self, Attachments, SourceFile};
use crate::evidence::{PeerSources, collect};
use crate::limits::{
    INACTIVE_LIFETIME, INTROSPECTION_COOLDOWN, INTROSPECTION_FAILURES, MAX_INTROSPECTION_QUEUE,
};
use crate::pdp::fetch::FetchError;
use crate::reason::Reason;
use crate::request::{CredentialHeaders, HeaderValue, Headers, SealedNames, TokenPlace};
use crate::secret::SealedText;

const NOW: i64 = 1_000_000;
const LONG: Duration = Duration::from_secs(20);

type Answers = Box<dyn Fn(&str) -> Result<Bytes, FetchError> + Send + Sync>;

/// An endpoint: answers by token when it is let, and counts.
struct Server {
    answers: Mutex<Answers>,
    let_through: Semaphore,
    asked: AtomicUsize,
}

impl Server {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn becomes(&self, answers: impl Fn(&str) -> Result<Bytes, FetchError> + Send + Sync + 'static) {
        *lock(&self.answers) = Box::new(answers);
    }

    fn says(&self, answer: &Value) {
        let answer = answer.to_string();
        self.becomes(move |_| Ok(answer.clone().into()));
    }

    fn is_down(&self) {
        self.becomes(|_| Err(FetchError::Http));
    }
}

#[derive(Debug)]
struct Line(Arc<Server>);

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl IntrospectionClient for Line {
    fn ask<'a>(&'a self, token: &'a SealedText) -> BoxFuture<'a, Result<Bytes, FetchError>> {
        Box::pin(async move {
            self.0.asked.fetch_add(1, Ordering::SeqCst);
            self.0.let_through.acquire().await.unwrap().forget();
            lock(&self.0.answers)(token.expose())
        })
    }
}

fn trust(secret: &str, more: &str) -> TrustStore {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: a }}\nspec:\n  issuer: https://a.example\n  audiences: [orders]\n  introspection: {{ url: 'https://a.example/introspect', client: {{ id: us, basic: {{ file: secret }} }}, cacheTtl: 30s, maxConcurrent: 4{more} }}\n"
    );
    let mut files = Attachments::default();
    files.insert("secret".into(), Ok(secret.as_bytes().to_vec()));
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("a.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &files, &mut problems);
    // Warnings are of timeouts that no request has in a server.
    assert!(!document::any_error(&problems), "{problems:?}");
    store
}

fn token(text: &str) -> Vec<PresentedToken> {
    let mut headers = Headers::default();
    headers.push("authorization", HeaderValue::new(format!("Bearer {text}").into_bytes()));
    let (_, credentials) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    collect(&credentials, None, &PeerSources::default(), &[TokenPlace::Authorization])
        .tokens
        .unwrap()
}

struct House {
    clock: FixedClock,
    server: Arc<Server>,
    introspector: Introspector,
    trust: TrustStore,
}

impl House {
    fn new() -> Self {
        let clock = FixedClock::at(UnixTime::from_secs(NOW));
        let server = Arc::new(Server {
            answers: Mutex::new(Box::new(|_| Err(FetchError::Http))),
            let_through: Semaphore::new(Semaphore::MAX_PERMITS),
            asked: AtomicUsize::new(0),
        });
        let line = Arc::clone(&server);
        let introspector = Introspector::new(
            Arc::new(clock.clone()),
            Box::new(move |_| Arc::new(Line(Arc::clone(&line)))),
        );
        let trust = trust("secret", "");
        introspector.follow(&trust, None);
        server.says(&active(&json!({})));
        Self { clock, server, introspector, trust }
    }

    /// True if the token is active; or why that is not known.
    async fn ask(&self, text: &str) -> Result<bool, String> {
        self.ask_for(text, LONG).await
    }

    async fn ask_for(&self, text: &str, patience: Duration) -> Result<bool, String> {
        self.ask_from(1, text, patience).await
    }

    /// The same by a client of another address.
    async fn ask_from(&self, client: u8, text: &str, patience: Duration) -> Result<bool, String> {
        let (tokens, mut material) = (token(text), Material::default());
        let origin = Some(IpAddr::from([10, 0, 0, client]));
        let Self { introspector, trust, .. } = self;
        introspector.gather(&tokens, trust, &NoCache, origin, patience, &mut material).await;
        let answer = material.answer("a", tokens[0].fingerprint).unwrap().as_ref();
        answer.map(|answer| answer.claims().is_some()).map_err(|rejection| {
            assert_eq!(rejection.reason(), Reason::IntrospectionUnavailable);
            rejection.detail().to_owned()
        })
    }
}

fn active(more: &Value) -> Value {
    let mut all = json!({ "active": true, "aud": "orders" });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// Single flight: requests that arrive during a question wait for its answer.
#[tokio::test]
async fn a_thousand_requests_with_one_token_ask_once() {
    let house = House::new();
    house.server.let_through.forget_permits(Semaphore::MAX_PERMITS);
    let all = join_all((0..1000).map(|_| house.ask("t")));
    let let_through = async {
        while house.server.asked() == 0 {
            tokio::task::yield_now().await;
        }
        house.server.let_through.add_permits(1);
    };
    let (all, ()) = tokio::join!(all, let_through);
    assert!(all.iter().all(|answer| *answer == Ok(true)));
    assert_eq!(house.server.asked(), 1);
}

/// P63: the whole token is the key; one that differs in its last byte is another one.
#[tokio::test]
async fn answers_are_kept_by_the_whole_token() {
    let house = House::new();
    house.server.becomes(|token| Ok(json!({ "active": token == "token-1" }).to_string().into()));
    for _ in 0..3 {
        assert_eq!(house.ask("token-1").await, Ok(true));
        assert_eq!(house.ask("token-2").await, Ok(false));
        assert_eq!(house.ask("token-1=").await, Ok(false));
    }
    assert_eq!(house.server.asked(), 3);
}

/// P64: an answer is used until `cacheTtl` or the token's own end, whichever is first.
#[tokio::test]
async fn answers_are_kept_no_longer_than_the_token_lives() {
    for (answer, lifetime) in [
        (active(&json!({})), Duration::from_secs(30)),
        (active(&json!({ "exp": NOW + 3600 })), Duration::from_secs(30)),
        (active(&json!({ "exp": NOW + 10 })), Duration::from_secs(10)),
        (active(&json!({ "exp": NOW - 10 })), Duration::ZERO),
        (json!({ "active": false, "exp": NOW + 3600 }), INACTIVE_LIFETIME),
    ] {
        let house = House::new();
        house.server.says(&answer);
        house.ask("t").await.unwrap();
        assert_eq!(house.server.asked(), 1);
        if let Some(before) = lifetime.mul_f64(0.75).checked_sub(Duration::from_millis(1)) {
            house.clock.advance(before);
            house.ask("t").await.unwrap();
            assert_eq!(house.server.asked(), 1, "{answer}");
            house.clock.advance(lifetime - before);
        }
        house.ask("t").await.unwrap();
        assert_eq!(house.server.asked(), 2, "{answer}");
        // P82: a clock that goes back does not make an answer last longer.
        house.clock.set(UnixTime::from_secs(NOW - 3600));
        house.ask("t").await.unwrap();
        assert_eq!(house.server.asked(), 3, "{answer}");
    }
}

/// A revoked token is refused as soon as its answer is asked for again.
#[tokio::test]
async fn a_token_that_is_no_longer_active_is_found_out() {
    let house = House::new();
    assert_eq!(house.ask("t").await, Ok(true));
    house.server.says(&json!({ "active": false }));
    assert_eq!(house.ask("t").await, Ok(true), "for as long as the answer is kept");
    house.clock.advance(Duration::from_secs(30));
    assert_eq!(house.ask("t").await, Ok(false));
}

/// An endpoint that is down is left alone; what it said before is still used, and one probe finds out that it is back.
#[tokio::test]
async fn an_endpoint_that_is_down_denies_at_once_and_comes_back() {
    let house = House::new();
    assert_eq!(house.ask("known").await, Ok(true));
    house.server.is_down();
    for n in 0..INTROSPECTION_FAILURES {
        let why = house.ask(&format!("t{n}")).await.unwrap_err();
        assert_eq!(why, "the endpoint broken HTTP exchange");
    }
    let before = house.server.asked();
    for n in 0..1000 {
        let why = house.ask(&format!("flood{n}")).await.unwrap_err();
        assert!(why.contains("left alone"), "{why}");
    }
    assert_eq!(house.server.asked(), before, "nothing was asked");
    assert_eq!(house.ask("known").await, Ok(true));
    // The longest that it can be open, and within the time that the known answer is kept.
    house.clock.advance(INTROSPECTION_COOLDOWN + INTROSPECTION_COOLDOWN / 4);
    assert!(house.ask("probe").await.is_err());
    assert!(house.ask("after").await.unwrap_err().contains("left alone"));
    assert_eq!(house.server.asked(), before + 2, "one probe, and a question of ours");
    house.server.says(&active(&json!({})));
    house.clock.advance(INTROSPECTION_COOLDOWN + INTROSPECTION_COOLDOWN / 4);
    assert_eq!(house.ask("probe").await, Ok(true));
    assert_eq!(house.ask("after").await, Ok(true));
}

/// Errors that one token can cause do not close the endpoint for all.
#[tokio::test]
async fn a_token_that_upsets_the_endpoint_does_not_keep_others_out() {
    let house = House::new();
    house.server.becomes(|token| match token {
        "good" => Ok(active(&json!({})).to_string().into()),
        "large" => Err(FetchError::TooLarge),
        "bad" => Err(FetchError::Status(400)),
        _ => Ok("<html>canary".into()),
    });
    for _ in 0..INTROSPECTION_FAILURES * 2 {
        for token in ["large", "bad", "garbage"] {
            let why = house.ask(token).await.unwrap_err();
            assert!(!why.contains("left alone") && !why.contains("canary"), "{why}");
        }
    }
    assert_eq!(house.ask("good").await, Ok(true));
}

/// P72: what waits is bounded, and so is how long: beyond it, denials are at once.
#[tokio::test]
async fn an_endpoint_that_stalls_does_not_pile_up_questions() {
    let mut house = House::new();
    let short = trust("secret", ", timeout: 20ms");
    house.introspector.follow(&short, None);
    house.trust = short;
    house.server.let_through.forget_permits(Semaphore::MAX_PERMITS);
    let texts: Vec<_> = (0..2000).map(|n| format!("t{n}")).collect();
    let answers = join_all(texts.iter().map(|text| house.ask(text))).await;
    assert!(answers.iter().all(Result::is_err));
    let refused = answers
        .iter()
        .filter_map(|a| a.as_ref().err())
        .filter(|why| why.contains("too many questions"));
    assert_eq!(refused.count(), 2000 - 3 - MAX_INTROSPECTION_QUEUE);
    // Those in the queue wait no longer than an answer may take, so few of them get their turn.
    assert!(house.server.asked() <= 12, "{}", house.server.asked());
    assert_eq!(house.introspector.flights(), 0);
    let mut why = String::new();
    for _ in 0..INTROSPECTION_FAILURES {
        why = house.ask("next").await.unwrap_err();
    }
    assert!(why.contains("left alone"), "{why}");
}

/// The question outlives the request that asked it first: its answer is there for the next one.
#[tokio::test]
async fn a_request_that_cannot_wait_leaves_its_question_behind() {
    let mut house = House::new();
    let patient = trust("secret", ", timeout: 10s");
    house.introspector.follow(&patient, None);
    house.trust = patient;
    house.server.let_through.forget_permits(Semaphore::MAX_PERMITS);
    let why = house.ask_for("t", Duration::from_millis(10)).await.unwrap_err();
    assert!(why.contains("deadline"), "{why}");
    house.server.let_through.add_permits(1);
    assert_eq!(house.ask("t").await, Ok(true));
    assert_eq!(house.server.asked(), 1);
}

/// P63: another configuration starts with nothing kept; the same one keeps what it has.
#[tokio::test]
async fn a_changed_secret_forgets_the_answers() {
    let mut house = House::new();
    assert_eq!(house.ask("t").await, Ok(true));
    let same = trust("secret", "");
    house.introspector.follow(&same, Some(&house.trust));
    house.trust = same;
    assert_eq!(house.ask("t").await, Ok(true));
    assert_eq!(house.server.asked(), 1);
    for (other, asked) in [(trust("other", ""), 2), (trust("secret", ", timeout: 1s"), 3)] {
        house.introspector.follow(&other, Some(&house.trust));
        house.trust = other;
        assert_eq!(house.ask("t").await, Ok(true));
        assert_eq!(house.server.asked(), asked);
    }
    house.introspector.follow(&house.trust, Some(&house.trust));
    assert_eq!(lock(&house.introspector.endpoints).len(), 1);
}

/// A question whose task panics neither blocks its token forever nor counts as an answer.
#[tokio::test]
async fn a_lost_question_is_no_answer() {
    let house = House::new();
    house.server.becomes(|_| panic!("a bug"));
    assert_eq!(house.ask("t").await, Err(String::from("the question was lost")));
    assert_eq!(house.introspector.flights(), 0);
}

/// P303: however many tokens one client makes up, a client at another address is answered at once.
#[tokio::test]
async fn a_flood_of_one_client_keeps_no_other_out() {
    let house = House::new();
    house.server.let_through.forget_permits(Semaphore::MAX_PERMITS);
    let texts: Vec<_> = (0..2000).map(|n| format!("t{n}")).collect();
    let flood = join_all(texts.iter().map(|text| house.ask(text)));
    let good = async {
        while house.server.asked() < 3 {
            tokio::task::yield_now().await;
        }
        // As many as are asked at a time: three of the flood, and one of another.
        let let_through = async {
            while house.server.asked() < 4 {
                tokio::task::yield_now().await;
            }
            house.server.let_through.add_permits(4);
        };
        let (answer, ()) = tokio::join!(house.ask_from(2, "good", LONG), let_through);
        house.server.let_through.add_permits(1000);
        answer
    };
    let (flooded, good) = tokio::join!(flood, good);
    assert_eq!(good, Ok(true));
    assert!(flooded.iter().filter(|answer| answer.is_err()).count() > 1000);
    assert_eq!(house.introspector.flights(), 0);
}

/// P311: tokens to which the endpoint answers 500, or nothing, keep no other out, and an endpoint that answers so to every token is left
/// alone.
#[tokio::test]
async fn tokens_that_break_the_endpoint_keep_no_other_out() {
    let kinds: [fn() -> FetchError; 3] =
        [|| FetchError::Status(500), || FetchError::Http, || FetchError::Timeout];
    for broken in kinds {
        let house = House::new();
        house.server.becomes(move |token| match token {
            "good" => Ok(active(&json!({})).to_string().into()),
            text if text.starts_with("bad") => Err(broken()),
            _ => Ok(json!({ "active": false }).to_string().into()),
        });
        for n in 0..10 * INTROSPECTION_FAILURES {
            let why = house.ask(&format!("bad{n}")).await.unwrap_err();
            assert!(!why.contains("left alone"), "{why}");
        }
        assert_eq!(house.ask("good").await, Ok(true));
        house.server.becomes(move |_| Err(broken()));
        let mut why = String::new();
        for n in 0..=INTROSPECTION_FAILURES {
            why = house.ask(&format!("any{n}")).await.unwrap_err();
        }
        assert!(why.contains("left alone"), "{why}");
    }
}

/// P451: a token that the endpoint does not judge counts as a failed attempt, unless the endpoint is down.
#[tokio::test]
async fn a_token_that_is_not_judged_counts() {
    let house = House::new();
    let counts = async |text: &str| {
        let (tokens, mut material) = (token(text), Material::default());
        let (introspector, trust) = (&house.introspector, &house.trust);
        introspector.gather(&tokens, trust, &NoCache, None, LONG, &mut material).await;
        let answer = material.answer("a", tokens[0].fingerprint).unwrap().as_ref();
        answer.unwrap_err().is_failed_attempt()
    };
    house.server.becomes(|_| Err(FetchError::Status(400)));
    for n in 0..20 {
        assert!(counts(&format!("odd{n}")).await, "the endpoint is up");
    }
    house.server.becomes(|_| Err(FetchError::Connect(std::io::Error::other("down"))));
    for n in 0..INTROSPECTION_FAILURES {
        counts(&format!("any{n}")).await;
    }
    assert!(!counts("later").await, "it is down");
}

/// P312: an answer is asked for again before its end, so that no request waits at its end, and none is refused where the endpoint
/// fails for a moment.
#[tokio::test]
async fn answers_are_renewed_ahead_of_their_end() {
    let house = House::new();
    assert_eq!(house.ask("t").await, Ok(true));
    house.clock.advance(Duration::from_secs(23));
    house.server.is_down();
    assert_eq!(house.ask("t").await, Ok(true), "the endpoint fails, and the answer is good still");
    while house.introspector.flights() > 0 {
        tokio::task::yield_now().await;
    }
    house.server.says(&active(&json!({})));
    assert_eq!(house.ask("t").await, Ok(true));
    while house.introspector.flights() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.server.asked(), 3);
    house.clock.advance(Duration::from_secs(10));
    house.server.let_through.forget_permits(Semaphore::MAX_PERMITS);
    assert_eq!(house.ask("t").await, Ok(true), "beyond the end of the first answer");
    // One that is not active any more counts at once.
    house.server.let_through.add_permits(1000);
    house.server.says(&json!({ "active": false }));
    house.clock.advance(Duration::from_secs(13));
    assert_eq!(house.ask("t").await, Ok(true));
    while house.introspector.flights() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.ask("t").await, Ok(false));
}

/// P422: a token that its endpoint has called active is known, where credentials that are new are not looked at.
#[tokio::test]
async fn a_token_that_was_active_is_known() {
    let house = House::new();
    let knows = |text: &str| house.introspector.knows(&token(text)[0], &house.trust);
    assert!(!knows("t"), "it was not asked about");
    assert_eq!(house.ask("t").await, Ok(true));
    assert!(knows("t") && !knows("u"));
    house.server.says(&json!({ "active": false }));
    assert_eq!(house.ask("u").await, Ok(false));
    assert!(!knows("u"), "it is not active");
    house.clock.advance(Duration::from_secs(3600));
    assert!(!knows("t"), "the answer is over");
}
