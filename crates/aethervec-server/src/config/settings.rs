//! The settings, each with its default and what it is for.

use super::security::JwtAlgorithm;
use crate::error::{ApiError, ApiResult};
use aethervec::DbOptions;
use aethervec::limits::BATCH_DOCUMENTS_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Makes [`Config`], its defaults and the table of its settings from one list.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr;)+) => {
        /// How a server is run. Plain data: each field is a setting of the same name.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Config { $($name: $default,)+ }
            }
        }

        impl Config {
            /// The names of all settings, in the order in which they are documented.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)+];

            /// What the setting called `name` is for.
            pub fn help(name: &str) -> Option<&'static str> {
                match name {
                    $(stringify!($name) => Some(concat!($($doc,)+).trim_ascii()),)+
                    _ => None,
                }
            }

            /// The value of the setting called `name`.
            pub fn get(&self, name: &str) -> Option<Value> {
                match name {
                    $(stringify!($name) => Some(to_value(&self.$name)),)+
                    _ => None,
                }
            }

            /// Sets the setting called `name`, from what a file or an environment has.
            ///
            /// # Errors
            /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when there is no such setting, or when it cannot be this.
            pub fn set(&mut self, name: &str, value: &Value) -> ApiResult<()> {
                match name {
                    $(stringify!($name) => self.$name = from_value(name, value)?,)+
                    _ => return Err(unknown(name)),
                }
                Ok(())
            }
        }
    };
}

