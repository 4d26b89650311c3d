//! Who compacts what: ranges of keyspaces that are taken, so that compactions which run at the same time have no key
//! in common.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::compaction::Span;
use crate::engine::Engine;
use crate::error::Result;
use crate::keyspace::KeyspaceId;

/// How long to wait for another thread's compaction before looking again.
const WAIT: Duration = Duration::from_millis(100);

/// The ranges that are taken.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    next: u64,
    held: Vec<Claim>,
    /// Keyspaces that somebody waits to have for himself: nobody begins anything in them.
    wanted: Vec<KeyspaceId>,
}

#[derive(Debug)]
struct Claim {
    id: u64,
    keyspace: KeyspaceId,
    /// None: all keys.
    span: Option<Span>,
}

impl Claims {
    /// The ranges of `keyspace` that are taken; none when nobody may begin anything there.
    pub(super) fn busy(&self, keyspace: KeyspaceId) -> Option<Vec<Span>> {
        if self.wanted.contains(&keyspace) {
            return None;
        }
        let held = self.held.iter().filter(|claim| claim.keyspace == keyspace);
        held.map(|claim| claim.span.clone()).collect()
    }

    /// Takes a range that is free.
    pub(super) fn take(&mut self, keyspace: KeyspaceId, span: Option<Span>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.held.push(Claim { id, keyspace, span });
        id
    }

    fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    fn is_untouched(&self, keyspace: KeyspaceId) -> bool {
        self.held.iter().all(|claim| claim.keyspace != keyspace)
    }
}

/// The right to compact a range of a keyspace.
pub(crate) struct Turn<'a> {
    engine: &'a Engine,
    id: u64,
    pub(super) keyspace: KeyspaceId,
    /// Whoever has it will not look for work afterwards.
    is_visit: bool,
}

impl<'a> Turn<'a> {
    /// A range that was just taken, by a thread that looks for work afterwards.
    pub(super) fn new(engine: &'a Engine, id: u64, keyspace: KeyspaceId) -> Turn<'a> {
        Turn {
            engine,
            id,
            keyspace,
            is_visit: false,
        }
    }

    /// All of `keyspace`, once those who have a part of it are done.
    pub(super) fn wait(engine: &'a Engine, keyspace: KeyspaceId) -> Result<Turn<'a>> {
        let _wish = Wish::new(engine, keyspace);
        loop {
            engine.check_open()?;
            let seen = engine.progress.rings();
            {
                let mut claims = engine.compacting.lock();
                if claims.is_untouched(keyspace) {
                    let id = claims.take(keyspace, None);
                    return Ok(Turn {
                        engine,
                        id,
                        keyspace,
                        is_visit: true,
                    });
                }
            }
            engine.progress.wait(seen, WAIT);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut claims = self.engine.compacting.lock();
        claims.held.retain(|claim| claim.id != self.id);
        drop(claims);
        if self.is_visit {
            // Others may have looked in vain meanwhile.
            self.engine.work.ring();
        }
    }
}

/// Keeps others from beginning anything in a keyspace.
struct Wish<'a> {
    engine: &'a Engine,
    keyspace: KeyspaceId,
}

impl<'a> Wish<'a> {
    fn new(engine: &'a Engine, keyspace: KeyspaceId) -> Wish<'a> {
        engine.compacting.lock().wanted.push(keyspace);
        Wish { engine, keyspace }
    }
}

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        let wanted = &mut self.engine.compacting.lock().wanted;
        if let Some(place) = wanted.iter().position(|wish| *wish == self.keyspace) {
            wanted.swap_remove(place);
        }
    }
}

/// Waits until nobody compacts; for the end, when nobody begins any more.
pub(crate) fn wait_for_all(engine: &Engine) {
    loop {
        let seen = engine.progress.rings();
        if engine.compacting.lock().is_idle() {
            return;
        }
        engine.progress.wait(seen, WAIT);
    }
}

/// Keeps all keyspaces from being compacted for as long as the result lives.
pub(crate) fn hold_all(engine: &Engine) -> Result<Vec<Turn<'_>>> {
    // In one order, so that two who hold all do not wait for each other.
    let keyspaces: BTreeSet<KeyspaceId> = engine
        .state
        .load()
        .version
        .trees()
        .map(|(keyspace, _)| keyspace)
        .collect();
    keyspaces
        .into_iter()
        .map(|keyspace| Turn::wait(engine, keyspace))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DB, Options};
    use aether_env::{Env, MemoryStorage};

    /// Compactions that came up while somebody read all of the database were forgotten when nothing was flushed afterwards: its
    /// threads had looked in vain and gone, and writers waited for level 0.
    #[test]
    fn what_comes_up_while_all_is_held_is_done_afterwards() {
        let options = Options {
            level0_compact_runs: 1,
            ..Options::DEFAULT
        };
        let db = DB::open_with(Env::memory(MemoryStorage::new()), options).unwrap();
        let fill = || {
            db.put("key", "value").unwrap();
            db.flush().unwrap();
        };
        fill();
        let held = hold_all(db.engine()).unwrap();
        (0..4).for_each(|_| fill());
        while db.engine().work.away() < 2 {
            std::thread::yield_now();
        }
        drop(held);
        while db.stats().compactions == 0 {
            std::thread::yield_now();
        }
    }
}
