//! Many reads at once, so that the disk has a queue to work on.
//!
//! 1. Each range is first asked of the page cache alone (`preadv2` with `RWF_NOWAIT`): what is there costs one system
//!    call, as a single read does.
//! 2. For each range that is not there, the system is told to begin reading it (`posix_fadvise` with `WILLNEED`), which
//!    does not wait.
//! 3. Then those are read one by one, in order: the first waits, and the others are on their way or there.
//!
//! 64 random reads of 4 KiB of a cold file, this against the alternatives, on one virtual disk: single reads 18 k/s and
//! 22 us of CPU each, 8 threads 42 k/s and 18 us, io_uring 72 k/s and 5.4 us, this 85 k/s and 5.8 us; of a cached file:
//! single reads 2.1 M/s, io_uring 1.7 M/s, this 1.9 M/s. It needs neither `unsafe` nor a system call that containers
//! forbid; an error comes from an ordinary read, with its file and offset. See docs/decisions.
//!
//! Systems other than Linux read one by one.

use crate::storage::FileRange;
use std::io;

/// Fills all buffers.
#[cfg(target_os = "linux")]
pub(super) fn read(reads: &mut [FileRange<'_>]) -> io::Result<()> {
    if let [read] = reads {
        return read.file.read_at(read.offset, read.buffer); // nothing to overlap with
    }
    let mut cold = Vec::new();
    for (index, read) in reads.iter_mut().enumerate() {
        if !linux::read_cached(read) {
            linux::begin(read);
            cold.push(index);
        }
    }
    for index in cold {
        let read = &mut reads[index];
        read.file.read_at(read.offset, read.buffer)?;
    }
    Ok(())
}

/// Fills all buffers.
#[cfg(not(target_os = "linux"))]
pub(super) fn read(reads: &mut [FileRange<'_>]) -> io::Result<()> {
    reads
        .iter_mut()
        .try_for_each(|read| read.file.read_at(read.offset, read.buffer))
}

#[cfg(target_os = "linux")]
mod linux {
    use super::super::LocalReadable;
    use crate::storage::FileRange;
    use rustix::fs::{Advice, fadvise};
    use rustix::io::{ReadWriteFlags, preadv2};
    use std::any::Any;
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::num::NonZeroU64;

    /// Fills the buffer if all of it is in the page cache. False also for whatever goes wrong: the read that follows
    /// says what.
    pub(super) fn read_cached(read: &mut FileRange<'_>) -> bool {
        let Some(file) = local(read) else {
            return false;
        };
        let wanted = read.buffer.len();
        if i64::try_from(read.offset).is_err() {
            return false; // to `preadv2` an offset of -1 is the place where the file stands
        }
        let mut buffers = [IoSliceMut::new(read.buffer)];
        let done = preadv2(file, &mut buffers, read.offset, ReadWriteFlags::NOWAIT);
        done == Ok(wanted)
    }

    /// Begins to bring the range into the page cache; that this fails shows only in the time that reading it takes.
    pub(super) fn begin(read: &FileRange<'_>) {
        let bytes = NonZeroU64::new(read.buffer.len() as u64);
        if let (Some(file), Some(bytes)) = (local(read), bytes) {
            let _ = fadvise(file, read.offset, Some(bytes), Advice::WillNeed);
        }
    }

    fn local<'a>(read: &FileRange<'a>) -> Option<&'a File> {
        let file: &dyn Any = read.file;
        Some(&file.downcast_ref::<LocalReadable>()?.file.file)
    }
}
