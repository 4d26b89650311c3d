//! Who may still read, and what of a key's history that needs.

use crate::key::SeqNo;

/// Who may still read.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    /// The live snapshots, ascending.
    pub(crate) snapshots: Vec<SeqNo>,
    /// The newest write when the list was made: any later snapshot is at least here.
    pub(crate) visible: SeqNo,
}

/// Versions in one stripe are seen by the same readers, but for those that a newer one hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stripe {
    /// From the snapshot before this place on, up to the one there.
    Before(usize),
    /// Not visible yet: any moment after it may be read.
    Alone(SeqNo),
}

impl Retention {
    /// No reader looks further back.
    pub(crate) fn watermark(&self) -> SeqNo {
        self.snapshots
            .first()
            .map_or(self.visible, |first| (*first).min(self.visible))
    }

    /// True when some reader sees the version `seq` of a key whose next newer version is `newer`.
    pub(crate) fn is_seen(&self, seq: SeqNo, newer: Option<SeqNo>) -> bool {
        let Some(newer) = newer else {
            return true;
        };
        if newer > self.visible {
            return true;
        }
        let first = self.snapshots.partition_point(|snapshot| *snapshot < seq);
        self.snapshots
            .get(first)
            .is_some_and(|snapshot| *snapshot < newer)
    }

    /// The stripe of a version.
    pub(crate) fn stripe(&self, seq: SeqNo) -> Stripe {
        if seq > self.visible {
            return Stripe::Alone(seq);
        }
        Stripe::Before(self.snapshots.partition_point(|snapshot| *snapshot < seq))
    }

    /// True when only readers of the present see the version `seq`, and all of them may see it.
    pub(crate) fn is_present(&self, seq: SeqNo) -> bool {
        self.stripe(seq) == Stripe::Before(self.snapshots.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention() -> Retention {
        Retention {
            snapshots: vec![SeqNo(5), SeqNo(10)],
            visible: SeqNo(20),
        }
    }

    #[test]
    fn a_version_is_seen_by_snapshots_between_it_and_the_next() {
        let retention = retention();
        let seen = |seq, newer: u64| retention.is_seen(SeqNo(seq), Some(SeqNo(newer)));
        assert!(retention.is_seen(SeqNo(3), None));
        assert!(seen(3, 6) && seen(5, 6) && seen(10, 11) && seen(4, 21) && seen(6, 12));
        assert!(!seen(3, 5) && !seen(6, 10) && !seen(11, 20) && !seen(1, 2));
        assert_eq!(retention.watermark(), SeqNo(5));
    }

    #[test]
    fn versions_of_a_stripe_have_no_reader_between_them() {
        let retention = retention();
        for a in 1..30 {
            for b in a + 1..30 {
                let same = retention.stripe(SeqNo(a)) == retention.stripe(SeqNo(b));
                assert_eq!(
                    same,
                    !retention.is_seen(SeqNo(a), Some(SeqNo(b))),
                    "{a} {b}"
                );
            }
            assert_eq!(retention.is_present(SeqNo(a)), (11..=20).contains(&a));
        }
    }
}
