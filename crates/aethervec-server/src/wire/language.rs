//! The schemas of what the engine itself reads and writes: documents, filters, queries, writes. `language.json` has them.
//!
//! Each type here stands for one of them, where the descriptions of handlers and messages name it.

use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::LazyLock;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Name → schema.
pub(crate) static LANGUAGE: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("language.json")).expect("a test reads it"));

macro_rules! language {
    ($($name:ident)+) => {
        $(
            #[derive(Debug)]
            pub(crate) struct $name;

            /// Keeps the place of the one in [`LANGUAGE`], which takes it in the end.
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new().into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )+
    };
}

language! {
    DocId Vector Payload Document Filter Query GroupQuery MatrixQuery Matrix Patch Write OutcomeName VectorsByField Path ErrorBody Figures
}
