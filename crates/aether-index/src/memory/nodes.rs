//! Nodes: what is stored for each vector, who may read it and when its slot may be reused.
//!
//! ```text
//! hot record                                             cold record
//! 0        links of layer 0: u32 each, NO_SLOT ends      0   fine codes
//! codes_at coarse codes
//! tail_at  id u64 · offset, scale, square, sum, low, step f32 · upper u32 · state u32
//! ```
//!
//! Who may touch what:
//! * `links` and `state` are atomics at all times.
//! * Everything else of a slot (its *content*) is written by one [`Claim`], while its state is [`State::FREE`], and
//!   published by a release store of the state. It is read only after an acquire load that found another state.
//! * A slot becomes free again only under the write side of `readers`; everybody who reads content holds the read side.
//!   So while a [`Node`] exists, its slot is not free, no claim has it, and its content does not change.
//! * A slot is in the free list or in one claim, never twice: it enters the list by [`Exclusive::free`], which makes a
//!   published slot free, or by a dropped claim, which gives its slot up.

use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use aether_distance::prefetch_at;
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::block::LINE_BYTES;
use super::column::{Column, NO_SLOT};
use crate::Result;

/// What a node is to searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct State(u32);

impl State {
    /// No node, or one that is being written.
    pub(crate) const FREE: State = State(0);
    /// A point.
    pub(crate) const LIVE: State = State(1);
    /// A removed point: searches pass through it.
    pub(crate) const DEAD: State = State(2);
    /// A dead point whose slot is about to be freed: searches pass, but no new link may lead to it.
    pub(crate) const DOOMED: State = State(3);
}

/// What is known of a vector besides its codes; see `hnsw::code`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub(crate) struct Constants {
    pub(crate) offset: f32,
    pub(crate) scale: f32,
    pub(crate) square: f32,
    pub(crate) sum: f32,
    pub(crate) low: f32,
    pub(crate) step: f32,
}

/// The end of a hot record.
#[repr(C)]
struct Tail {
    id: u64,
    constants: Constants,
    upper: u32,
    state: AtomicU32,
}

/// Where things are in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeLayout {
    /// Links of layer 0.
    pub(crate) links: usize,
    /// Bytes of coarse codes.
    pub(crate) codes: usize,
    /// Bytes of fine codes; 0 where there are none.
    pub(crate) fine: usize,
}

impl NodeLayout {
    /// The first byte of the coarse codes.
    pub(crate) fn codes_at(self) -> usize {
        (self.links * size_of::<u32>()).next_multiple_of(LINE_BYTES)
    }

    /// The first byte of the tail.
    pub(crate) fn tail_at(self) -> usize {
        (self.codes_at() + self.codes).next_multiple_of(align_of::<Tail>())
    }

    /// Bytes from one hot record to the next: whole lines, so that a step of a walk takes no more of them than it must.
    /// Without links nobody walks, and records are as near to each other as they can be.
    pub(crate) fn hot_stride(self) -> usize {
        let unit = if self.links == 0 {
            align_of::<Tail>()
        } else {
            LINE_BYTES
        };
        (self.tail_at() + size_of::<Tail>()).next_multiple_of(unit)
    }

    /// Bytes from one cold record to the next.
    pub(crate) fn cold_stride(self) -> usize {
        self.fine.next_multiple_of(16)
    }
}

/// All nodes of one graph (or all vectors of one chunk).
#[derive(Debug)]
pub(crate) struct Nodes {
    layout: NodeLayout,
    codes_at: usize,
    tail_at: usize,
    hot: Column,
    cold: Column,
    readers: RwLock<()>,
    unused: Mutex<Unused>,
    /// Slots below this were given out at some time.
    bound: AtomicU32,
}

/// Slots that nobody has.
#[derive(Debug)]
struct Unused {
    free: Vec<u32>,
}

impl Nodes {
    /// No nodes yet.
    pub(crate) fn new(layout: NodeLayout) -> Nodes {
        let hot = Column::new(layout.hot_stride());
        let cold = Column::new(layout.cold_stride());
        Nodes::over(layout, hot, cold, 0)
    }

    /// The nodes of a checkpoint: the columns have `slots` records.
    pub(crate) fn over(layout: NodeLayout, hot: Column, cold: Column, slots: u32) -> Nodes {
        assert_eq!(hot.stride(), layout.hot_stride());
        assert_eq!(cold.stride(), layout.cold_stride());
        Nodes {
            layout,
            codes_at: layout.codes_at(),
            tail_at: layout.tail_at(),
            hot,
            cold,
            readers: RwLock::new(()),
            unused: Mutex::new(Unused { free: Vec::new() }),
            bound: AtomicU32::new(slots),
        }
    }

