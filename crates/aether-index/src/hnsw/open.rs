//! Opening a checkpoint in place.

use super::Hnsw;
use super::format;
use super::graph::{Graph, node_layout, upper_stride};
use super::spread::Spread;
use crate::memory::{Column, Lists, Nodes, Part};
use crate::pages::PAGE;
use crate::points::PointMap;
use crate::{Error, Image, Result};

pub(super) fn open(image: Image) -> Result<Hnsw> {
    let (header, trailer, lengths) = format::decode(image.as_bytes())?;
    let too_short = || Error::corruption("checkpoint: a section is shorter than its records");
    let [centre, hot, cold, upper, table, dead] =
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
    let graph = Graph::new(header.params, codec, nodes, upper, header.entry, spread);
    let dead: Vec<u32> = numbers(&dead).take(trailer.dead as usize).collect();
    let live = header.slots as usize - dead.len();
    Ok(Hnsw::assemble(
        graph,
        PointMap::new(Some((table, header.places as usize))),
        header.seed,
        live,
        dead,
    ))
}

fn numbers(part: &Part) -> impl Iterator<Item = u32> {
    part.as_bytes()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| u32::from_le_bytes(bytes))
}
