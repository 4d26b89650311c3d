//! Documents by a value of their payload, and at random.

use super::at::At;
use super::documents::Read;
use super::key::Key;
use super::kinds::{Direction, OrderBy, Sample};
use super::ranking::{Better, Ranking, Scored, Top};
use super::request::Cursor;
use super::stage::{Domain, Evaluation, Stage};
use crate::error::Result;
use crate::id::DocId;
use serde_json::Value;
use std::cmp::Ordering;
use xxhash_rust::xxh3::xxh3_64_with_seed;

impl Evaluation<'_> {
    /// The documents of `domain` by the value that `order` names; behind the cursor, if there is one.
    pub(super) fn order_by(
        &self,
        order: &OrderBy,
        stage: &Stage<'_>,
        domain: &Domain,
        at: &At<'_>,
    ) -> Result<Ranking> {
        let after = match stage.cursor {
            Some(Cursor::After { id, value }) => {
                let key = value.as_ref().and_then(|value| order.key(value));
                let key = key.ok_or_else(|| at.invalid("the cursor is of another request"))?;
                Some((key, id.clone()))
            }
            _ => None,
        };
        let mut found: Vec<(Key, DocId)> = Vec::new();
        self.each(domain, stage, Read::Payload, |doc| {
            if let Some(key) = order.first(&doc.payload()?) {
                let entry = (key, doc.id.clone());
                let behind = |after| order.compare(&entry, after) == Ordering::Greater;
                if after.as_ref().is_none_or(behind) {
                    found.push(entry);
                }
            }
            Ok(())
        })?;
        found.sort_unstable_by(|a, b| order.compare(a, b));
        found.truncate(stage.k);
        let scored = |(key, id): (Key, DocId)| Scored {
            id,
            score: key.to_json().as_f64().unwrap_or(0.0),
        };
        Ok(Ranking {
            hits: found.into_iter().map(scored).collect(),
            better: match order.direction {
                Direction::Asc => Better::Smaller,
                Direction::Desc => Better::Greater,
            },
        })
    }

    /// Documents of `domain`, chosen by `sample`.
    pub(super) fn sample(
        &self,
        sample: Sample,
        stage: &Stage<'_>,
        domain: &Domain,
    ) -> Result<Ranking> {
        let mut top = Top::new(stage.k, Better::Smaller);
        self.each(domain, stage, Read::Payload, |doc| {
            top.offer(doc.id.clone(), draw(&doc.id, sample.seed));
            Ok(())
        })?;
        Ok(top.into_ranking())
    }
}

/// A number from 0 to 1 that looks as if by chance, and is always the same for the same document and seed.
pub(super) fn draw(id: &DocId, seed: u64) -> f64 {
    let hash = match id {
        DocId::U64(number) => xxh3_64_with_seed(&number.to_le_bytes(), seed),
        DocId::Uuid(uuid) => xxh3_64_with_seed(uuid.as_bytes(), seed),
        DocId::Str(text) => xxh3_64_with_seed(text.as_bytes(), seed),
    };
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    let number = (hash >> 11) as f64;
    number / (1u64 << 53) as f64
}

impl OrderBy {
    /// The cursor behind a document with this payload.
    pub(super) fn cursor(&self, id: DocId, payload: &Value) -> Cursor {
        Cursor::After {
            id,
            value: self.first(payload).map(|key| key.to_json()),
        }
    }

    fn key(&self, value: &Value) -> Option<Key> {
        if self.datetime {
            Key::of_datetime(value)
        } else {
            Key::of(value)
        }
    }

    /// The value that counts in `payload`: the one that comes first.
    fn first(&self, payload: &Value) -> Option<Key> {
        let mut first: Option<Key> = None;
        self.path.any_leaf(payload, |value| {
            if let Some(key) = self.key(value) {
                let earlier = |first: &Key| self.directed(key.cmp(first)) == Ordering::Less;
                if first.as_ref().is_none_or(earlier) {
                    first = Some(key);
                }
            }
            false
        });
        first
    }

    fn compare(&self, a: &(Key, DocId), b: &(Key, DocId)) -> Ordering {
        self.directed(a.0.cmp(&b.0)).then_with(|| a.1.cmp(&b.1))
    }

    fn directed(&self, order: Ordering) -> Ordering {
        match self.direction {
            Direction::Asc => order,
            Direction::Desc => order.reverse(),
        }
    }
}
