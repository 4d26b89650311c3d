//! Maintenance: buckets that are too long, or whose points have moved, are made anew; when many records are those of dead points, a pass through all buckets takes them out and
//! gives up buckets in which hardly a point is left.

use std::sync::atomic::Ordering::Relaxed;

use super::edit::{Appended, Created, Edit};
use super::record;
use super::view::InView;
use super::{Drift, Maintainer, Store};

/// A pass begins once one in so many records is that of a dead point. More: less is written, and searches look at more of them.
const DEAD_SHARE: u64 = 5;

/// A pass through all buckets.
#[derive(Debug)]
pub(super) struct Pass {
    /// Those it has still to look at.
    rest: Vec<u32>,
}

impl Drift {
    /// One step of maintenance, which looks at about `budget` points; `dead` is how many of the records are those of dead points. Each of its
    /// changes is a commit of its own. Searches go on meanwhile. False when there is nothing to do.
    ///
    /// # Errors
    /// Those of the store; [`ErrorKind::Corruption`](crate::ErrorKind::Corruption) when a bucket is not what it should be.
    pub fn maintain<S: Store>(
        &self,
        budget: usize,
        dead: u64,
        store: &S,
    ) -> std::result::Result<bool, S::Error> {
        let mut maintainer = self.maintainer.lock();
        let more = self.step(&mut maintainer, (budget, dead), store);
        self.show_due(&maintainer);
        more
    }

    /// For people.
    pub(super) fn show_due(&self, maintainer: &Maintainer) {
        let in_pass = maintainer.pass.as_ref().map_or(0, |pass| pass.rest.len());
        let due = maintainer.due.len() + in_pass;
        self.counters.due.store(due as u64, Relaxed);
    }

    fn step<S: Store>(
        &self,
        maintainer: &mut Maintainer,
        (budget, dead): (usize, u64),
        store: &S,
    ) -> std::result::Result<bool, S::Error> {
        let mut looked_at = 0;
        while let Some(due) = maintainer.due.pop() {
            if let Err(error) = self.renew(maintainer, due, store) {
                maintainer.due.push(due);
                return Err(error);
            }
            looked_at += self.params.bucket_points_max();
            if looked_at >= budget {
                return Ok(true);
            }
        }
        if looked_at > 0 {
            return Ok(true);
        }
        let Some(mut pass) = maintainer.pass.take() else {
            if dead == 0 || dead * DEAD_SHARE < self.records() {
                return Ok(false);
            }
            let rest = maintainer.places.keys().copied().collect();
            maintainer.pass = Some(Pass { rest });
            return Ok(true);
        };
        while let Some(number) = pass.rest.pop() {
            let tidied = self.tidy(maintainer, number, store);
            match tidied {
                Ok(points) => looked_at += points.max(1),
                Err(error) => {
                    pass.rest.push(number);
                    maintainer.pass = Some(pass);
                    return Err(error);
                }
            }
            if looked_at >= budget {
                maintainer.pass = Some(pass);
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Takes the dead out of a bucket; gives it up if hardly a point is left. How many records were looked at.
    fn tidy<S: Store>(
        &self,
        maintainer: &mut Maintainer,
        number: u32,
        store: &S,
    ) -> std::result::Result<usize, S::Error> {
        let view = self.view();
        let Some(&place) = maintainer.places.get(&number) else {
            return Ok(0);
        };
        let bucket = view.bucket(place);
        let body = self.body(number, store)?;
        let alive = self.alive_in(body.as_ref(), store);
        let records = bucket.points() as usize;
        let dead = records.saturating_sub(alive.len());
        let few = alive.len() < self.params.bucket_points_min() && view.len() > 1;
        if dead == 0 && !few {
            return Ok(records);
        }
        let mut edit = Edit::default();
        edit.removed.push((number, self.image(bucket, store)?));
        maintainer.state.cleaned += dead as u64;
        if few {
            let (points, rows) = self.rows_of(&alive, store)?;
            self.scatter(maintainer, &points, &rows, Some(number), &mut edit)?;
            maintainer.state.merges += 1;
        } else {
            let body = record::filtered(&self.space, body.as_ref(), |point| !store.is_dead(point));
            edit.created
                .extend(self.rewritten(maintainer, bucket, body));
        }
        self.commit(maintainer, edit, store)?;
        self.counters.show(&maintainer.state);
        Ok(records)
    }

    /// A bucket with another body, which has a new number.
    pub(super) fn rewritten(
        &self,
        maintainer: &mut Maintainer,
        bucket: InView<'_>,
        body: Vec<u8>,
    ) -> Option<Created> {
        let records = body.len() / record::record_bytes(&self.space);
        let records = u32::try_from(records).ok().filter(|&records| records > 0)?;
        Some(Created {
            number: maintainer.number(),
            base: Some(bucket.entry().base),
            centroid: bucket.entry().centroid.clone(),
            contents: Appended {
                records,
                squares: bucket.spread() * records as f32,
                body,
            },
        })
    }
}
