//! Encrypted connections, keys and tokens.

use crate::server::Running;
use aethervec_client::{ErrorKind, VectorDatabaseClient};
use aethervec_server::Config;
use aethervec_server::auth::{Action, Entry, Key};
use aethervec_server::config::JwtAlgorithm;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use ring::hmac;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

/// The certificates of a server at `localhost` and of the client `spiffe://acme/reader`, with their keys, and of who has signed them.
struct Certificates {
    authority: String,
    server: (String, String),
    client: (String, String),
}

impl Certificates {
    fn new() -> Certificates {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let sign = |name: SanType| {
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![name];
            let key = KeyPair::generate().unwrap();
            let signed = params.signed_by(&key, &authority).unwrap();
            (signed.pem(), key.serialize_pem())
        };
        Certificates {
            server: sign(SanType::DnsName("localhost".try_into().unwrap())),
            client: sign(SanType::URI("spiffe://acme/reader".try_into().unwrap())),
            authority: authority.pem(),
        }
    }
}

fn entry(name: &str, actions: &[Action]) -> Entry {
    Entry {
        name: name.to_owned(),
        key: None,
        certificate: None,
        actions: actions.iter().copied().collect(),
        tenant: None,
        collections: None,
        expires: None,
    }
}

/// A token that the server's keys have signed.
fn token(claims: &Value) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(br#"{"alg":"HS256","kid":"a"}"#);
    let message = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", encode(signature.as_ref()))
}

/// Writes what the server reads into `folder`.
fn secured(
    folder: &Path,
    certificates: &Certificates,
    entries: &[Entry],
    config: Config,
) -> Config {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let callers: String = entries.iter().map(|entry| entry.to_line() + "\n").collect();
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    let keys = json!({"keys": [{"kty": "oct", "kid": "a", "alg": "HS256", "k": secret}]});
    Config {
        auth_callers: file("callers.jsonl", &callers),
        jwt_keys: file("keys.json", &keys.to_string()),
        jwt_algorithm: Some(JwtAlgorithm::Hs256),
        jwt_issuer: Some("https://issuer".to_owned()),
        jwt_audience: Some("aethervec".to_owned()),
        tls_certificate: file("server.pem", &certificates.server.0),
        tls_key: file("server.key", &certificates.server.1),
        tls_client_ca: file("ca.pem", &certificates.authority),
        tls_client_optional: true,
        ..config
    }
}

/// An authority of one's own is trusted instead of those of the system, and not beside them. The second half of the test runs as a
/// process whose system trusts who has signed for the server.
#[tokio::test]
async fn an_authority_of_ones_own_is_the_only_one() {
    const URL: &str = "AETHERVEC_TEST_URL";
    const TRUSTED: &str = "SSL_CERT_FILE";
    if let Ok(url) = std::env::var(URL) {
        let system = std::fs::read(std::env::var(TRUSTED).unwrap()).unwrap();
        let options = || VectorDatabaseClient::options(&url);
        options().connect().await.unwrap();
        options().ca_certificate(system).connect().await.unwrap();
        let other = Certificates::new().authority;
        let error = options().ca_certificate(other).connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        return;
    }
    let certificates = Certificates::new();
    let files = tempfile::tempdir().unwrap();
    let change = |config| secured(files.path(), &certificates, &[], config);
    let server = Running::start_with(tempfile::tempdir().unwrap(), 0, change).await;
    let mut trusting = Command::new(std::env::current_exe().unwrap());
    trusting
        .args([
            "--exact",
            "secured::an_authority_of_ones_own_is_the_only_one",
        ])
        .env(URL, format!("https://localhost:{}", server.port()))
        .env(TRUSTED, files.path().join("ca.pem"));
    let output = tokio::task::spawn_blocking(move || trusting.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_authority_has_a_certificate() {
    let options = VectorDatabaseClient::options("https://localhost:1");
    let error = options
        .ca_certificate("-----BEGIN PRIVATE KEY-----")
        .connect();
    let error = error.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("ca_certificate"), "{error}");
}

#[tokio::test]
async fn keys_tokens_and_certificates_say_who_calls() {
    let certificates = Certificates::new();
    let key = Key::generate().unwrap();
    let entries = [
        Entry {
            key: Some(key.hash().to_string()),
            ..entry("writer", &[Action::Read, Action::Write, Action::Manage])
        },
        Entry {
            certificate: Some("spiffe://acme/reader".to_owned()),
            ..entry("reader", &[Action::Read])
        },
    ];
    let folder = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let change = |config| secured(files.path(), &certificates, &entries, config);
    let server = Running::start_with(folder, 0, change).await;
    let url = format!("https://localhost:{}", server.port());
    let options = || VectorDatabaseClient::options(&url).ca_certificate(&certificates.authority);

    let writer = options().api_key(key.reveal()).connect().await.unwrap();
    writer.insert_vectors([("a", [1.0, 0.0])]).await.unwrap();

    let claims = |exp: u64| {
        json!({
            "iss": "https://issuer", "aud": "aethervec", "sub": "alice", "exp": exp,
            "tenant": "default", "actions": ["read"],
        })
    };
    let alice = options().token(token(&claims(4_000_000_000)));
    let (certificate, own) = &certificates.client;
    let reader = options().client_certificate(certificate, own);
    for options in [alice, reader] {
        let client = options.connect().await.unwrap();
        let found = client.query_similar([1.0, 0.0], 1).await.unwrap();
        assert_eq!(found.vectors.len(), 1);
        let refused = client
            .insert_vectors([("b", [0.0, 1.0])])
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden, "{refused}");
    }

    for nobody in [
        options(),
        options().api_key("wrong"),
        options().token(token(&claims(1))),
    ] {
        let client = nobody.connect().await.unwrap();
        assert_eq!(client.health().await.unwrap().status, "ok");
        let refused = client.collections().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{refused}");
    }
    // Another authority has not signed for this server, and without encryption nobody answers.
    let other = Certificates::new().authority;
    let distrustful = VectorDatabaseClient::options(&url).ca_certificate(other);
    let error = distrustful.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let plain = format!("http://localhost:{}", server.port());
    let plain = match VectorDatabaseClient::connect(plain).await {
        Ok(client) => client
            .with_timeout(std::time::Duration::from_secs(5))
            .health()
            .await
            .map(drop),
        Err(error) => Err(error),
    };
    assert!(plain.is_err());
    server.stop().await;
}
