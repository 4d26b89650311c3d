//! Encryption of connections, and who a client's certificate says it is.

use crate::certificates::{self, unusable};
use crate::config::Config;
use crate::error::ApiResult;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The end of a port that encrypts. Its certificate can be replaced while it is in use.
#[derive(Debug)]
pub(super) struct Tls {
    files: Files,
    config: ArcSwap<ServerConfig>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_optional: bool,
}

impl Tls {
    /// As `config` says; `None` when connections are not encrypted.
    ///
    /// # Errors
    /// [`Invalid`](crate::ApiErrorKind::Invalid) when certificates or keys cannot be used.
    pub(super) fn open(config: &Config) -> ApiResult<Option<Tls>> {
        let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else {
            return Ok(None);
        };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: config.tls_client_ca.clone(),
            client_optional: config.tls_client_optional,
        };
        let config = ArcSwap::new(files.read()?);
        Ok(Some(Tls { files, config }))
    }

    /// Reads the files again, for connections to come.
    ///
    /// # Errors
    /// As [`open`](Tls::open). Everything stays as it was then.
    pub(super) fn reload(&self) -> ApiResult<()> {
        self.config.store(self.files.read()?);
        Ok(())
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let Files {
            certificate,
            key,
            client_ca,
            ..
        } = self.files.clone();
        [certificate, key].into_iter().chain(client_ca).collect()
    }

    /// The encrypted connection, and the names in the certificate of the other end.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Arc<[String]>)> {
        let stream = TlsAcceptor::from(self.config.load_full())
            .accept(stream)
            .await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let first = certificates.and_then(<[_]>::first);
        let names = first.map_or_else(Vec::new, |certificate| names(certificate));
        Ok((stream, names.into()))
    }
}

impl Files {
    fn read(&self) -> ApiResult<Arc<ServerConfig>> {
        let chain = certificates::read("tls_certificate", &self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| unusable("tls_key", &self.key, &error))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("tls_certificate", &self.certificate, &error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let wrong = |error: &dyn Display| unusable("tls_client_ca", path, error);
                let roots = Arc::new(certificates::authorities("tls_client_ca", path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = match self.client_optional {
                    true => verifier.allow_unauthenticated(),
                    false => verifier,
                };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| wrong(&error))?)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| unusable("tls_key", &self.key, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The names that a certificate gives its holder: alternative names, then common names. What is none of them counts for nothing.
fn names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
        names.extend(
            alternatives
                .value
                .general_names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DNSName(name)
                    | GeneralName::URI(name)
                    | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
                    _ => None,
                }),
        );
    }
    let common = certificate.subject().iter_common_name();
    names.extend(common.filter_map(|name| Some(name.as_str().ok()?.to_owned())));
    names
}