settings! {
    /// Where databases are: a folder with a folder for each tenant.
    data_dir: PathBuf = PathBuf::from("./data");
    /// Address that all ports are bound to. 0.0.0.0 is all interfaces.
    host: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    /// Port of the native REST API; 0 takes any free one, null none.
    http_port: Option<u16> = Some(8080);
    /// Port of the native gRPC API; 0 takes any free one, null none.
    grpc_port: Option<u16> = Some(9090);
    /// Port of the Qdrant-compatible REST API; 0 takes any free one, null none.
    qdrant_http_port: Option<u16> = Some(6333);
    /// Port of the Qdrant-compatible gRPC API; 0 takes any free one, null none.
    qdrant_grpc_port: Option<u16> = Some(6334);
    /// Port with nothing but GET /metrics; 0 takes any free one, null none.
    metrics_port: Option<u16> = Some(2112);
    /// Memory that the storage of a tenant uses, for blocks, filters and what is not in tables yet: a number of bytes, or 4GiB.
    hot_tier_size: ByteSize = ByteSize(256 << 20);
    /// Memory for copies of buckets of the family drift, of all collections of a tenant together: a number of bytes, or 4GiB.
    bucket_cache_bytes: ByteSize = ByteSize(DbOptions::DEFAULT.bucket_cache_bytes as u64);
    /// Whether the files of tenants are encrypted. A tenant is what it was made as: this holds for new ones and old ones alike.
    encryption_enabled: bool = false;
    /// How files are encrypted: aes-256-gcm or chacha20-poly1305.
    encryption_algorithm: CipherName = CipherName::Aes256Gcm;
    /// Folder with a key file for each tenant, called like it: default.key, NAME.key.
    encryption_keys: Option<PathBuf> = None;
    /// Whether tables are compressed: always.
    compression_enabled: bool = true;
    /// Documents that a request may write, at most.
    batch_size: usize = BATCH_DOCUMENTS_MAX;
    /// Where cold data go: there is no cold tier yet, this is null.
    cold_tier_endpoint: Option<String> = None;
    /// Servers that share the data: one.
    shard_count: usize = 1;
    /// Servers that have the same data: one.
    replication_factor: usize = 1;
    /// Whether a GPU is used: it is not.
    gpu_enabled: bool = false;
    /// Requests that work at the same time; null: four for each core, at least 16. Writes wait for the disk, and those that
    /// wait share a sync.
    worker_threads: Option<usize> = None;
    /// Requests that wait for their turn at most; who comes then is told to try again later.
    queue_max: usize = 1024;
    /// Imports and exports at the same time; as many more wait for their turn.
    streams_max: usize = 16;
    /// Milliseconds after which a request that says nothing else is not begun any more.
    request_timeout_ms: u64 = 30_000;
    /// Bytes of a request's body, at most. Imports are streams, and have no such limit.
    body_bytes_max: usize = 64 << 20;
    /// Milliseconds that the server goes on serving after it was told to stop, while it says that it is not ready: for who
    /// balances loads to notice.
    drain_delay_ms: u64 = 0;
    /// Milliseconds that requests have to end when the server is told to stop.
    shutdown_grace_ms: u64 = 30_000;
    /// Seconds after which a tenant that nobody uses is closed.
    tenant_idle_s: u64 = 300;
    /// Seconds after which a transaction that nobody uses is rolled back.
    transaction_idle_s: u64 = 60;
    /// Seconds after which a snapshot that nobody uses is given up.
    snapshot_idle_s: u64 = 300;
    /// What is logged, on standard error: error, warn, info, debug or trace; also by module, such as "info,tonic=debug".
    log_filter: String = "info".to_owned();
    /// How lines of the log are written: text or json.
    log_format: LogFormat = LogFormat::Text;
    /// Milliseconds from which on a query is logged as a slow one, with its plan; null: none is.
    slow_query_ms: Option<u64> = Some(500);
    /// Collector of OpenTelemetry that traces are sent to, such as http://localhost:4318; null: there are no traces.
    otlp_endpoint: Option<String> = None;
    /// File with the authorities that may speak for a collector at https://, in PEM; null: those that the system trusts.
    otlp_ca: Option<PathBuf> = None;
    /// Share of the requests that are traced, 0 to 1, of those that do not say themselves by traceparent.
    trace_ratio: f64 = 0.1;
    /// Tenants with figures of their own, the largest ones; the others are added up.
    metrics_tenants_max: usize = 50;
    /// Collections with figures of their own, the largest ones of all tenants; the others are added up.
    metrics_collections_max: usize = 200;
    /// Seconds that as_of can go back, in every tenant. More: what was replaced or deleted stays on disk as long.
    retention_s: u64 = 0;
    /// File with a caller in each line: the hash of its key or a name in its certificate, and what it may do. With it, nothing
    /// but health is served to those who are not in it.
    auth_callers: Option<PathBuf> = None;
    /// File with the keys that tokens (JWT) are checked with: a JSON Web Key Set. All of jwt_* but the leeway belong together.
    jwt_keys: Option<PathBuf> = None;
    /// How tokens are signed, and in no other way: HS256, RS256 or EdDSA.
    jwt_algorithm: Option<JwtAlgorithm> = None;
    /// Who has to have issued a token: its claim iss.
    jwt_issuer: Option<String> = None;
    /// Whom a token has to be for: its claim aud.
    jwt_audience: Option<String> = None;
    /// Seconds that the clock of who issues tokens may differ from ours.
    jwt_leeway_s: u64 = 30;
    /// Whether everybody may do everything also where other machines connect. Without it and without a way to know callers,
    /// only a loopback address is listened on.
    allow_unauthenticated: bool = false;
    /// File with the server's certificate and those of its issuers, in PEM. With it and tls_key, all ports are encrypted.
    tls_certificate: Option<PathBuf> = None;
    /// File with the private key of the certificate, in PEM.
    tls_key: Option<PathBuf> = None;
    /// File with the authorities whose certificates clients have to show, in PEM. Names in them are those of auth_callers.
    tls_client_ca: Option<PathBuf> = None;
    /// Whether clients may come without a certificate, too: they need a key or a token then.
    tls_client_optional: bool = false;
    /// Milliseconds after which the files of callers, keys and certificates are looked at again; what has changed is read.
    reload_ms: u64 = 5_000;
    /// Connections at the same time, over all ports; more are closed at once.
    connections_max: usize = 10_000;
    /// Connections from one address, or from one /64 of IPv6, at the same time.
    connections_per_address_max: usize = 5_000;
    /// Milliseconds that a client may take for a handshake and for the head of a request, and may pause within its body.
    read_timeout_ms: u64 = 30_000;
    /// Seconds after which a connection without requests is closed.
    connection_idle_s: u64 = 300;
    /// Bytes of the head of a request, at most.
    head_bytes_max: usize = 64 << 10;
    /// Requests at the same time on one connection of HTTP/2 or gRPC.
    http2_streams_max: u32 = 256;
    /// Documents that a tenant may have, unless it has a quota of its own: null is no limit.
    quota_documents_max: Option<u64> = None;
    /// Bytes on disk that a tenant may have, unless it has a quota of its own: null is no limit.
    quota_bytes_max: Option<ByteSize> = None;
    /// Requests a second of a tenant, unless it has a quota of its own: null is no limit.
    quota_requests_per_s: Option<u32> = None;
    /// Requests of a tenant that work at the same time, unless it has a quota of its own: null is no limit.
    quota_requests_at_once_max: Option<u32> = None;
    /// File of the audit log, a line of JSON for each change and each refusal; - is standard output, null none.
    audit_log: Option<PathBuf> = None;
    /// Whether reads are in the audit log, too.
    audit_reads: bool = false;
    /// Whether requests are refused while the audit log cannot be written. Otherwise they are served, and missing lines counted.
    audit_required: bool = false;
    /// Whether the console, /docs and /openapi.json, which hold no data, are there for everybody.
    pages_open: bool = true;
    /// Whether GET /metrics is there for everybody. It names tenants and collections; else callers need the action observe.
    metrics_open: bool = false;
}