    pub(crate) fn layout(&self) -> NodeLayout {
        self.layout
    }

    /// Whether some of them lie in a checkpoint.
    pub(crate) fn is_opened(&self) -> bool {
        self.hot.is_opened()
    }

    /// Every slot in use is below this.
    pub(crate) fn bound(&self) -> u32 {
        self.bound.load(Acquire)
    }

    /// From now until the reader is dropped no slot is freed. Do not take a second one meanwhile: it may wait for a
    /// thread that waits for the first.
    pub(crate) fn read(&self) -> Reader<'_> {
        Reader {
            nodes: self,
            _guard: self.readers.read(),
        }
    }

    /// Waits until all readers are gone, and keeps new ones away.
    pub(crate) fn exclusive(&self) -> Exclusive<'_> {
        let guard = self.readers.write();
        Exclusive {
            nodes: self,
            _guard: guard,
        }
    }

    /// A slot to write.
    pub(crate) fn claim(&self) -> Result<Claim<'_>> {
        let mut unused = self.unused.lock();
        let slot = match unused.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = self.bound.load(Relaxed);
                self.hot.reserve(slot)?;
                self.cold.reserve(slot)?;
                self.bound.store(slot + 1, Release);
                slot
            }
        };
        Ok(Claim {
            nodes: self,
            slot,
            published: false,
        })
    }

    /// Bytes of the slots that were given out.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bound() as usize * (self.hot.stride() + self.cold.stride())
    }

    /// The tail of a record. Its fields but `state` are content.
    #[inline]
    fn tail(&self, hot: NonNull<u8>) -> *mut Tail {
        // SAFETY: the tail lies inside the record (see `NodeLayout::hot_stride`).
        unsafe { hot.add(self.tail_at).cast().as_ptr() }
    }

    #[inline]
    fn state(&self, hot: NonNull<u8>) -> &AtomicU32 {
        // SAFETY: inside the record, aligned (`tail_at` is), initialized, and touched as an atomic only.
        unsafe { &(*self.tail(hot)).state }
    }

    #[inline]
    fn links(&self, hot: NonNull<u8>) -> &[AtomicU32] {
        // SAFETY: the record begins with its links, on a line; initialized, and touched as atomics only.
        unsafe { std::slice::from_raw_parts(hot.cast().as_ptr(), self.layout.links) }
    }
}

/// Leave to read nodes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    nodes: &'a Nodes,
    _guard: RwLockReadGuard<'a, ()>,
}

impl Reader<'_> {
    /// The node in a slot, if there is one.
    #[inline]
    pub(crate) fn node(&self, slot: u32) -> Option<Node<'_>> {
        node(self.nodes, slot)
    }

    /// Asks the memory for what distances need.
    #[inline]
    pub(crate) fn prefetch_codes(&self, slot: u32) {
        if let Some(hot) = self.nodes.hot.address(slot) {
            let start = hot.as_ptr().wrapping_add(self.nodes.codes_at);
            prefetch_at(
                start,
                self.nodes.tail_at + size_of::<Tail>() - self.nodes.codes_at,
            );
        }
    }

    /// Asks the memory for the links of layer 0.
    #[inline]
    pub(crate) fn prefetch_links(&self, slot: u32) {
        if let Some(hot) = self.nodes.hot.address(slot) {
            prefetch_at(hot.as_ptr(), self.nodes.layout.links * size_of::<u32>());
        }
    }

    /// Asks the memory for the first `bytes` of the fine codes.
    #[inline]
    pub(crate) fn prefetch_fine(&self, slot: u32, bytes: usize) {
        if let Some(cold) = self.nodes.cold.address(slot) {
            prefetch_at(cold.as_ptr(), bytes);
        }
    }
}

#[inline]
fn node(nodes: &Nodes, slot: u32) -> Option<Node<'_>> {
    let hot = nodes.hot.address(slot)?;
    let state = State(nodes.state(hot).load(Acquire));
    matches!(state, State::LIVE | State::DEAD | State::DOOMED).then_some(Node { nodes, hot, slot })
}

/// One node. Copies are cheap; its content does not change while it can be seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    nodes: &'a Nodes,
    hot: NonNull<u8>,
    slot: u32,
}

