//! The query language: what is asked, as data (`request`, `kinds`, `expression`, `input`, `select`), and how it is answered.
//!
//! All stages of a request read one collection at one moment. `stage` walks the tree from the leaves up; each kind of query has a
//! file. A stage hands on ids and scores; what hits carry is read at the very end (`answer`). Everything is
//! deterministic: equal scores are ordered by id.

mod answer;
mod at;
mod bm25;
mod cursor;
mod documents;
mod examples;
mod expression;
mod formula;
mod fusion;
mod groups;
mod input;
mod key;
mod kinds;
mod matrix;
mod mmr;
mod nearest;
mod order;
mod others;
mod ranking;
mod request;
mod select;
mod stage;
mod validate;

pub use cursor::Cursor;
pub use expression::{Decay, Div, Expression, Formula, GeoDistance, Operation, Pow};
pub use groups::{GroupRequest, Lookup, QueryGroup};
pub use input::{Input, InputDocument};
pub use kinds::{
    ContextPair, Dbsf, Direction, Discover, Mmr, OrderBy, Query, Recommend, RecommendStrategy, Rrf,
    Sample, TextQuery,
};
pub use matrix::{Matrix, MatrixPair, MatrixRequest};
pub use request::{Effort, Prefetch, QueryHit, QueryRequest, QueryResponse};
pub use select::{PayloadSelector, VectorSelector};
