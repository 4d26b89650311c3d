//! Encrypted connections, and callers who are known by their certificates.

use crate::callers::{entry, known, of_tenant};
use crate::common::{Running, config};
use aethervec_server::auth::{Action, Entry};
use aethervec_server::{Config, Server};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn sign(&self, names: Vec<SanType>, purpose: ExtendedKeyUsagePurpose) -> Signed {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        Signed {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn server(&self) -> Signed {
        let name = SanType::DnsName("localhost".try_into().unwrap());
        self.sign(vec![name], ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn client(&self, uri: &str) -> Signed {
        let name = SanType::URI(uri.try_into().unwrap());
        self.sign(vec![name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// GETs a path from a server that it has signed for.
    async fn get(
        &self,
        address: SocketAddr,
        path: &str,
        key: Option<&str>,
        client: Option<&Signed>,
    ) -> io::Result<u16> {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap();
        roots.add(own).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let chain = CertificateDer::from_pem_slice(client.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await?;
        let key = key.map_or(String::new(), |key| format!("api-key: {key}\r\n"));
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{key}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::other(format!("no answer: {answer:?}")))
    }
}

/// A configuration whose certificate is `signed`.
fn encrypted(folder: &TempDir, config: Config, signed: &Signed) -> Config {
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Config {
        tls_certificate: Some(file("server.pem", &signed.certificate)),
        tls_key: Some(file("server.key", &signed.key)),
        reload_ms: 20,
        ..config
    }
}

#[tokio::test]
async fn all_ports_are_encrypted_and_nothing_else_is_answered() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let config = encrypted(&folder, config(&folder), &authority.server());
    let asked = config.clone();
    let server = Running::start_in(folder, config).await;
    let at = server.addresses;
    // What looks after the server on its own machine trusts its certificate, whatever name that is for.
    let asked = Config {
        http_port: at.http.map(|address| address.port()),
        ..asked
    };
    let probed = tokio::task::spawn_blocking(move || aethervec_server::probe(&asked));
    assert_eq!(probed.await.unwrap(), Ok(()));
    assert!(at.to_string().contains("https://"), "{at}");
    for (address, path) in [
        (at.http, "/health"),
        (at.qdrant_http, "/collections"),
        (at.metrics, "/metrics"),
    ] {
        let address = address.unwrap();
        assert_eq!(authority.get(address, path, None, None).await.unwrap(), 200);
        let plain = server.http.get(format!("http://{address}{path}"));
        assert!(plain.send().await.is_err());
    }
    // A client that trusts somebody else does not take our word.
    let other = Authority::new();
    assert!(
        other
            .get(at.http.unwrap(), "/health", None, None)
            .await
            .is_err()
    );
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_is_replaced_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let config = encrypted(&folder, config(&folder), &old.server());
    let server = Running::start_in(folder, config).await;
    let address = server.addresses.http.unwrap();
    assert!(old.get(address, "/health", None, None).await.is_ok());
    // A wrong file changes nothing.
    let path = server.folder().path();
    std::fs::write(path.join("server.pem"), "nonsense").unwrap();
    assert!(old.get(address, "/health", None, None).await.is_ok());
    let signed = new.server();
    std::fs::write(path.join("server.key"), signed.key).unwrap();
    std::fs::write(path.join("server.pem"), signed.certificate).unwrap();
    while new.get(address, "/health", None, None).await.is_err() {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_says_who_calls() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let indexer = Entry {
        certificate: Some("spiffe://acme/indexer".to_owned()),
        ..of_tenant("default", entry("indexer", &[Action::Read]))
    };
    let (config, keys) = known(&folder, vec![indexer, entry("admin", &Action::ALL)]);
    let ca = folder.path().join("clients.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let config = Config {
        tls_client_ca: Some(ca),
        tls_client_optional: true,
        ..encrypted(&folder, config, &authority.server())
    };
    let required = Config {
        tls_client_optional: false,
        ..config.clone()
    };
    let server = Running::start_in(folder, config).await;
    let known = authority.client("spiffe://acme/indexer");
    let unknown = authority.client("spiffe://acme/others");
    let foreign = Authority::new().client("spiffe://acme/indexer");
    let admin = Some(keys["admin"].reveal());
    let at = server.addresses.http.unwrap();
    for (path, key, client, expected) in [
        ("/v1/collections", None, Some(&known), Some(200)),
        ("/v1/tenants", None, Some(&known), Some(403)),
        ("/v1/collections", None, Some(&unknown), Some(401)),
        ("/v1/collections", None, None, Some(401)),
        ("/v1/collections", None, Some(&foreign), None),
        ("/v1/tenants", admin, None, Some(200)),
        // Who sends a key means it.
        ("/v1/tenants", admin, Some(&known), Some(200)),
        ("/v1/collections", Some("nonsense"), Some(&known), Some(401)),
    ] {
        let status = authority.get(at, path, key, client).await.ok();
        assert_eq!(status, expected, "{path}");
    }
    let folder = server.stop().await;

    let server = Running::start_in(folder, required).await;
    let at = server.addresses.http.unwrap();
    assert!(authority.get(at, "/health", admin, None).await.is_err());
    assert_eq!(
        authority
            .get(at, "/health", None, Some(&known))
            .await
            .unwrap(),
        200
    );
    server.stop().await;
}

#[tokio::test]
async fn half_a_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let signed = Authority::new().server();
    let whole = encrypted(&folder, config(&folder), &signed);
    for (config, expected) in [
        (
            Config {
                tls_key: None,
                ..whole.clone()
            },
            "tls_key",
        ),
        (
            Config {
                tls_key: whole.tls_certificate.clone(),
                ..whole.clone()
            },
            "tls_key",
        ),
        (
            Config {
                tls_certificate: Some("/nowhere".into()),
                ..whole.clone()
            },
            "/nowhere",
        ),
        (
            Config {
                tls_client_optional: true,
                ..whole.clone()
            },
            "tls_client_ca",
        ),
    ] {
        let error = Server::bind(config).await.unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        let secret = signed.key.lines().nth(1).unwrap();
        assert!(!error.message.contains(secret), "{error}");
    }
}
