//! The file of callers: one in each line, as JSON. Empty lines, and those that begin with `#`, say nothing.
//!
//! ```text
//! {"name": "search-page", "key": "sha256:…", "actions": ["read"], "tenant": "acme", "collections": ["notes"]}
//! {"name": "indexer", "certificate": "spiffe://acme/indexer", "actions": ["read", "write"], "tenant": "acme"}
//! ```
//!
//! A caller without a tenant may use all of them, one without collections all of its tenant's; `expires` is a time in RFC 3339.

use super::caller::Caller;
use super::grant::Grant;
use super::key::KeyHash;
use crate::action::Action;
use crate::error::{ApiError, ApiResult};
use crate::tenant_name::TenantName;
use aether_env::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What the caller is called in logs; no two have one name.
    pub name: String,
    /// The hash of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A name in its certificate: a DNS name, a URI or an e-mail address among its alternative names, or its common name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// What it may do.
    pub actions: BTreeSet<Action>,
    /// The one tenant that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The collections that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collections: Option<BTreeSet<String>>,
    /// When it ceases to be known, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// All callers of a file.
#[derive(Debug, Default)]
pub(super) struct Callers {
    by_key: HashMap<u64, Vec<(KeyHash, Known)>>,
    by_certificate: HashMap<String, Known>,
}

/// Somebody who may call, up to a time.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) caller: Caller,
    expires: Option<Timestamp>,
}

impl Entry {
    /// Refuses what a server would refuse.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid), with the field.
    pub fn check(&self) -> ApiResult<()> {
        self.grant()?;
        self.expires.as_deref().map(moment).transpose()?;
        if self.name.is_empty() || self.name.chars().any(char::is_control) {
            return Err(ApiError::invalid("name: it must be a text of one line"));
        }
        Ok(())
    }

    fn grant(&self) -> ApiResult<Grant> {
        let tenant = self.tenant.as_deref().map(TenantName::parse).transpose()?;
        let grant = Grant {
            actions: self.actions.clone(),
            tenant,
            collections: self.collections.clone(),
        };
        grant.check()?;
        Ok(grant)
    }

    /// As a line of the file.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("it is made of texts")
    }
}

impl Callers {
    /// Those of the file at `path`.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when it cannot be read or a line of it is wrong: the message names the line, and repeats nothing of it.
    pub(super) fn read(path: &Path) -> ApiResult<Callers> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ApiError::invalid(format!("auth_callers: {}: {error}", path.display()))
        })?;
        Callers::parse(&text).map_err(|(line, why)| {
            ApiError::invalid(format!(
                "auth_callers: {}, line {line}: {why}",
                path.display()
            ))
        })
    }

    fn parse(text: &str) -> Result<Callers, (usize, String)> {
        let mut callers = Callers::default();
        let mut names = BTreeSet::new();
        for (number, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: String| (number + 1, why);
            let entry: Entry =
                serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            if !names.insert(entry.name.clone()) {
                return Err(wrong("name: another line has it already".to_owned()));
            }
            callers.add(entry).map_err(|error| wrong(error.message))?;
        }
        Ok(callers)
    }

    fn add(&mut self, entry: Entry) -> ApiResult<()> {
        entry.check()?;
        let known = Known {
            caller: Caller::new(format!("caller:{}", entry.name), entry.grant()?),
            expires: entry.expires.as_deref().map(moment).transpose()?,
        };
        match (&entry.key, entry.certificate) {
            (Some(hash), None) => {
                let hash = KeyHash::parse(hash)?;
                if self.with_hash(&hash).is_some() {
                    return Err(ApiError::invalid("key: another line has it already"));
                }
                let place = self.by_key.entry(hash.place()).or_default();
                place.push((hash, known));
            }
            (None, Some(name)) => {
                if self.by_certificate.insert(name, known).is_some() {
                    return Err(ApiError::invalid(
                        "certificate: another line has it already",
                    ));
                }
            }
            _ => return Err(ApiError::invalid("key, certificate: give one of them")),
        }
        Ok(())
    }

    /// Whose key this is.
    pub(super) fn with_key(&self, key: &str) -> Option<&Known> {
        self.with_hash(&KeyHash::of(key.as_bytes()))
    }

    /// Whose certificate has one of these names.
    pub(super) fn with_certificate(&self, names: &[String]) -> Option<&Known> {
        names.iter().find_map(|name| self.by_certificate.get(name))
    }

    fn with_hash(&self, hash: &KeyHash) -> Option<&Known> {
        let place = self.by_key.get(&hash.place())?;
        let mut found = None;
        for (other, known) in place {
            if hash.is(other) {
                found = Some(known);
            }
        }
        found
    }
}

