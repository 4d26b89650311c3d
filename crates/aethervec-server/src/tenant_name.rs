//! What tenants are called.

use crate::error::{ApiError, ApiResult};
use std::fmt;
use std::sync::Arc;

/// The bytes that the name of a tenant may have, at most.
pub const TENANT_NAME_BYTES_MAX: usize = 64;

/// The tenant of requests that name none.
pub const DEFAULT_TENANT: &str = "default";

/// The name of a tenant: 1 to [`TENANT_NAME_BYTES_MAX`] of `A-Z a-z 0-9 _ -`, so that it can be the name of a folder and
/// nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(Arc<str>);

impl TenantName {
    /// The name that `text` spells.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when it has other characters, or is too long or empty.
    pub fn parse(text: &str) -> ApiResult<TenantName> {
        let acceptable = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.len() > TENANT_NAME_BYTES_MAX || !text.bytes().all(acceptable) {
            return Err(ApiError::invalid(format!(
                "tenant: {text:?} is no name: it must be 1 to {TENANT_NAME_BYTES_MAX} of A-Z a-z 0-9 _ -"
            )));
        }
        Ok(TenantName(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantName {
    fn default() -> Self {
        TenantName(DEFAULT_TENANT.into())
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