impl Config {
    /// How many requests work at the same time.
    pub fn worker_threads(&self) -> usize {
        self.worker_threads.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            (4 * cores).max(16)
        })
    }

    /// How the databases are opened.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when settings ask for something that cannot be.
    pub fn db_options(&self) -> ApiResult<DbOptions> {
        self.check()?;
        Ok(DbOptions {
            storage: aidb::Options {
                memory_bytes: self.hot_tier_size.0,
                ..aidb::Options::DEFAULT
            },
            // Where that is more than can be addressed, all that can be is as good.
            bucket_cache_bytes: usize::try_from(self.bucket_cache_bytes.0).unwrap_or(usize::MAX),
            retention: std::time::Duration::from_secs(self.retention_s),
            ..DbOptions::DEFAULT
        })
    }
}

impl Config {
    /// Refuses what this server cannot do, rather than let somebody believe that it does.
    fn check(&self) -> ApiResult<()> {
        let refused = |setting, why| Err(ApiError::invalid(format!("{setting}: {why}")));
        if self.worker_threads == Some(0) || self.streams_max == 0 {
            return refused(
                "worker_threads, streams_max",
                "with 0 nothing would ever be answered",
            );
        }
        if !(0.0..=1.0).contains(&self.trace_ratio) {
            return refused("trace_ratio", "it must be 0 to 1");
        }
        if self.encryption_enabled && self.encryption_keys.is_none() {
            return refused(
                "encryption_enabled",
                "encryption_keys has to say where the keys are",
            );
        }
        self.check_security()?;
        if !self.compression_enabled {
            return refused(
                "compression_enabled",
                "tables are always compressed: leave it out",
            );
        }
        if self.cold_tier_endpoint.is_some() {
            return refused(
                "cold_tier_endpoint",
                "there is no cold tier yet: leave it out",
            );
        }
        if self.shard_count != 1 || self.replication_factor != 1 {
            return refused(
                "shard_count, replication_factor",
                "this is one server: they must be 1",
            );
        }
        if self.gpu_enabled {
            return refused("gpu_enabled", "this server uses no GPU: leave it out");
        }
        Ok(())
    }
}

/// A number of bytes: in settings a number, or a text such as `512MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ByteText", into = "u64")]
pub struct ByteSize(pub u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum ByteText {
    Number(u64),
    Text(String),
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: an object a line.
    Json,
}

/// How files can be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CipherName {
    /// AES in Galois/counter mode: fast where the processor knows AES.
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    /// ChaCha20 and Poly1305: fast everywhere.
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> u64 {
        size.0
    }
}

impl TryFrom<ByteText> for ByteSize {
    type Error = String;

    fn try_from(text: ByteText) -> Result<ByteSize, String> {
        let text = match text {
            ByteText::Number(number) => return Ok(ByteSize(number)),
            ByteText::Text(text) => text,
        };
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit: u64 = match text[digits.len()..].trim() {
            "" | "B" => 1,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            unit => {
                return Err(format!(
                    "{unit:?} is no unit: KB, MB, GB, KiB, MiB or GiB are"
                ));
            }
        };
        let number: Option<u64> = digits.parse().ok();
        let bytes = number.and_then(|number| number.checked_mul(unit));
        bytes
            .map(ByteSize)
            .ok_or_else(|| format!("{digits:?} is no whole number"))
    }
}

fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

fn from_value<T: for<'de> Deserialize<'de>>(name: &str, value: &Value) -> ApiResult<T> {
    let first = T::deserialize(value);
    // `password: 123` means the text.
    let text = || T::deserialize(Value::String(value.to_string()));
    let result = match (first, value) {
        (Err(error), Value::Number(_) | Value::Bool(_)) => text().map_err(|_| error),
        (result, _) => result,
    };
    result.map_err(|error| ApiError::invalid(format!("{name}: {value} is not acceptable: {error}")))
}

fn unknown(name: &str) -> ApiError {
    let near = Config::NAMES
        .iter()
        .find(|known| known.contains(name) || name.contains(*known));
    let hint = near.map_or(String::new(), |near| format!(": is {near} meant?"));
    ApiError::invalid(format!("there is no setting {name:?}{hint}"))
}
