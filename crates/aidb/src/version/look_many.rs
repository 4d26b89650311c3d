//! Many lookups in one tree at the same time: all go on until each has found what it looks for or needs a block that is
//! not in memory; then those blocks are read together, and so on.

use aether_env::Storage;

use super::tree::{Tree, table_of};
use crate::error::Result;
use crate::lookup::Lookup;
use crate::sstable::{self, Fetched, Look, Wanted};

/// A lookup that goes on.
struct Pending {
    lookup: usize,
    hash: u64,
    /// The place of the run to look at next.
    run: usize,
}

impl Tree {
    /// [`Tree::look`] for each of `lookups`.
    pub(crate) fn look_many(
        &self,
        storage: &dyn Storage,
        lookups: &mut [Lookup<'_>],
    ) -> Result<()> {
        let pending = lookups.iter().enumerate().map(|(lookup, it)| Pending {
            lookup,
            hash: sstable::hash(it.key()),
            run: 0,
        });
        let mut pending: Vec<Pending> = pending.collect();
        let mut fetched = Fetched::default();
        while !pending.is_empty() {
            let mut wanted = Wanted::default();
            let mut waiting = Vec::new();
            for mut each in pending {
                let lookup = &mut lookups[each.lookup];
                if self.look_on(lookup, &mut each, &fetched, &mut wanted)? {
                    waiting.push(each);
                }
            }
            pending = waiting;
            if !pending.is_empty() {
                fetched = wanted.read(storage)?;
            }
        }
        Ok(())
    }

    /// Goes on with a lookup; true when it waits for a block.
    fn look_on(
        &self,
        lookup: &mut Lookup<'_>,
        pending: &mut Pending,
        fetched: &Fetched,
        wanted: &mut Wanted,
    ) -> Result<bool> {
        for (place, run) in self.runs().enumerate().skip(pending.run) {
            let Some(table) = table_of(run, lookup.key()) else {
                continue;
            };
            let reader = table.reader()?;
            if table.meta.info.range_deletes > 0 {
                let deletes = reader.range_deletes();
                lookup.hide(deletes.covering_seq(lookup.key(), lookup.moment()));
            }
            loop {
                match wanted.look(reader, lookup.key(), pending.hash, lookup.at(), fetched)? {
                    Look::Absent => break,
                    Look::Found((seq, kind, stored)) => {
                        if lookup.take(seq, kind, stored) {
                            return Ok(false);
                        }
                    }
                    Look::Waits => {
                        pending.run = place;
                        return Ok(true);
                    }
                }
            }
            if lookup.is_settled() {
                return Ok(false);
            }
        }
        Ok(false)
    }
}
