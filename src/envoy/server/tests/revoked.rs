//! Envoys that are revoked: what counts for callers counts for the clients of our own listener.

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::bounds::GREETING_OF_ONE;
use super::*;
use crate::document::RevocationEntrySpec;
use crate::envoy::tls::tests::{Ca, client_config, options, write};
use crate::pdp::HttpsFetcher;
use crate::secret::{Fingerprint, hex};
use crate::trust::RevocationEntry;

const GATEWAY: &str = "spiffe://prod.example/ns/istio-ingress/sa/gateway";
const OTHER: &str = "spiffe://prod.example/ns/istio-ingress/sa/other";

/// A server over TLS, with its CA and the decision point that it asks.
struct Meshed {
    running: Running,
    ca: Ca,
    pdp: Arc<Pdp>,
}

async fn meshed(ca: Ca, documents: &str) -> Meshed {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &ca.server(), &ca);
    let tls = Arc::new(Tls::load(options(&folder)).unwrap());
    let clock = Arc::new(FixedClock::at(NOW));
    let documents = format!("{OPEN}{documents}");
    let service = service_by(&documents, Arc::new(HttpsFetcher::default()), clock, Vec::new());
    let pdp = Arc::clone(service.pdp());
    let address = ListenAddress::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener::bind(&address, SocketOptions::default()).await.unwrap();
    let (address, status) = (listener.address().unwrap(), service.status());
    let (stop, stopped) = oneshot::channel();
    let stopped = async { stopped.await.unwrap() };
    let server = Server { listener, tls: Some(tls), service, options: ListenerOptions::default() };
    let serving = tokio::spawn(async move { server.serve(stopped).await });
    Meshed { running: Running { address, status, stop, serving }, ca, pdp }
}

impl Meshed {
    async fn connect(&self, client: &(String, String)) -> TlsStream<TcpStream> {
        let stream = self.running.connect().await.unwrap();
        let name = ServerName::try_from("countersign.test").unwrap();
        let connector = TlsConnector::from(Arc::new(client_config(&self.ca, client)));
        connector.connect(name, stream).await.unwrap()
    }

    /// True if a new connection of this client is answered.
    async fn answers(&self, client: &(String, String)) -> bool {
        let stream = self.connect(client).await;
        let io = TokioIo::new(stream);
        let Ok((mut sender, connection)) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await
        else {
            return false;
        };
        let connection = tokio::spawn(connection);
        let message = check("/healthz", "").encode_to_vec();
        let request = http::Request::post("http://x/envoy.service.auth.v3.Authorization/Check")
            .header("content-type", "application/grpc")
            .body(Full::new(Bytes::from(framed(message.len(), message))))
            .unwrap();
        let answered = match sender.send_request(request).await {
            Ok(response) => response.into_body().collect().await.is_ok(),
            Err(_) => false,
        };
        connection.abort();
        answered
    }
}

/// Reads until the server closes.
async fn closes(mut stream: TlsStream<TcpStream>) -> bool {
    let reading = async {
        let mut bytes = [0; 256];
        while matches!(stream.read(&mut bytes).await, Ok(read) if read > 0) {}
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.is_ok()
}

fn entries(client: &(String, String)) -> Vec<RevocationEntrySpec<String>> {
    let der = CertificateDer::from_pem_slice(client.0.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let none = RevocationEntrySpec::default;
    let spki = Fingerprint::of(certificate.public_key().raw).to_hex();
    vec![
        RevocationEntrySpec { certificate: Some(Fingerprint::of(&der).to_hex()), ..none() },
        RevocationEntrySpec { spki: Some(spki), ..none() },
        RevocationEntrySpec { spiffe: Some(GATEWAY.to_owned()), ..none() },
        RevocationEntrySpec {
            serial: Some(hex(certificate.raw_serial())),
            // As a tool may write it, and not as the certificate has it.
            certificate_issuer: Some(String::from("cn=RCGEN self signed  cert")),
            ..none()
        },
    ]
}

/// P117: an Envoy whose certificate, key or SPIFFE ID is revoked is not answered any more, on new connections and on those
/// that are open; its neighbour is.
#[tokio::test]
async fn a_revoked_envoy_is_cut_off_and_its_neighbour_is_not() {
    for kind in 0..4 {
        let server = meshed(Ca::new(), "").await;
        let (gateway, other) = (server.ca.client(GATEWAY), server.ca.client(OTHER));
        assert!(server.answers(&gateway).await && server.answers(&other).await);
        let (open, bystander) = (server.connect(&gateway).await, server.connect(&other).await);
        server.running.until("two are open", |status| level(&status.connections) == 2).await;
        let entry = RevocationEntry::read(&entries(&gateway)[kind]).unwrap();
        server.pdp.revocations().revoke(entry).await;
        assert!(closes(open).await, "kind {kind}");
        server.running.until("one was cut", |status| level(&status.revoked) == 1).await;
        assert!(!server.answers(&gateway).await, "kind {kind}");
        assert_eq!(level(&server.running.status.refused), 1);
        assert!(server.answers(&other).await, "kind {kind}");
        assert_eq!(level(&server.running.status.revoked), 1, "the neighbour stays");
        drop(bystander);
    }
}

/// P117: so is one on the certificate revocation list that a trust domain has of its authority.
#[tokio::test]
async fn an_envoy_on_a_revocation_list_of_its_authority_is_not_answered() {
    let ca = Ca::new();
    let (gateway, other) = (ca.client(GATEWAY), ca.client(OTHER));
    let der = CertificateDer::from_pem_slice(gateway.0.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let revoked = RevokedCertParams {
        serial_number: certificate.raw_serial().to_vec().into(),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2028, 1, 1),
        crl_number: 1_u64.into(),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&ca.0).unwrap().pem().unwrap();
    let inline = |pem: &str| serde_json::to_string(pem).unwrap();
    let documents = format!(
        "---\napiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: prod }}\nspec: {{ spiffe: prod.example, authorities: [{{ inline: {} }}], revocation: {{ crls: [{{ inline: {} }}] }} }}\n",
        inline(&ca.0.pem()),
        inline(&list),
    );
    let server = meshed(ca, &documents).await;
    assert!(!server.answers(&gateway).await);
    assert!(server.answers(&other).await);
}

/// P302: over TLS, too, a client that may ask gets in beside more handshakes than there may be, whatever they say.
#[tokio::test]
async fn handshakes_that_are_never_done_keep_no_client_out() {
    let mesh = meshed(Ca::new(), "").await;
    let mut silent = Vec::new();
    for n in 0..2 * GREETING_OF_ONE {
        let mut stream = mesh.running.connect().await.unwrap();
        // The first bytes of a record that holds a hello.
        let said: &[u8] = if n % 2 == 0 { &[22, 3, 1, 2, 0] } else { b"" };
        stream.write_all(said).await.unwrap();
        silent.push(stream);
    }
    mesh.running.until("they are there", |status| level(&status.greeting) > 0).await;
    let client = mesh.ca.client(GATEWAY);
    assert!(mesh.answers(&client).await);
    assert!(level(&mesh.running.status.refused) > 0, "{:?}", mesh.running.status);
}
