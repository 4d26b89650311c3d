//! Opening a checkpoint in place.

use super::Hnsw;
use super::format::{self, Header};
use super::graph::{Graph, node_layout, upper_stride};
use super::spread::Spread;
use super::starts::{START_BYTES, Starts, Table};
use crate::memory::{Column, Lists, Nodes, Part};
use crate::pages::PAGE;
use crate::points::PointMap;
use crate::{Error, Image, Result};

pub(super) fn open(image: Image) -> Result<Hnsw> {
    let (header, trailer, lengths) = format::decode(image.as_bytes())?;
    let too_short = || Error::corruption("checkpoint: a section is shorter than its records");
    let [centre, hot, cold, upper, table, rest] =
        image.split(PAGE, lengths).ok_or_else(too_short)?;
    let mut codec = header.codec()?;
    if header.has_centre {
        codec.centre = numbers(&centre)
            .map(f32::from_bits)
            .take(header.dim as usize)
            .collect();
    }
    let layout = node_layout(&codec, header.params);
    let column = |part, slots, stride| Column::over(part, slots, stride).ok_or_else(too_short);
    let nodes = Nodes::over(
        layout,
        column(hot, header.slots, layout.hot_stride())?,
        Column::over_pages(cold, header.slots, layout.cold_stride()).ok_or_else(too_short)?,
        header.slots,
    );
    let upper = Lists::new(
        column(upper, header.lists, upper_stride(header.params))?,
        header.lists,
    );
    let spread = Spread::from_bits(header.spread);
    let dead: Vec<u32> = numbers(&rest).take(trailer.dead as usize).collect();
    let starts = starts(&header, &rest.as_bytes()[4 * dead.len()..]);
    let starts = Starts::new(codec.dim, header.params, starts);
    let graph = Graph::new(
        header.params,
        codec,
        nodes,
        upper,
        header.entry,
        spread,
        starts,
    );
    let live = header.slots as usize - dead.len();
    Ok(Hnsw::assemble(
        graph,
        PointMap::new(Some((table, header.places as usize))),
        header.seed,
        live,
        dead,
    ))
}

/// Where searches begin; none in checkpoints that know of none.
fn starts(header: &Header, bytes: &[u8]) -> Option<Table> {
    let mut table = Table::new(header.rank_limit, header.sketch_step);
    let (starts, _) = bytes.as_chunks::<START_BYTES>();
    for start in starts.iter().take(header.starts as usize) {
        table.read(start);
    }
    (header.rank_limit > 0).then_some(table)
}

fn numbers(part: &Part) -> impl Iterator<Item = u32> {
    part.as_bytes()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| u32::from_le_bytes(bytes))
}
