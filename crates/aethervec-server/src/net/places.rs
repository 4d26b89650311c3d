//! How many connections there may be: in all, and from one address.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Counts connections.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    pub(super) fn new(max: usize, per_address_max: usize) -> Arc<Places> {
        Arc::new(Places {
            max,
            per_address_max,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from `address`, if there is one.
    pub(super) fn enter(self: &Arc<Places>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut taken = self.taken.lock();
        if taken.all >= self.max {
            return None;
        }
        let own = taken.by_address.entry(address).or_default();
        if *own >= self.per_address_max {
            return None;
        }
        *own += 1;
        taken.all += 1;
        drop(taken);
        Some(Place {
            places: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Some(own) = taken.by_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: who has one of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_address() {
        let places = Places::new(3, 2);
        let [a, b]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let first = places.enter(a).unwrap();
        let _second = places.enter(a).unwrap();
        assert!(places.enter(a).is_none());
        let _third = places.enter(b).unwrap();
        assert!(places.enter(b).is_none());
        drop(first);
        assert!(places.enter(b).is_some());
        assert_eq!(places.taken.lock().by_address.len(), 2);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let [a, b, c, mapped, plain]: [IpAddr; 5] = [
            "2001:db8::1",
            "2001:db8::ffff:1",
            "2001:db8:0:1::1",
            "::ffff:10.0.0.1",
            "10.0.0.1",
        ]
        .map(|text| text.parse().unwrap());
        assert_eq!(network(a), network(b));
        assert_ne!(network(a), network(c));
        assert_eq!(network(mapped), plain);
    }
}
