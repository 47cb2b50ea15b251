//! An endpoint that answers well, badly, slowly or not at all, and how often it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::*;
use crate::authn::{self, Memory, NoMemory};
use crate::clock::FixedClock;
use crate::document::{self, Attachments, SourceFile};
use crate::evidence::{PeerSources, collect};
use crate::pdp::fetch::{FetchError, Fetched};
use crate::reason::Reason;
use crate::request::{CredentialHeaders, HeaderValue, Headers, SealedNames, TokenPlace};
use crate::trust::KeyUrl;

const NOW: i64 = 1_800_000_000;

/// Answers every question with `answer`, after it is let.
#[derive(Debug)]
struct Endpoint {
    answer: Mutex<Option<String>>,
    let_through: Semaphore,
    asked: AtomicUsize,
    last: Mutex<Option<Form>>,
}

impl Endpoint {
    fn set(&self, answer: Option<&str>) {
        *self.answer.lock().unwrap() = answer.map(str::to_owned);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Fetcher for Endpoint {
    fn fetch<'a>(
        &'a self,
        _url: &'a KeyUrl,
        _authorities: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(async { Err(FetchError::Http) })
    }

    fn post<'a>(
        &'a self,
        _url: &'a KeyUrl,
        _authorities: Option<&'a [u8]>,
        form: Form,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            *self.last.lock().unwrap() = Some(form);
            self.let_through.acquire().await.unwrap().forget();
            match self.answer.lock().unwrap().clone() {
                Some(text) => Ok(Fetched { body: text.into(), max_age: None }),
                None => Err(FetchError::Status(500)),
            }
        })
    }
}

struct House {
    clock: FixedClock,
    endpoint: Arc<Endpoint>,
    introspector: Introspector,
    trust: TrustStore,
}

impl House {
    fn new(more: &str) -> Self {
        let text = format!(
            "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: https://a.example\n  audiences: [us]\n  introspection:\n    url: https://a.example/introspect\n    clientId: counter sign\n    clientSecret: {{ inline: 'can:ary' }}\n{more}"
        );
        let mut problems = Vec::new();
        let documents = document::parse(&SourceFile::new("a.yaml", text), &mut problems);
        let trust = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
        assert_eq!(problems, []);
        let clock = FixedClock::at(UnixTime::from_secs(NOW));
        let endpoint = Arc::new(Endpoint {
            answer: Mutex::new(Some(active(""))),
            let_through: Semaphore::new(Semaphore::MAX_PERMITS),
            asked: AtomicUsize::new(0),
            last: Mutex::default(),
        });
        let fetcher: Arc<dyn Fetcher> = endpoint.clone();
        let introspector = Introspector::new(Arc::new(clock.clone()), fetcher);
        Self { clock, endpoint, introspector, trust }
    }

    async fn judge_within(&self, token: &str, patience: Duration) -> Result<String, Reason> {
        let mut headers = Headers::default();
        headers.push("authorization", HeaderValue::new(format!("Bearer {token}").into_bytes()));
        let (_, credentials) =
            CredentialHeaders::split(headers, &SealedNames::default(), None, None);
        let places = [TokenPlace::Authorization];
        let evidence = collect(&credentials, None, &PeerSources::default(), &places);
        let tokens = evidence.tokens.as_ref().unwrap();
        let mut material = Material::default();
        self.introspector.gather(tokens, &self.trust, patience, &mut material).await;
        let memory = Memory { certificates: &NoMemory, tokens: &NoMemory };
        let now = self.clock.now();
        let subject = authn::authenticate(&evidence, &self.trust, &material, memory, now);
        match subject.tokens().rejection() {
            Some(rejection) => Err(rejection.reason()),
            None => Ok(subject.token("corp").unwrap().subject().unwrap_or_default().to_owned()),
        }
    }

    async fn judge(&self, token: &str) -> Result<String, Reason> {
        self.judge_within(token, Duration::from_secs(20)).await
    }
}

