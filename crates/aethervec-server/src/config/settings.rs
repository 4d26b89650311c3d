//! The settings, each with its default and what it is for.

use crate::error::{ApiError, ApiResult};
use aethervec::DbOptions;
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
    /// Requests that work at the same time; null: twice the machine's cores.
    worker_threads: Option<usize> = None;
    /// Requests that wait for their turn at most; who comes then is told to try again later.
    queue_max: usize = 1024;
    /// Imports and exports at the same time; as many more wait for their turn.
    streams_max: usize = 16;
    /// Milliseconds after which a request that says nothing else is not begun any more.
    request_timeout_ms: u64 = 30_000;
    /// Bytes of a request's body, at most. Imports are streams, and have no such limit.
    body_bytes_max: usize = 64 << 20;
    /// Milliseconds that requests have to end when the server is told to stop.
    shutdown_grace_ms: u64 = 30_000;
    /// Seconds after which a tenant that nobody uses is closed.
    tenant_idle_s: u64 = 300;
    /// Seconds after which a transaction that nobody uses is rolled back.
    transaction_idle_s: u64 = 60;
    /// Seconds after which a snapshot that nobody uses is given up.
    snapshot_idle_s: u64 = 300;
    /// What is logged, on standard error: error, warn, info, debug or trace; also by module, such as "info,tonic=debug".
    log: String = "info".to_owned();
    /// Whether lines of the log are JSON.
    log_json: bool = false;
    /// Seconds that as_of can go back, in every tenant. More: what was replaced or deleted stays on disk as long.
    retention_s: u64 = 0;
}

impl Config {
    /// How many requests work at the same time.
    pub fn worker_threads(&self) -> usize {
        self.worker_threads.unwrap_or_else(|| {
            2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        })
    }

    /// How the databases are opened.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when settings ask for something that cannot be.
    pub fn db_options(&self) -> ApiResult<DbOptions> {
        if self.worker_threads == Some(0) {
            return Err(ApiError::invalid(
                "worker_threads: 0 is too few: nothing would ever be answered",
            ));
        }
        Ok(DbOptions {
            retention: std::time::Duration::from_secs(self.retention_s),
            ..DbOptions::DEFAULT
        })
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
