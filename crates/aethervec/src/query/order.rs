//! Documents by a value of their payload, and at random.

use super::at::At;
use super::cursor::Place;
use super::documents::{Read, Wanted};
use super::key::Key;
use super::kinds::{Direction, OrderBy, Sample};
use super::ranking::{Better, Ranking, Scored, Top};
use super::stage::{Domain, Evaluation, Stage};
use crate::error::Result;
use crate::id::DocId;
use crate::payload::Ordinal;
use aether_index::PointId;
use roaring::RoaringTreemap;
use serde_json::Value;
use std::cmp::Ordering;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Points of an index that are looked at together, at least. Fewer documents than that are all read.
const WALK_POINTS: u64 = 256;

/// As soon as so many times the documents that were read are all there are, reading all of them in their order is faster.
const WALK_SHARE: u64 = 8;

impl Evaluation<'_> {
    /// The documents of `domain` by the value that `order` names; behind the cursor, if there is one.
    pub(super) fn order_by(
        &self,
        order: &OrderBy,
        stage: &Stage<'_>,
        domain: &Domain,
        at: &At<'_>,
    ) -> Result<Ranking> {
        let after = match stage.after {
            Some(Place::After { id, value }) => {
                let key = value.as_ref().and_then(|value| order.key(value));
                let key = key.ok_or_else(|| at.invalid("the cursor is of another request"))?;
                Some((key, id.clone()))
            }
            _ => None,
        };
        let walked = match domain {
            Domain::All => self.walk_index(order, stage, after.as_ref())?,
            Domain::Found(_) => None,
        };
        let found = match walked {
            Some(found) => found,
            None => self.order_all(order, stage, domain, after.as_ref())?,
        };
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

    /// The first documents behind `after`, of all that there are.
    fn order_all(
        &self,
        order: &OrderBy,
        stage: &Stage<'_>,
        domain: &Domain,
        after: Option<&(Key, DocId)>,
    ) -> Result<Vec<(Key, DocId)>> {
        let mut found: Vec<(Key, DocId)> = Vec::new();
        self.each(domain, stage, Read::Payload, |doc| {
            if let Some(key) = order.first(&doc.payload()?) {
                let entry = (key, doc.id.clone());
                if order.is_behind(&entry, after) {
                    found.push(entry);
                }
            }
            Ok(())
        })?;
        found.sort_unstable_by(|a, b| order.compare(a, b));
        found.truncate(stage.k);
        Ok(found)
    }

    /// The first documents behind `after`, by an index of the field: only those are read that come first. `None` when there is no such
    /// index, or when it saves nothing.
    fn walk_index(
        &self,
        order: &OrderBy,
        stage: &Stage<'_>,
        after: Option<&(Key, DocId)>,
    ) -> Result<Option<Vec<(Key, DocId)>>> {
        let Some((wanted, allowed)) = self.documents.allowed(stage.filter.as_ref())? else {
            return Ok(None);
        };
        let wanted_min = WALK_POINTS.max(stage.k as u64);
        if allowed.len() <= wanted_min {
            return Ok(None);
        }
        let from = match after {
            None => None,
            Some((Key::Number(number), _)) => Some(Ordinal::Number(*number)),
            Some((Key::Datetime(moment), _)) => Some(Ordinal::Datetime(*moment)),
            Some(_) => return Ok(None),
        };
        let descending = order.direction == Direction::Desc;
        let walk =
            self.documents
                .view
                .walk(&order.path, order.datetime, descending, from, &allowed)?;
        let Some(mut walk) = walk else {
            return Ok(None);
        };
        let reads_max = (allowed.len() / WALK_SHARE).max(2 * wanted_min);
        let (mut reads, mut found) = (0, Vec::new());
        while found.len() < stage.k {
            let Some(part) = walk.next(wanted_min)? else {
                break;
            };
            let points = part.points & &allowed;
            reads += points.len();
            if reads > reads_max {
                return Ok(None);
            }
            let first = match part.first {
                Ordinal::Number(number) => Key::Number(number),
                Ordinal::Datetime(moment) => Key::Datetime(moment),
            };
            let start = found.len();
            self.documents
                .each_of(&points, &wanted, Read::Payload, |doc| {
                    if let Some(key) = order.first(&doc.payload()?) {
                        // It came with an earlier value, if it has one.
                        let is_new = order.directed(key.cmp(&first)) != Ordering::Less;
                        let entry = (key, doc.id.clone());
                        if is_new && order.is_behind(&entry, after) {
                            found.push(entry);
                        }
                    }
                    Ok(())
                })?;
            found[start..].sort_unstable_by(|a, b| order.compare(a, b));
        }
        found.truncate(stage.k);
        Ok(Some(found))
    }

    /// Documents of `domain`, chosen by `sample`.
    pub(super) fn sample(
        &self,
        sample: Sample,
        stage: &Stage<'_>,
        domain: &Domain,
    ) -> Result<Ranking> {
        let allowed = match domain {
            Domain::All => self.documents.allowed(stage.filter.as_ref())?,
            Domain::Found(_) => None,
        };
        if let Some((wanted, allowed)) = allowed {
            return self.draw_from(&allowed, &wanted, sample.seed, stage.k);
        }
        let mut top = Top::new(stage.k, Better::Smaller);
        self.each(domain, stage, Read::Payload, |doc| {
            top.offer(doc.id.clone(), draw(doc.point, sample.seed));
            Ok(())
        })?;
        Ok(top.into_ranking())
    }

    /// The `k` documents of `allowed` that are wanted and drawn first; no others are read, unless they are looked at in vain.
    fn draw_from(
        &self,
        allowed: &RoaringTreemap,
        wanted: &Wanted<'_>,
        seed: u64,
        k: usize,
    ) -> Result<Ranking> {
        let mut left: Vec<(f64, PointId)> = allowed
            .iter()
            .map(|point| (draw(PointId(point), seed), PointId(point)))
            .collect();
        let mut top = Top::new(k, Better::Smaller);
        let (mut part, mut found) = (k, 0);
        while found < k && !left.is_empty() {
            let kept = left.len().saturating_sub(part);
            // Those that are drawn first go to the end.
            if kept > 0 {
                left.select_nth_unstable_by(kept, |a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
            }
            let points: RoaringTreemap = left.drain(kept..).map(|(_, point)| point.0).collect();
            self.documents
                .each_of(&points, wanted, Read::Payload, |doc| {
                    top.offer(doc.id.clone(), draw(doc.point, seed));
                    found += 1;
                    Ok(())
                })?;
            part *= 2;
        }
        Ok(top.into_ranking())
    }
}

/// A number from 0 to 1 that looks as if by chance, and is always the same for the same version of a document and seed.
fn draw(point: PointId, seed: u64) -> f64 {
    let hash = xxh3_64_with_seed(&point.0.to_le_bytes(), seed);
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    let number = (hash >> 11) as f64;
    number / (1u64 << 53) as f64
}

impl OrderBy {
    /// The place behind a document with this payload.
    pub(super) fn place(&self, id: DocId, payload: &Value) -> Place {
        Place::After {
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

    /// Whether an entry comes behind `after`.
    fn is_behind(&self, entry: &(Key, DocId), after: Option<&(Key, DocId)>) -> bool {
        after.is_none_or(|after| self.compare(entry, after) == Ordering::Greater)
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
