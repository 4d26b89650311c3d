//! What a search reads from the disk when the page cache has nothing of the checkpoint but what all searches need: codes,
//! links and centroids. Counted by the system, in the one process that reads.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use aether_env::{Env, FileMap};
use aether_index::Image;
use memmap2::Advice;

use crate::protocol::Result;

/// A page of a checkpoint, and what the system reads at a time when it is told to read nothing ahead.
pub const PAGE: u64 = 4096;

/// A checkpoint on disk.
pub struct Checkpoint {
    file: File,
    env: Env,
    /// The bytes that are read for single candidates only.
    rare: Range<usize>,
}

/// What was read, since the process began.
#[derive(Clone, Copy)]
pub struct Reads {
    pub bytes: u64,
    pub waits: u64,
}

const NAME: &str = "checkpoint";

impl Checkpoint {
    /// Of a directory of its own; `rare` are the bytes in it that are read for single candidates only.
    pub fn write(directory: &Path, bytes: &[u8], rare: Range<usize>) -> Result<Checkpoint> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join(NAME);
        std::fs::write(&path, bytes)?;
        let file = File::options().read(true).open(&path)?;
        file.sync_all()?;
        let env = Env::local(directory)?;
        Ok(Checkpoint { file, env, rare })
    }

    /// The checkpoint, mapped, with `rare` not in memory. Nothing of it may be mapped elsewhere.
    pub fn open(&mut self) -> Result<Image> {
        rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed)?;
        let length = usize::try_from(self.file.metadata()?.len())?;
        for range in [0..self.rare.start, self.rare.end..length] {
            self.file.seek(SeekFrom::Start(range.start as u64))?;
            self.file.read_exact(&mut vec![0; range.len()])?;
        }
        // Reading ahead has brought some of it.
        let (start, length) = (self.rare.start as u64, self.rare.len() as u64);
        let length = std::num::NonZeroU64::new(length);
        rustix::fs::fadvise(&self.file, start, length, rustix::fs::Advice::DontNeed)?;
        Ok(match self.env.storage.open(NAME)?.map_private()? {
            FileMap::Mapped(map) => {
                map.advise(Advice::Random)?;
                Image::from(map)
            }
            FileMap::Copied(_) => return Err("this system does not map files".into()),
        })
    }
}

impl Reads {
    /// Of this process.
    pub fn now() -> Result<Reads> {
        let io = std::fs::read_to_string("/proc/self/io")?;
        let bytes = io
            .lines()
            .find_map(|line| line.strip_prefix("read_bytes: "));
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // The name of the program, in parentheses, may have spaces. The tenth field after it: major faults.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let waits = fields.split_whitespace().nth(9);
        Ok(Reads {
            bytes: bytes.ok_or("no read_bytes in /proc/self/io")?.parse()?,
            waits: waits.ok_or("no major faults in /proc/self/stat")?.parse()?,
        })
    }
}
