//! The graph itself: nodes, links, layers, where searches enter, and who may change which links.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use parking_lot::{Mutex, MutexGuard};

use super::HnswParams;
use super::code::Codec;
use super::spread::Spread;
use super::starts::Starts;
use crate::memory::{Lists, NO_SLOT, Node, NodeLayout, Nodes};

/// Locks that the nodes share: enough that two writers seldom meet.
const STRIPES: usize = 1024;

/// The highest layer. With 2 links a layer, one node in 2³¹ gets there.
pub(super) const LEVEL_MAX: u32 = 31;

/// Links, and what distances need. Readers take no lock on links: a list that is being rewritten is seen as a mixture
/// of the old and the new one, all of whose links are good ones. Writers of a node's links hold its [`Graph::lock`].
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) params: HnswParams,
    pub(super) codec: Codec,
    pub(super) nodes: Nodes,
    /// The links of upper layers: `m` links of one node and layer, then the list of the layer above.
    pub(super) upper: Lists,
    pub(super) spread: Spread,
    pub(super) starts: Starts,
    entry: AtomicU64,
    locks: Box<[Mutex<()>]>,
}

/// Where searches start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) slot: u32,
    /// The highest layer of that node.
    pub(super) level: u32,
}

impl Entry {
    /// The encoding of "no entry": the graph is empty.
    const NONE: u64 = u64::MAX;

    fn encode(entry: Option<Entry>) -> u64 {
        entry.map_or(Entry::NONE, |entry| {
            u64::from(entry.level) << 32 | u64::from(entry.slot)
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes the lower half")]
    fn decode(bits: u64) -> Option<Entry> {
        (bits != Entry::NONE).then_some(Entry {
            slot: bits as u32,
            level: (bits >> 32) as u32,
        })
    }
}

/// Where the parts of a node are.
pub(super) fn node_layout(codec: &Codec, params: HnswParams) -> NodeLayout {
    NodeLayout {
        links: 2 * usize::from(params.m),
        codes: codec.coarse_bytes(),
        fine: codec.fine_bytes(),
    }
}

/// Bytes of one list of an upper layer.
pub(super) fn upper_stride(params: HnswParams) -> usize {
    (usize::from(params.m) + 1) * size_of::<u32>()
}

impl Graph {
    pub(super) fn new(
        params: HnswParams,
        codec: Codec,
        nodes: Nodes,
        upper: Lists,
        entry: Option<Entry>,
        spread: Spread,
        starts: Starts,
    ) -> Graph {
        let entry = AtomicU64::new(Entry::encode(entry));
        let locks = (0..STRIPES).map(|_| Mutex::new(())).collect();
        Graph {
            params,
            codec,
            nodes,
            upper,
            spread,
            starts,
            entry,
            locks,
        }
    }

    pub(super) fn entry(&self) -> Option<Entry> {
        Entry::decode(self.entry.load(Acquire))
    }

    pub(super) fn set_entry(&self, entry: Option<Entry>) {
        self.entry.store(Entry::encode(entry), Release);
    }

    /// The right to change the links of `slot`. Hold only one.
    pub(super) fn lock(&self, slot: u32) -> MutexGuard<'_, ()> {
        self.locks[slot as usize % STRIPES].lock()
    }

    /// The links of a node in a layer, ended by [`NO_SLOT`] or the end of the list; empty in layers that it is not in.
    #[inline]
    pub(super) fn links<'a>(&'a self, node: &Node<'a>, layer: u32) -> &'a [AtomicU32] {
        if layer == 0 {
            return node.links();
        }
        let mut list = self.upper.get(node.upper());
        for _ in 1..layer {
            list = self.above(list);
        }
        list.split_last().map_or(&[], |(_, links)| links)
    }

    /// The list of the layer above.
    fn above(&self, list: &[AtomicU32]) -> &[AtomicU32] {
        list.last()
            .map_or(&[], |next| self.upper.get(next.load(Relaxed)))
    }

    /// The lists of the upper layers of a node, from layer 1 up.
    pub(super) fn lists(&self, node: &Node<'_>) -> impl Iterator<Item = u32> {
        let mut list = node.upper();
        std::iter::from_fn(move || {
            let this = list;
            list = self.upper.get(this).last()?.load(Relaxed);
            Some(this)
        })
        .take(LEVEL_MAX as usize)
    }

    /// The highest layer of a node.
    pub(super) fn level(&self, node: &Node<'_>) -> u32 {
        self.lists(node).map(|_| 1).sum()
    }

    /// Links that a node may have in a layer.
    pub(super) fn links_max(&self, layer: u32) -> usize {
        usize::from(self.params.m) * if layer == 0 { 2 } else { 1 }
    }
}

/// The links of a list, up to its end.
#[inline]
pub(super) fn linked(links: &[AtomicU32]) -> impl Iterator<Item = u32> + Clone {
    links
        .iter()
        .map(|link| link.load(Relaxed))
        .take_while(|&slot| slot != NO_SLOT)
}

/// Replaces the links of a list. The caller holds the lock of its node.
pub(super) fn write_links(links: &[AtomicU32], slots: &[u32]) {
    let slots = slots.iter().copied().chain(std::iter::repeat(NO_SLOT));
    for (link, slot) in links.iter().zip(slots) {
        link.store(slot, Relaxed);
    }
}
