//! Tokens: JWT (RFC 7519), signed by one of the keys of a file, with the one algorithm that the configuration names.
//!
//! A token says who, for whom, and what:
//!
//! ```text
//! {"iss": "https://issuer", "aud": "aethervec", "sub": "alice", "exp": 1767225600, "nbf"?: …,
//!  "tenant": "acme", "actions": ["read", "write"], "collections"?: ["notes"]}
//! ```
//!
//! `"tenant": "*"` is all of them. `exp`, `iss`, `aud`, `sub`, `tenant` and `actions` have to be there. Keys are a JSON Web Key Set
//! (RFC 7517); `kid` chooses among those that were read, and is never looked up anywhere else.

use super::caller::Caller;
use super::grant::Grant;
use super::verify;
use crate::action::Action;
use crate::config::{Config, JwtAlgorithm};
use crate::error::{ApiError, ApiResult};
use crate::tenant_name::TenantName;
use aether_env::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Bytes of a secret of HS256, at least: as many as its hash has.
const SECRET_BYTES_MIN: usize = 32;

/// The tenant of a token that is for all of them.
const ALL_TENANTS: &str = "*";

const MICROS: u64 = 1_000_000;

/// Where keys are, and what every token has to say.
#[derive(Clone, Debug)]
pub(super) struct TokenRules {
    pub(super) keys: PathBuf,
    algorithm: JwtAlgorithm,
    issuer: String,
    audience: String,
    leeway_s: u64,
}

/// Knows which tokens hold.
pub(super) struct Tokens {
    keys: Vec<(Option<String>, DecodingKey)>,
    validation: Validation,
    leeway_s: u64,
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    /// Seconds since 1970; both may have fractions.
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    tenant: String,
    actions: BTreeSet<Action>,
    #[serde(default)]
    collections: Option<BTreeSet<String>>,
}

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is none, or says something else than it should.
    Wrong,
    /// It does not hold any more.
    Expired,
    /// It does not hold yet.
    TooEarly,
}

impl TokenRules {
    /// Those of `config`, if it knows tokens at all.
    pub(super) fn of(config: &Config) -> Option<TokenRules> {
        Some(TokenRules {
            keys: config.jwt_keys.clone()?,
            algorithm: config.jwt_algorithm?,
            issuer: config.jwt_issuer.clone()?,
            audience: config.jwt_audience.clone()?,
            leeway_s: config.jwt_leeway_s,
        })
    }
}

impl Tokens {
    /// Those that the keys of the file can check.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when the file cannot be read or has no key for the algorithm. Nothing of it is repeated.
    pub(super) fn read(rules: &TokenRules) -> ApiResult<Tokens> {
        let wrong = |why: &dyn fmt::Display| unusable(&rules.keys, why);
        let text = std::fs::read(&rules.keys).map_err(|error| wrong(&error))?;
        // What serde says of a wrong file may repeat a piece of a secret.
        let set: JwkSet = serde_json::from_slice(&text).map_err(|error| {
            wrong(&format_args!(
                "line {}, column {}: it is no JSON Web Key Set",
                error.line(),
                error.column()
            ))
        })?;
        Tokens::of(&set, rules)
    }

    fn of(set: &JwkSet, rules: &TokenRules) -> ApiResult<Tokens> {
        let algorithm = Algorithm::from(rules.algorithm);
        let keys = set.keys.iter().filter_map(|jwk| key(jwk, algorithm));
        let keys: Vec<(Option<String>, DecodingKey)> = keys.collect();
        if keys.is_empty() {
            return Err(unusable(
                &rules.keys,
                &format_args!(
                    "it has no key for {algorithm:?}, or a secret of fewer than {SECRET_BYTES_MIN} bytes"
                ),
            ));
        }
        verify::install();
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&rules.issuer]);
        validation.set_audience(&[&rules.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are compared here, with the clock that the server was given.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Tokens {
            keys,
            validation,
            leeway_s: rules.leeway_s,
        })
    }

    /// Who brings this token, at this time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn caller(&self, token: &str, now: Timestamp) -> Result<Caller, Flaw> {
        let header = decode_header(token).map_err(|_| Flaw::Wrong)?;
        let named = |kid: &Option<String>| header.kid.is_none() || *kid == header.kid;
        let mut keys = self.keys.iter().filter(|(kid, _)| named(kid));
        let claims = keys.find_map(|(_, key)| {
            let decoded = decode::<Claims>(token, key, &self.validation);
            Some(decoded.ok()?.claims)
        });
        let claims = claims.ok_or(Flaw::Wrong)?;
        self.check_times(&claims, now)?;
        let grant = claims.grant().map_err(|_| Flaw::Wrong)?;
        Ok(Caller::new(format!("token:{}", claims.sub), grant))
    }

    fn check_times(&self, claims: &Claims, now: Timestamp) -> Result<(), Flaw> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are far from 2^53"
        )]
        let (now, leeway) = ((now.0 / MICROS) as f64, self.leeway_s as f64);
        // Said so that what is no number does not hold.
        let holds_still = claims.exp + leeway > now;
        let holds_already = claims.nbf.is_none_or(|nbf| nbf - leeway <= now);
        match (holds_still, holds_already) {
            (true, true) => Ok(()),
            (false, _) => Err(Flaw::Expired),
            (_, false) => Err(Flaw::TooEarly),
        }
    }
}

/// Tells which keys there are, and not what they are.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|(kid, _)| kid).collect();
        f.debug_struct("Tokens").field("keys", &kids).finish()
    }
}

impl Claims {
    fn grant(&self) -> ApiResult<Grant> {
        let tenant = match &*self.tenant {
            ALL_TENANTS => None,
            name => Some(TenantName::parse(name)?),
        };
        let grant = Grant {
            actions: self.actions.clone(),
            tenant,
            collections: self.collections.clone(),
        };
        grant.check()?;
        Ok(grant)
    }
}

/// A key that is there for signatures of this algorithm; sets of issuers have others, too.
fn key(jwk: &Jwk, algorithm: Algorithm) -> Option<(Option<String>, DecodingKey)> {
    let common = &jwk.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let is_for_another = common
        .key_algorithm
        .is_some_and(|named| named.to_string() != format!("{algorithm:?}"));
    if !is_for_signatures || is_for_another {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let is_long = key.family() != AlgorithmFamily::Hmac
        || key.try_get_as_bytes().ok()?.len() >= SECRET_BYTES_MIN;
    let fits = key.family() == algorithm.family() && is_long;
    fits.then(|| (common.key_id.clone(), key))
}

fn unusable(path: &Path, why: &dyn fmt::Display) -> ApiError {
    ApiError::invalid(format!(
        "jwt_keys: {} cannot be used: {why}",
        path.display()
    ))
}

impl From<JwtAlgorithm> for Algorithm {
    fn from(algorithm: JwtAlgorithm) -> Algorithm {
        match algorithm {
            JwtAlgorithm::Hs256 => Algorithm::HS256,
            JwtAlgorithm::Rs256 => Algorithm::RS256,
            JwtAlgorithm::EdDsa => Algorithm::EdDSA,
        }
    }
}

#[cfg(test)]
mod tests;
