//! Who calls, and what they may do.
//!
//! ```text
//! headers, certificate ──► layer ──► Authenticator ──► Grant ──► Caller ──► Caller::allow, by every handler
//!                                      │      │
//!                             callers (file)  tokens (JWT)
//! ```
//!
//! `protected` puts a layer in front of every protocol: before a body is read it finds out who calls, and puts a [`Caller`]
//! into the extensions of the request. Handlers ask it before they touch anything. Secrets are known by their hashes only, and
//! why a caller was not recognized is never told to them.

mod authenticator;
mod caller;
mod callers;
mod grant;
mod jwt;
mod key;
mod layer;
mod verify;

pub use crate::action::Action;
pub use authenticator::{Authenticator, Credentials, Refusal};
pub use caller::Caller;
pub use callers::Entry;
pub use grant::Grant;
pub use key::{KEY_BYTES_MIN, Key, KeyHash};
pub(crate) use layer::{Door, Openness, protected};
