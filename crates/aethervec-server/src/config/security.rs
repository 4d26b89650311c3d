//! Settings of security that have to agree with each other.

use super::Config;
use crate::error::{ApiError, ApiResult};
use serde::{Deserialize, Serialize};

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256: who can check tokens can make them.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSA with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Config {
    /// Whether callers have to say who they are.
    pub fn asks_who_calls(&self) -> bool {
        self.auth_callers.is_some() || self.jwt_keys.is_some()
    }

    /// Refuses to listen to everybody by mistake.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when other machines could connect and nobody would be asked who they are.
    pub fn check_exposure(&self) -> ApiResult<()> {
        if !self.host.is_loopback() && !self.asks_who_calls() && !self.allow_unauthenticated {
            return Err(ApiError::invalid(format!(
                "host: {} can be reached from other machines, and nobody would be asked who they are: set auth_callers or jwt_keys, or allow_unauthenticated if everybody may do everything",
                self.host
            )));
        }
        Ok(())
    }

    /// Refuses settings that are of no use without others.
    pub(super) fn check_security(&self) -> ApiResult<()> {
        let refused = |setting, why| Err(ApiError::invalid(format!("{setting}: {why}")));
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return refused(
                "tls_certificate, tls_key",
                "one is of no use without the other",
            );
        }
        if self.tls_client_ca.is_some() && self.tls_certificate.is_none() {
            return refused("tls_client_ca", "it needs tls_certificate and tls_key");
        }
        if self.tls_client_optional && self.tls_client_ca.is_none() {
            return refused("tls_client_optional", "it needs tls_client_ca");
        }
        if (self.audit_reads || self.audit_required) && self.audit_log.is_none() {
            return refused("audit_reads, audit_required", "they need audit_log");
        }
        let parts = [
            self.jwt_keys.is_some(),
            self.jwt_algorithm.is_some(),
            self.jwt_issuer.is_some(),
            self.jwt_audience.is_some(),
        ];
        if parts.contains(&true) && parts.contains(&false) {
            return refused(
                "jwt_keys, jwt_algorithm, jwt_issuer, jwt_audience",
                "none of them is of use without the others",
            );
        }
        let zeros = [
            ("connections_max", self.connections_max == 0),
            (
                "connections_per_address_max",
                self.connections_per_address_max == 0,
            ),
            ("read_timeout_ms", self.read_timeout_ms == 0),
            ("connection_idle_s", self.connection_idle_s == 0),
            ("http2_streams_max", self.http2_streams_max == 0),
            ("reload_ms", self.reload_ms == 0),
        ];
        match zeros.iter().find(|(_, is_zero)| *is_zero) {
            Some((setting, _)) => refused(setting, "with 0 nothing would ever be answered"),
            None => Ok(()),
        }
    }
}
