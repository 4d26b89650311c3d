//! Names for requests that come without one: the same for no two requests, of this server or of others.

use axum::http::HeaderValue;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// Makes names: half of each is chosen at random when the server begins, the other half counts.
#[derive(Debug)]
pub(super) struct Names {
    server: u64,
    next: AtomicU64,
}

impl Names {
    pub(super) fn new() -> Names {
        let (server, next) = Uuid::new_v4().as_u64_pair();
        Names {
            server,
            next: AtomicU64::new(next),
        }
    }

    /// One more: 32 hexadecimal digits.
    pub(super) fn next(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = Uuid::from_u64_pair(self.server, number);
        let mut text = [0; uuid::fmt::Simple::LENGTH];
        let text = id.simple().encode_lower(&mut text);
        HeaderValue::from_str(text).expect("it is made of hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_names_are_the_same() {
        let servers = [Names::new(), Names::new()];
        let names = (0..200).map(|number| servers[number % 2].next());
        let names: HashSet<HeaderValue> = names.collect();
        assert_eq!(names.len(), 200);
        assert!(names.iter().all(|name| name.len() == 32));
    }
}
