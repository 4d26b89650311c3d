//! Past moments by number or by time.

use aether_env::Timestamp;

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SeqNo;
use crate::snapshots::Place;

/// A past moment; see [`DB::snapshot_at`](crate::DB::snapshot_at).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// After this write and before the next one.
    Seq(SeqNo),
    /// The last moment that had come by this time.
    Time(Timestamp),
}

impl From<SeqNo> for AsOf {
    fn from(seq: SeqNo) -> AsOf {
        AsOf::Seq(seq)
    }
}

impl From<Timestamp> for AsOf {
    fn from(time: Timestamp) -> AsOf {
        AsOf::Time(time)
    }
}

impl Engine {
    /// The number of a moment.
    pub(super) fn resolve(&self, moment: AsOf) -> Result<SeqNo> {
        let time = match moment {
            AsOf::Seq(seq) => return Ok(seq),
            AsOf::Time(time) => time,
        };
        let window = self.snapshots.window();
        if window.is_to_come(time) {
            return Err(Error::invalid(format!(
                "the time {} (microseconds since 1970) is to come",
                time.0
            )));
        }
        if !window.is_open() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "times are not kept: Options::retention is zero",
            ));
        }
        // Before the marks: a write that came since then has made a mark, or came within the granularity.
        let visible = self.snapshots.visible();
        match window.at(time) {
            Place::At(seq) => Ok(seq),
            Place::Present => Ok(visible),
            Place::Before => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "the time {} (microseconds since 1970) is outside of the retention window: raise \
                     Options::retention to go further back",
                    time.0
                ),
            )),
        }
    }
}
