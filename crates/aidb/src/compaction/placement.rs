//! Where values go on their way into a table: with their keys, or apart from them.
//!
//! ```text
//! a small value            with its key
//! a large one from a log   the log becomes a value file, and the table points into it
//! any other large one      into a new value file: a fold of operands, or one whose log is not worth keeping
//! a pointer                stays, unless its file is to be emptied: then its value goes as above
//! ```

use std::collections::BTreeSet;

use crate::error::Result;
use crate::key::{self, ValueKind};
use crate::values::{
    EXPIRY_BYTES, Pointer, ValueFileRecord, ValueFiles, ValueWriter, in_stored, no_pointer,
};
use crate::wal::LogPosition;

use super::merge::TableSink;

/// A value file is closed once it has this many bytes.
const VALUE_FILE_BYTES: u64 = 64 << 20;

/// Which files may be pointed into.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placement {
    /// Those of the tables that are merged.
    pub(crate) files: ValueFiles,
    /// Of these, the ones to be emptied.
    pub(crate) emptied: BTreeSet<u64>,
    /// Logs that are kept as value files from now on.
    pub(crate) logs: BTreeSet<u64>,
}

/// Puts the values of one merge into their places.
pub(super) struct Placer<'a> {
    rules: &'a Placement,
    /// Values from this length on are large.
    large: usize,
    writer: Option<ValueWriter>,
    written: Vec<ValueFileRecord>,
    stored: Vec<u8>,
}

/// What a table holds for a version.
pub(super) struct Placed<'a> {
    pub(super) trailer: u64,
    pub(super) stored: &'a [u8],
    /// The value file and how many bytes of it.
    pub(super) used: Option<(u64, u64)>,
}

impl<'a> Placer<'a> {
    /// `separated_bytes_min`: see [`crate::TableOptions`].
    pub(super) fn new(rules: &'a Placement, separated_bytes_min: usize) -> Placer<'a> {
        Placer {
            rules,
            large: match separated_bytes_min {
                0 => usize::MAX,
                bytes => bytes,
            },
            writer: None,
            written: Vec::new(),
            stored: Vec::new(),
        }
    }

    /// False when what is stored for a version certainly stays with its key.
    #[inline]
    pub(super) fn may_move(&self, trailer: u64, stored: &[u8]) -> bool {
        match key::trailer_kind(trailer) {
            Some(ValueKind::Put | ValueKind::Expiring) => stored.len() >= self.large,
            Some(ValueKind::Pointer | ValueKind::ExpiringPointer) => true,
            _ => false,
        }
    }

    /// The place for the version of `user_key` with `trailer` and `value`, which stands in a log at `position`.
    pub(super) fn place<'b>(
        &'b mut self,
        user_key: &[u8],
        trailer: u64,
        value: &'b [u8],
        position: Option<LogPosition>,
        sink: &mut dyn TableSink,
    ) -> Result<Placed<'b>> {
        let kept = Placed {
            trailer,
            stored: value,
            used: None,
        };
        match key::trailer_kind(trailer) {
            Some(kind @ (ValueKind::Put | ValueKind::Expiring)) => {
                let front = front_bytes(kind).min(value.len());
                if value.len() - front < self.large {
                    return Ok(kept);
                }
                let position = position.map(|position| position.plus(front));
                let (front, value) = value.split_at(front);
                let pointer = match position.filter(|at| self.rules.logs.contains(&at.log)) {
                    Some(at) => Pointer::new(at.log, at.offset, value),
                    None => self.write(&Pointer::new(0, 0, value), value, sink)?,
                };
                Ok(self.point(trailer, front, &pointer))
            }
            Some(kind @ (ValueKind::Pointer | ValueKind::ExpiringPointer)) => {
                let pointer = in_stored(kind, value)
                    .and_then(Pointer::decode)
                    .ok_or_else(|| no_pointer(user_key))?;
                let front = &value[..front_bytes(kind)];
                if !self.rules.emptied.contains(&pointer.file) {
                    let used = Some((pointer.file, pointer.used_bytes()));
                    return Ok(Placed { used, ..kept });
                }
                let value = self.rules.files.read(&pointer, user_key)?;
                if value.len() < self.large {
                    return Ok(self.bring_home(trailer, front, &value));
                }
                let pointer = self.write(&pointer, &value, sink)?;
                Ok(self.point(trailer, front, &pointer))
            }
            _ => Ok(kept),
        }
    }

    /// The value files that were written, durable but for their names.
    pub(super) fn finish(mut self) -> Result<Vec<ValueFileRecord>> {
        self.finish_file()?;
        Ok(self.written)
    }

    /// Writes `value` into a value file. `known`: its length and checksum.
    fn write(
        &mut self,
        known: &Pointer,
        value: &[u8],
        sink: &mut dyn TableSink,
    ) -> Result<Pointer> {
        if self
            .writer
            .as_ref()
            .is_some_and(|writer| writer.bytes() >= VALUE_FILE_BYTES)
        {
            self.finish_file()?;
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let (number, name, file) = sink.create_values()?;
                none.insert(ValueWriter::new(file, name, number))
            }
        };
        writer.add(value, known.length, known.checksum)
    }

    fn finish_file(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.written.push(writer.finish()?);
        }
        Ok(())
    }

    /// The table holds `front` and `pointer`.
    fn point(&mut self, trailer: u64, front: &[u8], pointer: &Pointer) -> Placed<'_> {
        self.stored.clear();
        self.stored.extend_from_slice(front);
        pointer.put(&mut self.stored);
        let kind = if front.is_empty() {
            ValueKind::Pointer
        } else {
            ValueKind::ExpiringPointer
        };
        Placed {
            trailer: key::trailer(key::trailer_seq(trailer), kind),
            stored: &self.stored,
            used: Some((pointer.file, pointer.used_bytes())),
        }
    }

    /// The table holds `front` and `value`.
    fn bring_home(&mut self, trailer: u64, front: &[u8], value: &[u8]) -> Placed<'_> {
        self.stored.clear();
        self.stored.extend_from_slice(front);
        self.stored.extend_from_slice(value);
        let kind = if front.is_empty() {
            ValueKind::Put
        } else {
            ValueKind::Expiring
        };
        Placed {
            trailer: key::trailer(key::trailer_seq(trailer), kind),
            stored: &self.stored,
            used: None,
        }
    }
}

/// Bytes in front of the value or pointer.
fn front_bytes(kind: ValueKind) -> usize {
    match kind {
        ValueKind::Expiring | ValueKind::ExpiringPointer => EXPIRY_BYTES,
        _ => 0,
    }
}
