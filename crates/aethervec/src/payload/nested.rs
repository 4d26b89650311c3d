//! What indexes know of conditions on objects within a payload: of each condition by itself, whether some object may satisfy it.
//! That one object satisfies all of them is left to whoever looks at the documents.
//!
//! `items has (color = "red")` is about the elements of an array `items`, or about `items` itself if that is an object: indexes of
//! `items[].color` and of `items.color` know of it. Unless the way to `items` goes through an array, it is one value, and so
//! a document that the one index has a value for has none for the other.

use crate::error::Result;
use crate::filter::{Filter, Path, Step, Test};
use crate::payload::found::Found;
use crate::view::CollectionView;
use roaring::RoaringTreemap;

impl CollectionView {
    /// The points of `visible` for which an object that `outer` reaches may satisfy `filter`, and perhaps others.
    pub(super) fn find_nested(
        &self,
        outer: &Path,
        filter: &Filter,
        visible: &RoaringTreemap,
    ) -> Result<Found> {
        let perhaps = |points| Found::new(RoaringTreemap::new(), points);
        Ok(match filter {
            Filter::And(all) => {
                let mut upper = visible.clone();
                for filter in all {
                    upper &= self.find_nested(outer, filter, visible)?.upper();
                }
                perhaps(upper)
            }
            Filter::Or(any) => {
                let mut upper = RoaringTreemap::new();
                for filter in any {
                    upper |= self.find_nested(outer, filter, visible)?.upper();
                }
                perhaps(upper)
            }
            Filter::AtLeast { min, of } => {
                let of: Result<Vec<Found>> = of
                    .iter()
                    .map(|filter| self.find_nested(outer, filter, visible))
                    .collect();
                Found::at_least(*min, &of?, visible)
            }
            Filter::Field { path, test } if is_of_one_value(test) => {
                perhaps(self.nested_values(outer, path, test, visible)?)
            }
            Filter::HasId(_) | Filter::HasVector(_) => perhaps(self.find(filter, visible)?.upper()),
            Filter::Field { .. } | Filter::Not(_) | Filter::Nested { .. } => {
                Found::unknown(visible)
            }
        })
    }

    /// The points for which `test` may hold for what `inner` reaches from an object that `outer` reaches.
    fn nested_values(
        &self,
        outer: &Path,
        inner: &Path,
        test: &Test,
        visible: &RoaringTreemap,
    ) -> Result<RoaringTreemap> {
        let of_object = joined(outer, None, inner);
        let of_element = joined(outer, Some(Step::Each), inner);
        let mut objects = self.find_values(&of_object, test, visible)?.upper();
        let mut elements = self.find_values(&of_element, test, visible)?.upper();
        if !outer.steps().contains(&Step::Each) {
            objects -= self.find_values(&of_element, &Test::Exists, visible)?.sure;
            elements -= self.find_values(&of_object, &Test::Exists, visible)?.sure;
        }
        Ok(objects | elements)
    }
}

fn joined(outer: &Path, between: Option<Step>, inner: &Path) -> Path {
    let steps = outer.steps().iter().cloned().chain(between);
    Path::from_steps(steps.chain(inner.steps().iter().cloned()).collect())
}

/// Whether this holds for a document if it holds for one of its values.
fn is_of_one_value(test: &Test) -> bool {
    match test {
        Test::Eq(_)
        | Test::AnyOf(_)
        | Test::Except(_)
        | Test::Range(_)
        | Test::GeoRadius { .. }
        | Test::GeoBox(_)
        | Test::GeoPolygon(_)
        | Test::Text(_)
        | Test::Exists
        | Test::Null => true,
        Test::Empty | Test::Len(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AetherDB, Document, IndexConfig, PayloadIndexKind};
    use serde_json::json;

    #[test]
    fn indexes_narrow_what_must_be_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let db = AetherDB::open(directory.path()).unwrap();
        let notes = db
            .create_collection("notes", 1, "l2", IndexConfig::Flat)
            .unwrap();
        let color = |id: u64| ["red", "green", "blue", "white"][usize::try_from(id % 4).unwrap()];
        let note = |id: u64| {
            let items = json!([{"color": color(id), "price": id % 10}, {"color": "black"}]);
            Document::new([0.5], id).with_payload(json!({"items": items}))
        };
        notes.upsert_batch((0..400).map(note).collect()).unwrap();
        let candidates = |filter: Filter| {
            let view = notes.view().unwrap();
            view.candidates(&filter)
                .unwrap()
                .unwrap()
                .found
                .upper()
                .len()
        };
        let red = || Filter::eq("color", "red");
        let cheap = || Filter::lt("price", 5);
        assert_eq!(candidates(Filter::nested("items", red())), 400);
        for (path, kind) in [
            ("items[].color", PayloadIndexKind::Keyword),
            ("items[].price", PayloadIndexKind::Integer),
        ] {
            notes.create_payload_index(path, kind).unwrap();
        }
        notes.wait_payload_indexes().unwrap();
        assert_eq!(candidates(Filter::nested("items", red())), 100);
        assert_eq!(candidates(Filter::nested("items", red().and(cheap()))), 60);
        assert_eq!(candidates(Filter::nested("items", !red())), 400);
        assert_eq!(
            candidates(Filter::nested("items", red().and(!cheap()))),
            100
        );
        let either = Filter::eq("color", "none").or(red());
        assert_eq!(candidates(Filter::nested("items", either)), 100);
        // An object in place of the array is no element of one.
        let single = json!({"items": {"color": "red", "price": 1}});
        notes
            .upsert(Document::new([0.5], 1_000).with_payload(single))
            .unwrap();
        assert_eq!(candidates(Filter::nested("items", red())), 101);
        assert_eq!(candidates(Filter::has_vector("")), 401);
        assert_eq!(candidates(Filter::has_vector("none")), 0);
    }
}