impl<'a> Node<'a> {
    #[inline]
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// The links of layer 0.
    #[inline]
    pub(crate) fn links(&self) -> &'a [AtomicU32] {
        self.nodes.links(self.hot)
    }

    #[inline]
    pub(crate) fn codes(&self) -> &'a [u8] {
        // SAFETY: content of a slot that is not free, inside the record (see the module header).
        unsafe {
            let start = self.hot.add(self.nodes.codes_at);
            std::slice::from_raw_parts(start.as_ptr(), self.nodes.layout.codes)
        }
    }

    /// The fine codes; empty where there are none.
    #[inline]
    pub(crate) fn fine(&self) -> &'a [u8] {
        match self.nodes.cold.address(self.slot) {
            // SAFETY: as for `codes`.
            Some(cold) => unsafe {
                std::slice::from_raw_parts(cold.as_ptr(), self.nodes.layout.fine)
            },
            None => &[],
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> u64 {
        // SAFETY: as for `codes`; the field is aligned because the tail is.
        unsafe { (&raw const (*self.nodes.tail(self.hot)).id).read() }
    }

    #[inline]
    pub(crate) fn constants(&self) -> Constants {
        // SAFETY: as for `id`.
        unsafe { (&raw const (*self.nodes.tail(self.hot)).constants).read() }
    }

    /// The list of layer 1, or [`NO_SLOT`].
    #[inline]
    pub(crate) fn upper(&self) -> u32 {
        // SAFETY: as for `id`.
        unsafe { (&raw const (*self.nodes.tail(self.hot)).upper).read() }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        State(self.nodes.state(self.hot).load(Relaxed))
    }

    /// From live to dead; false when it was not live.
    pub(crate) fn kill(&self) -> bool {
        self.change(State::LIVE, State::DEAD)
    }

    /// From dead to doomed; false when it was not dead.
    pub(crate) fn doom(&self) -> bool {
        self.change(State::DEAD, State::DOOMED)
    }

    /// Never to or from free: a `Node` is proof that the slot is in use.
    fn change(&self, from: State, to: State) -> bool {
        let state = self.nodes.state(self.hot);
        state
            .compare_exchange(from.0, to.0, Release, Relaxed)
            .is_ok()
    }
}

/// A slot that only this value may write. Dropped unpublished, the slot is given back.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    nodes: &'a Nodes,
    slot: u32,
    published: bool,
}

impl Claim<'_> {
    /// The coarse and the fine codes, to write.
    pub(crate) fn codes_mut(&mut self) -> (&mut [u8], &mut [u8]) {
        let nodes = self.nodes;
        let (Some(hot), Some(cold)) = (nodes.hot.address(self.slot), nodes.cold.address(self.slot))
        else {
            return (&mut [], &mut []);
        };
        // SAFETY: content of a free slot, which this claim alone may write; nobody reads it before `publish`.
        unsafe {
            let codes = hot.add(nodes.codes_at).as_ptr();
            (
                std::slice::from_raw_parts_mut(codes, nodes.layout.codes),
                std::slice::from_raw_parts_mut(cold.as_ptr(), nodes.layout.fine),
            )
        }
    }

    /// Makes the node live, without links.
    pub(crate) fn publish(mut self, id: u64, constants: Constants, upper: u32) -> u32 {
        if let Some(hot) = self.nodes.hot.address(self.slot) {
            for link in self.nodes.links(hot) {
                link.store(NO_SLOT, Relaxed);
            }
            let tail = self.nodes.tail(hot);
            // SAFETY: content of a free slot, which this claim alone may write.
            unsafe {
                (&raw mut (*tail).id).write(id);
                (&raw mut (*tail).constants).write(constants);
                (&raw mut (*tail).upper).write(upper);
            }
            self.nodes.state(hot).store(State::LIVE.0, Release);
        }
        self.published = true;
        self.slot
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.published {
            self.nodes.unused.lock().free.push(self.slot);
        }
    }
}

/// Nobody reads while this lives.
#[derive(Debug)]
pub(crate) struct Exclusive<'a> {
    nodes: &'a Nodes,
    _guard: RwLockWriteGuard<'a, ()>,
}

