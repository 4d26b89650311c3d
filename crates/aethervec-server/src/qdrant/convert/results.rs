//! What was found, as the dialect shows it.

use super::query::Asked;
use super::vectors::shown;
use crate::qdrant::model::{OrderValue, PointId, Record, ScoredPoint};
use aethervec::{
    Direction, Document, OrderBy, PayloadSelector, QueryHit, Timestamp, VectorSelector,
};
use serde_json::{Map, Value};

impl Asked {
    /// A hit with its score.
    pub(crate) fn scored(&self, hit: QueryHit) -> ScoredPoint {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "scores of the dialect are f32"
        )]
        let score = if self.is_scored {
            hit.score as f32
        } else {
            1.0
        };
        let record = self.record(hit);
        ScoredPoint {
            id: record.id,
            version: 0,
            score,
            payload: record.payload,
            vector: record.vector,
            order_value: record.order_value,
        }
    }

    /// A hit without its score.
    pub(crate) fn record(&self, hit: QueryHit) -> Record {
        let order_by = self.order_by.as_ref();
        let order_value = order_by.and_then(|order| value_of(order, hit.payload.as_ref()));
        let document = Document {
            payload: match order_by {
                Some(_) => hit.payload.and_then(|all| self.with_payload.select(all)),
                None => hit.payload,
            },
            ..Document::new(hit.vectors, hit.id)
        };
        Record {
            order_value,
            ..document_record(document, &self.with_payload, &self.with_vectors)
        }
    }
}

/// A document from which everything was taken that was not asked for.
pub(crate) fn document_record(
    document: Document,
    with_payload: &PayloadSelector,
    with_vectors: &VectorSelector,
) -> Record {
    let nothing = || Value::Object(Map::new());
    let payload = document.payload.unwrap_or_else(nothing);
    Record {
        id: PointId(document.id),
        payload: (*with_payload != PayloadSelector::None).then_some(payload),
        vector: (*with_vectors != VectorSelector::None).then(|| shown(document.vectors)),
        order_value: None,
    }
}

/// The value that a document with this payload was ordered by.
fn value_of(order: &OrderBy, payload: Option<&Value>) -> Option<OrderValue> {
    let mut first: Option<OrderValue> = None;
    order.path.any_leaf(payload?, |value| {
        let value = match value.as_str() {
            Some(text) if order.datetime => {
                let moment = text.parse::<Timestamp>().ok();
                moment.map(|moment| OrderValue::Int(moment.as_micros()))
            }
            _ => (value.as_i64().map(OrderValue::Int))
                .or_else(|| value.as_f64().map(OrderValue::Float)),
        };
        if let Some(value) = value {
            let is_before = |first: OrderValue| match order.direction {
                Direction::Asc => value.as_f64() < first.as_f64(),
                Direction::Desc => value.as_f64() > first.as_f64(),
            };
            if first.is_none_or(is_before) {
                first = Some(value);
            }
        }
        false
    });
    first
}

impl OrderValue {
    #[expect(clippy::cast_precision_loss, reason = "it is only compared")]
    fn as_f64(self) -> f64 {
        match self {
            OrderValue::Int(number) => number as f64,
            OrderValue::Float(number) => number,
        }
    }
}

/// Whether the dialect makes groups by such a value.
pub(crate) fn is_group(value: &Value) -> bool {
    value.is_string() || value.is_i64() || value.is_u64()
}

/// Whether the dialect counts such a value.
pub(crate) fn is_facet(value: &Value) -> bool {
    is_group(value) || value.is_boolean()
}