fn active(more: &str) -> String {
    format!(r#"{{"active":true,"sub":"alice","aud":"us","exp":{}{more}}}"#, NOW + 20)
}

#[tokio::test]
async fn the_issuers_word_is_taken_once_per_token() {
    let house = House::new("");
    let all = futures_util::future::join_all((0..50).map(|_| house.judge("opaque"))).await;
    assert!(all.iter().all(|judged| *judged == Ok("alice".into())));
    assert_eq!(house.endpoint.asked(), 1);
    assert_eq!(house.judge("another").await, Ok("alice".into()));
    assert_eq!(house.endpoint.asked(), 2, "P63: an answer is for one token");
}

/// P64: an answer counts no longer than the token, nor than it may be kept.
#[tokio::test]
async fn an_answer_counts_no_longer_than_the_token_and_the_limit() {
    let house = House::new("    cache: 10s\n");
    assert_eq!(house.judge("opaque").await, Ok("alice".into()));
    house.clock.advance(Duration::from_secs(9));
    assert_eq!(house.judge("opaque").await, Ok("alice".into()));
    assert_eq!(house.endpoint.asked(), 1);
    house.endpoint.set(Some(r#"{"active":false}"#));
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.judge("opaque").await, Err(Reason::IntrospectionInactive));
    assert_eq!(house.endpoint.asked(), 2);
    let house = House::new("    cache: 5m\n");
    assert_eq!(house.judge("opaque").await, Ok("alice".into()));
    house.clock.advance(Duration::from_secs(20));
    house.endpoint.set(Some(r#"{"active":false}"#));
    assert_eq!(house.judge("opaque").await, Err(Reason::IntrospectionInactive));
    let house = House::new("    cache: 0s\n");
    for asked in 1..4 {
        assert_eq!(house.judge("opaque").await, Ok("alice".into()));
        assert_eq!(house.endpoint.asked(), asked);
    }
}

/// P65: an answer is checked like a token.
#[tokio::test]
async fn an_active_token_must_still_be_for_us() {
    for (answer, reason) in [
        (r#"{"active":"true","aud":"us"}"#.to_owned(), Reason::IntrospectionUnavailable),
        (active("").replace("\"us\"", "\"other\""), Reason::Audience),
        (active("").replace(",\"aud\":\"us\"", ""), Reason::Audience),
        (active(r#","iss":"https://b.example""#), Reason::IssuerUnknown),
        (active(r#","iss":["https://a.example"]"#), Reason::TokenMalformed),
        (active(r#","token_type":"DPoP""#), Reason::TokenType),
        (active(r#","token_type":1"#), Reason::TokenType),
        (active(r#","cnf":{"x5t#S256":"x"}"#), Reason::BindingUnavailable),
        (active(r#","cnf":{"jkt":"x"}"#), Reason::DpopInvalid),
        (active(&format!(r#","nbf":{}"#, NOW + 60)), Reason::TokenNotYetValid),
        (active("").replace(&(NOW + 20).to_string(), "1"), Reason::TokenExpired),
        (active("").replace(&format!(",\"exp\":{}", NOW + 20), ""), Reason::TokenLifetime),
        (String::from("<html>"), Reason::IntrospectionUnavailable),
    ] {
        let house = House::new("");
        house.endpoint.set(Some(&answer));
        assert_eq!(house.judge("opaque").await, Err(reason), "{answer}");
    }
    let house = House::new("");
    house.endpoint.set(Some(&active(r#","iss":"https://a.example","token_type":"bearer""#)));
    assert_eq!(house.judge("opaque").await, Ok("alice".into()));
}

/// An endpoint that is down denies, is left alone after a few failures, and is tried again.
#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_for_a_moment() {
    let house = House::new("");
    house.endpoint.set(None);
    for n in 0..20 {
        let judged = house.judge(&format!("opaque-{n}")).await;
        assert_eq!(judged, Err(Reason::IntrospectionUnavailable));
    }
    assert_eq!(house.endpoint.asked(), 5);
    house.endpoint.set(Some(&active("")));
    assert_eq!(house.judge("opaque").await, Err(Reason::IntrospectionUnavailable));
    house.clock.advance(Duration::from_secs(5));
    assert_eq!(house.judge("opaque").await, Ok("alice".into()));
}

/// Nobody waits longer than it wants to, and an answer that comes late serves the next request.
#[tokio::test]
async fn a_slow_answer_is_not_lost() {
    let house = House::new("");
    house.endpoint.let_through.forget_permits(Semaphore::MAX_PERMITS);
    let soon = Duration::from_millis(10);
    let judged = house.judge_within("opaque", soon).await;
    assert_eq!(judged, Err(Reason::IntrospectionUnavailable));
    house.endpoint.let_through.add_permits(1);
    assert_eq!(house.judge("opaque").await, Ok("alice".into()));
    assert_eq!(house.endpoint.asked(), 1);
}

/// RFC 7662 section 2.1, RFC 6749 section 2.3.1; P66, P80: and none of it is printed.
#[tokio::test]
async fn the_question_is_asked_as_the_specification_says() {
    let house = House::new("");
    assert!(house.judge("a+/b==").await.is_ok());
    let form = house.endpoint.last.lock().unwrap().take().unwrap();
    assert_eq!(form.body.expose(), "token=a%2B%2Fb%3D%3D&token_type_hint=access_token");
    let pair = STANDARD.encode("counter%20sign:can%3Aary");
    assert_eq!(form.authorization.as_ref().unwrap().expose(), &format!("Basic {pair}"));
    assert!(!format!("{form:?} {:?}", house.trust).contains("ary"));
    let house = House::new("    clientAuthentication: post\n");
    assert!(house.judge("opaque").await.is_ok());
    let form = house.endpoint.last.lock().unwrap().take().unwrap();
    assert_eq!(
        form.body.expose(),
        "token=opaque&token_type_hint=access_token&client_id=counter%20sign&client_secret=can%3Aary"
    );
    assert!(form.authorization.is_none());
}

/// A token of another issuer is nobody's business at this one's endpoint. (`evidence` keeps broken JWTs from it.)
#[tokio::test]
async fn only_tokens_that_may_be_the_issuers_are_sent_to_it() {
    let house = House::new("");
    let jwt = |claims: &str| {
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.AAAA", encode(r#"{"alg":"RS256"}"#), encode(claims))
    };
    assert_eq!(
        house.judge(&jwt(r#"{"iss":"https://b.example"}"#)).await,
        Err(Reason::IssuerUnknown)
    );
    assert_eq!(house.judge(&jwt("{}")).await, Err(Reason::IssuerUnknown));
    assert_eq!(house.endpoint.asked(), 0);
    assert_eq!(house.judge(&jwt(r#"{"iss":"https://a.example"}"#)).await, Ok("alice".into()));
    assert_eq!(house.endpoint.asked(), 1);
}
