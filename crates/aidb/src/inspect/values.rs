//! Value files: each value.

use aether_env::RandomFile;
use bytes::Bytes;

use super::{Field, Item, SHOWN_BYTES, checksum_field};
use crate::error::Result;
use crate::values::{Found, walk};

pub(super) fn tell(
    file: &dyn RandomFile,
    name: &str,
    number: u64,
    tell: &mut dyn FnMut(Item),
) -> Result<()> {
    walk(file, name, number, &mut |found| tell(item(&found)))
}

fn item(found: &Found<'_>) -> Item {
    let shown = &found.value[..found.value.len().min(SHOWN_BYTES)];
    Item {
        at: Some(found.offset),
        what: "value",
        fields: vec![
            ("bytes", Field::Number(found.value.len() as u64)),
            ("checksum", checksum_field(found.checksum)),
            ("begins", Field::Bytes(Bytes::copy_from_slice(shown))),
        ],
    }
}