impl Known {
    /// Whether its time is over.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

fn moment(text: &str) -> ApiResult<Timestamp> {
    let time: aethervec::Timestamp = text
        .parse()
        .map_err(|error| ApiError::invalid(format!("expires: {error}")))?;
    Ok(Timestamp(u64::try_from(time.as_micros()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Key;

    fn line(key: &Key, rest: &str) -> String {
        format!(
            r#"{{"key": "{}", "actions": ["read"], {rest}}}"#,
            key.hash()
        )
    }

    #[test]
    fn callers_are_found_by_their_keys_and_certificates() {
        let (key, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        let text = format!(
            "# who may call\n\n{}\n{}\n",
            line(&key, r#""name": "a", "tenant": "t""#),
            r#"{"name": "b", "certificate": "spiffe://b", "actions": ["read", "write"]}"#,
        );
        let callers = Callers::parse(&text).unwrap();
        let found = callers.with_key(key.reveal()).unwrap();
        assert_eq!(&*found.caller.name, "caller:a");
        assert_eq!(found.caller.tenant.as_ref().unwrap().as_str(), "t");
        assert!(callers.with_key(other.reveal()).is_none());
        let names = ["b".to_owned(), "spiffe://b".to_owned()];
        assert_eq!(
            &*callers.with_certificate(&names).unwrap().caller.name,
            "caller:b"
        );
        assert!(callers.with_certificate(&names[..1]).is_none());
    }

    #[test]
    fn a_time_ends_a_caller() {
        let key = Key::generate().unwrap();
        let text = line(&key, r#""name": "a", "expires": "1970-01-01T00:00:01Z""#);
        let callers = Callers::parse(&text).unwrap();
        let found = callers.with_key(key.reveal()).unwrap();
        assert!(!found.has_expired(Timestamp(999_999)));
        assert!(found.has_expired(Timestamp(1_000_000)));
    }

    #[test]
    fn a_wrong_line_is_named_and_not_repeated() {
        let key = Key::generate().unwrap();
        let good = line(&key, r#""name": "a""#);
        for (text, place, expected) in [
            (format!("{good}\n{good}"), 2, "name: another"),
            (
                format!("{good}\n{}", line(&key, r#""name": "b""#)),
                2,
                "key: another",
            ),
            (
                r#"{"name": "a", "actions": ["read"]}"#.to_owned(),
                1,
                "give one of them",
            ),
            (
                r#"{"name": "a", "key": "avk_secret", "actions": ["read"]}"#.to_owned(),
                1,
                "sha256",
            ),
            (
                line(&key, r#""name": "a", "tenant": "../b""#),
                1,
                "is no name",
            ),
            (
                line(&key, r#""name": "a", "tenants": "b""#),
                1,
                "unknown field",
            ),
            (
                line(&key, r#""name": "a", "expires": "soon""#),
                1,
                "expires",
            ),
        ] {
            let (line, why) = Callers::parse(&text).unwrap_err();
            assert!(
                line == place && why.contains(expected) && !why.contains("avk_secret"),
                "{line} {why}"
            );
        }
    }
}
