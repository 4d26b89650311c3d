//! From what a request brings along to who it is.

use super::caller::Caller;
use super::callers::{Callers, Known};
use super::jwt::{Flaw, TokenRules, Tokens};
use crate::config::Config;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use aether_env::Clock;
use arc_swap::ArcSwap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes that a key or token may have.
const SECRET_BYTES_MAX: usize = 8_192;

/// Knows who may call. What it knows can be read again while it is in use.
#[derive(Debug)]
pub struct Authenticator {
    callers_file: Option<PathBuf>,
    token_rules: Option<TokenRules>,
    known: ArcSwap<KnownCallers>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct KnownCallers {
    callers: Callers,
    tokens: Option<Tokens>,
}

/// What a request brings along.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// A key or a token, from its headers.
    pub secret: Option<&'a str>,
    /// The names in the certificate of its connection.
    pub certificate: &'a [String],
}

/// Tells whether there is a secret, and not which.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("secret", &self.secret.map(|_| "…"))
            .field("certificate", &self.certificate)
            .finish()
    }
}

/// Why nobody knows who calls. For the operator: callers are told the same in all cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There was neither a key nor a token, nor a certificate that is known.
    NoCredentials,
    /// There were several, and they differ; or one that is no text.
    Ambiguous,
    /// A key that is not known.
    UnknownKey,
    /// A token that is wrong, or not ours.
    WrongToken,
    /// It does not hold yet.
    TooEarly,
    /// Its time is over.
    Expired,
}

impl Refusal {
    /// For logs.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::NoCredentials => "no credentials",
            Refusal::Ambiguous => "several credentials, or unreadable ones",
            Refusal::UnknownKey => "unknown key",
            Refusal::WrongToken => "wrong token",
            Refusal::TooEarly => "not valid yet",
            Refusal::Expired => "expired",
        }
    }
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Refusal {
        match flaw {
            Flaw::Wrong => Refusal::WrongToken,
            Flaw::Expired => Refusal::Expired,
            Flaw::TooEarly => Refusal::TooEarly,
        }
    }
}

/// What callers are told: nothing of which part was wrong.
impl From<Refusal> for ApiError {
    fn from(_: Refusal) -> ApiError {
        ApiError::new(
            ApiErrorKind::Unauthenticated,
            "valid credentials are needed: an api-key, or an authorization with a bearer token",
        )
    }
}

impl Authenticator {
    /// One that knows what the files say that `config` names.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when one of them cannot be read.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> ApiResult<Authenticator> {
        let authenticator = Authenticator {
            callers_file: config.auth_callers.clone(),
            token_rules: TokenRules::of(config),
            known: ArcSwap::default(),
            clock,
        };
        authenticator.reload()?;
        Ok(authenticator)
    }

    /// Whether everybody may do everything: there is no way to say who one is.
    pub fn is_open(&self) -> bool {
        self.callers_file.is_none() && self.token_rules.is_none()
    }

    /// The files that it knows its callers from.
    pub fn files(&self) -> Vec<PathBuf> {
        let keys = self.token_rules.as_ref().map(|rules| rules.keys.clone());
        self.callers_file.clone().into_iter().chain(keys).collect()
    }

    /// Reads the files again. When one of them is wrong, everything stays as it was.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when one of them cannot be read.
    pub fn reload(&self) -> ApiResult<()> {
        let callers = self
            .callers_file
            .as_deref()
            .map(Callers::read)
            .transpose()?;
        let tokens = self.token_rules.as_ref().map(Tokens::read).transpose()?;
        self.known.store(Arc::new(KnownCallers {
            callers: callers.unwrap_or_default(),
            tokens,
        }));
        Ok(())
    }

    /// Who brings these credentials.
    ///
    /// # Errors
    /// Why nobody knows.
    pub fn identify(&self, credentials: Credentials<'_>) -> Result<Caller, Refusal> {
        if self.is_open() {
            return Ok(Caller::anonymous());
        }
        let known = self.known.load();
        // Who sends a key means it, whatever certificate a proxy on the way has.
        if let Some(secret) = credentials.secret {
            if secret.len() > SECRET_BYTES_MAX {
                return Err(Refusal::UnknownKey);
            }
            if let Some(found) = known.callers.with_key(secret) {
                return self.still(found);
            }
            let tokens = known.tokens.as_ref().ok_or(Refusal::UnknownKey)?;
            return Ok(tokens.caller(secret, self.clock.now())?);
        }
        let found = known.callers.with_certificate(credentials.certificate);
        self.still(found.ok_or(Refusal::NoCredentials)?)
    }

    fn still(&self, known: &Known) -> Result<Caller, Refusal> {
        match known.has_expired(self.clock.now()) {
            true => Err(Refusal::Expired),
            false => Ok(known.caller.clone()),
        }
    }
}
