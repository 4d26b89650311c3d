//! How to connect.

use crate::call::Caller;
use crate::client::VectorDatabaseClient;
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::retry::Retry;
use std::fmt;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::Endpoint;

/// What names a tenant in the metadata of a call.
pub(crate) const TENANT: &str = "aethervec-tenant";

/// How long it takes at most until a connection is made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After so long without anything a connection is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Bytes that may be under way before the other side has taken them.
const WINDOW_BYTES: u32 = 4 << 20;

/// How to connect: a builder.
///
/// ```no_run
/// use aethervec_client::VectorDatabaseClient;
/// use std::time::Duration;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = VectorDatabaseClient::options("https://vectors.example.com:9090")
///     .api_key(std::env::var("VECTORS_KEY")?)
///     .ca_certificate(std::fs::read("ca.pem")?)
///     .tenant("acme")
///     .timeout(Duration::from_secs(5))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ConnectOptions {
    url: String,
    /// The name and the value of what is shown.
    credential: Option<(&'static str, String)>,
    tenant: Option<String>,
    timeout: Duration,
    connections: usize,
    retry: Retry,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// Who is trusted, and what is shown.
#[cfg(feature = "tls")]
#[derive(Clone, Default)]
struct Tls {
    config: tonic::transport::ClientTlsConfig,
    /// Those that are trusted, and nobody else; `None`: those that the system trusts.
    authorities: Option<Vec<u8>>,
}

impl ConnectOptions {
    /// To the server at `url`: `http://HOST:PORT`, or `https://HOST:PORT` where it has a certificate.
    pub fn new(url: impl Into<String>) -> ConnectOptions {
        ConnectOptions {
            url: url.into(),
            credential: None,
            tenant: None,
            timeout: Duration::from_secs(30),
            connections: 4,
            retry: Retry::DEFAULT,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Calls show this key, instead of a token.
    #[must_use]
    pub fn api_key(self, key: impl Into<String>) -> ConnectOptions {
        self.credential("api-key", key.into())
    }

    /// Calls show this token, a JWT, instead of a key.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> ConnectOptions {
        self.credential("authorization", format!("Bearer {}", token.into()))
    }

    /// Calls are for this tenant. Without it: for the one of the key or token, or the one called "default".
    #[must_use]
    pub fn tenant(self, name: impl Into<String>) -> ConnectOptions {
        ConnectOptions {
            tenant: Some(name.into()),
            ..self
        }
    }

    /// How long a call may take, with all its attempts; 30 seconds by default. Imports and exports take as long as they do.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> ConnectOptions {
        ConnectOptions { timeout, ..self }
    }

    /// How many connections there are at most, at least one; 4 by default. A second one is made when many calls run at once.
    #[must_use]
    pub fn connections(self, connections: usize) -> ConnectOptions {
        ConnectOptions {
            connections: connections.max(1),
            ..self
        }
    }

    /// How calls are repeated that failed: see [`Retry`].
    #[must_use]
    pub fn retry(self, retry: Retry) -> ConnectOptions {
        ConnectOptions { retry, ..self }
    }

    /// Trusts the server's certificate if this authority has signed it, or one of these, in PEM; nobody else is trusted then. Without
    /// it: those that the system trusts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca_certificate(self, pem: impl AsRef<[u8]>) -> ConnectOptions {
        let authorities = Some(pem.as_ref().to_owned());
        self.with_tls(|tls| Tls { authorities, ..tls })
    }

    /// Shows the server this certificate, in PEM with its key.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_certificate(
        self,
        certificate_pem: impl AsRef<[u8]>,
        key_pem: impl AsRef<[u8]>,
    ) -> ConnectOptions {
        let identity = tonic::transport::Identity::from_pem(certificate_pem, key_pem);
        self.with_tls(|tls| Tls {
            config: tls.config.identity(identity),
            ..tls
        })
    }

    /// The name that the server's certificate has to be for. Without it: the host of the URL.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn server_name(self, name: impl Into<String>) -> ConnectOptions {
        let name = name.into();
        self.with_tls(|tls| Tls {
            config: tls.config.domain_name(name),
            ..tls
        })
    }

    /// Connects.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when an option is not acceptable,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the server cannot be reached.
    pub async fn connect(self) -> Result<VectorDatabaseClient> {
        let endpoint = self.endpoint()?;
        let first = endpoint.connect().await?;
        let others = (1..self.connections).map(|_| endpoint.connect_lazy());
        let pool = Pool::new(std::iter::once(first).chain(others));
        let caller = Caller::new(pool, self.metadata()?, self.timeout, self.retry);
        Ok(VectorDatabaseClient::over(caller))
    }

    fn endpoint(&self) -> Result<Endpoint> {
        let bad = |why: String| Error::invalid(format!("url: {:?}: {why}", self.url));
        let endpoint =
            Endpoint::from_shared(self.url.clone()).map_err(|error| bad(error.to_string()))?;
        let encrypted = match endpoint.uri().scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("it must begin with http:// or https://".to_owned())),
        };
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .tcp_nodelay(true);
        self.encrypt(endpoint, encrypted)
    }

    #[cfg(feature = "tls")]
    fn encrypt(&self, endpoint: Endpoint, encrypted: bool) -> Result<Endpoint> {
        match (&self.tls, encrypted) {
            (None, false) => Ok(endpoint),
            (Some(_), false) => Err(Error::invalid(
                "url: certificates are for https://, and this is http://",
            )),
            (tls, true) => {
                let unusable = |error| Error::invalid(format!("certificates: {error}"));
                let config = tls.clone().unwrap_or_default().trusting()?;
                endpoint.tls_config(config).map_err(unusable)
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    fn encrypt(&self, endpoint: Endpoint, encrypted: bool) -> Result<Endpoint> {
        if encrypted {
            return Err(Error::invalid(
                "url: https:// needs the feature tls of aethervec-client",
            ));
        }
        Ok(endpoint)
    }

    /// What every call carries.
    fn metadata(&self) -> Result<MetadataMap> {
        let mut metadata = MetadataMap::new();
        if let Some((name, secret)) = &self.credential {
            let mut value: MetadataValue<Ascii> = secret.parse().map_err(|_| {
                Error::invalid(format!("{name}: it must be visible ASCII, in one line"))
            })?;
            value.set_sensitive(true);
            metadata.insert(MetadataKey::from_static(name), value);
        }
        if let Some(tenant) = &self.tenant {
            metadata.insert(TENANT, tenant_value(tenant)?);
        }
        Ok(metadata)
    }

    fn credential(self, name: &'static str, secret: String) -> ConnectOptions {
        ConnectOptions {
            credential: Some((name, secret)),
            ..self
        }
    }

    #[cfg(feature = "tls")]
    fn with_tls(self, change: impl FnOnce(Tls) -> Tls) -> ConnectOptions {
        ConnectOptions {
            tls: Some(change(self.tls.unwrap_or_default())),
            ..self
        }
    }
}

#[cfg(feature = "tls")]
impl Tls {
    /// With those that are trusted.
    fn trusting(self) -> Result<tonic::transport::ClientTlsConfig> {
        const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
        let Some(pem) = self.authorities else {
            return Ok(self.config.with_enabled_roots());
        };
        if !pem
            .windows(CERTIFICATE.len())
            .any(|text| text == CERTIFICATE)
        {
            let why = "ca_certificate: there is no certificate in it, in PEM";
            return Err(Error::invalid(why));
        }
        let authorities = tonic::transport::Certificate::from_pem(pem);
        Ok(self.config.ca_certificate(authorities))
    }
}

/// The name of a tenant, as metadata.
pub(crate) fn tenant_value(name: &str) -> Result<MetadataValue<Ascii>> {
    name.parse()
        .map_err(|_| Error::invalid(format!("tenant: {name:?} is no name")))
}

/// Without its secrets.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("url", &self.url)
            .field("tenant", &self.tenant)
            .field("timeout", &self.timeout)
            .field("connections", &self.connections)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