impl Exclusive<'_> {
    /// The node in a slot, if there is one. It cannot outlive a call that frees.
    pub(crate) fn node(&self, slot: u32) -> Option<Node<'_>> {
        node(self.nodes, slot)
    }

    /// Gives the slot of a node back; false when there is none. No link should lead to it any more.
    pub(crate) fn free(&mut self, slot: u32) -> bool {
        let nodes = self.nodes;
        let Some(hot) = nodes
            .hot
            .address(slot)
            .filter(|_| self.node(slot).is_some())
        else {
            return false;
        };
        // The slot was not free, hence in no list and in no claim; `&mut self` says that no `Node` of ours lives, the
        // guard that no reader does.
        nodes.state(hot).store(State::FREE.0, Release);
        nodes.unused.lock().free.push(slot);
        true
    }
}

/// The tail of a record as bytes, for checkpoints.
pub(crate) mod tail {
    use super::{Constants, State, Tail, offset_of};

    /// Writes a tail, little endian, to the start of `record`.
    pub(crate) fn write(
        record: &mut [u8],
        id: u64,
        constants: Constants,
        upper: u32,
        state: State,
    ) {
        let Constants {
            offset,
            scale,
            square,
            sum,
            low,
            step,
        } = constants;
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        put(offset_of!(Tail, id), &id.to_le_bytes());
        let fields = [
            (offset_of!(Constants, offset), offset),
            (offset_of!(Constants, scale), scale),
            (offset_of!(Constants, square), square),
            (offset_of!(Constants, sum), sum),
            (offset_of!(Constants, low), low),
            (offset_of!(Constants, step), step),
        ];
        for (at, field) in fields {
            put(offset_of!(Tail, constants) + at, &field.to_le_bytes());
        }
        put(offset_of!(Tail, upper), &upper.to_le_bytes());
        put(offset_of!(Tail, state), &state.0.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    const LAYOUT: NodeLayout = NodeLayout {
        links: 4,
        codes: 13,
        fine: 13,
    };

    /// Publishes a node all of whose content says `value`.
    fn publish(nodes: &Nodes, value: u8) -> u32 {
        let mut claim = nodes.claim().unwrap();
        let (coarse, fine) = claim.codes_mut();
        coarse.fill(value);
        fine.fill(value);
        let constants = Constants {
            step: f32::from(value),
            ..Constants::default()
        };
        claim.publish(u64::from(value), constants, u32::from(value))
    }

    fn assert_whole(node: &Node<'_>) {
        let value = node.codes()[0];
        assert_eq!(
            (node.codes(), node.fine()),
            (&[value; 13][..], &[value; 13][..])
        );
        assert_eq!(
            (node.id(), node.constants().step),
            (u64::from(value), f32::from(value))
        );
        assert_eq!(node.upper(), u32::from(value));
    }

    #[test]
    fn slots_are_reused_only_after_they_are_freed() {
        let nodes = Nodes::new(LAYOUT);
        assert!(nodes.read().node(0).is_none());
        let slots: Vec<u32> = (0..100).map(|i| publish(&nodes, i)).collect();
        drop(nodes.claim().unwrap());
        assert_eq!(nodes.bound(), 101);
        assert_eq!(publish(&nodes, 100), 100);
        for &slot in &slots {
            let reader = nodes.read();
            let node = reader.node(slot).unwrap();
            assert_whole(&node);
            assert!(!node.doom() && node.kill() && !node.kill() && node.doom());
            assert!(
                node.links()
                    .iter()
                    .all(|link| link.load(Relaxed) == NO_SLOT)
            );
        }
        let mut exclusive = nodes.exclusive();
        assert!(exclusive.free(7) && !exclusive.free(7) && !exclusive.free(1000));
        drop(exclusive);
        assert!(nodes.read().node(7).is_none());
        assert_eq!(publish(&nodes, 200), 7);
        assert_whole(&nodes.read().node(7).unwrap());
    }

    #[test]
    fn readers_see_whole_nodes_while_slots_change_hands() {
        let nodes = Nodes::new(LAYOUT);
        let rounds = if cfg!(miri) { 30 } else { 20_000 };
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let reader = nodes.read();
                    for node in (0..nodes.bound() + 2).filter_map(|slot| reader.node(slot)) {
                        assert_whole(&node);
                        reader.prefetch_codes(node.slot());
                        node.links()[0].store(node.slot(), Relaxed);
                    }
                }
            });
            let mut held = Vec::new();
            for round in 0..rounds {
                held.push(publish(&nodes, u8::try_from(round % 256).unwrap()));
                if held.len() > 3 {
                    assert!(nodes.exclusive().free(held.remove(0)));
                }
            }
            done.store(true, Relaxed);
        });
        assert!(nodes.bound() <= 5);
    }
}
