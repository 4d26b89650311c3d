//! Appends records to a log.

use std::sync::Arc;

use aether_env::{FileSync, LogFile, Storage};

use super::format::{RECORD_HEADER_BYTES, RecordHeader, file_header, payload_checksum};
use crate::error::{Error, Result};
use crate::file_name;
use crate::key::SeqNo;

/// Space that is taken at once: at first, and at most, and no more than one part in so many of what a log will hold.
const RESERVE_BYTES_MIN: u64 = 4 << 10;
const RESERVE_BYTES_MAX: u64 = 4 << 20;
const RESERVE_PART: u64 = 16;

/// The one writer of a log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    name: String,
    number: u64,
    file: Box<dyn LogFile>,
    syncer: Arc<dyn FileSync>,
    bytes: u64,
    /// Space that is taken at once at most.
    step_max: u64,
}

impl LogWriter {
    /// A new log that holds only its header, and will have about `capacity` bytes. File and name are durable on
    /// return, and gone again after an error as far as that is possible.
    pub(crate) fn create(storage: &dyn Storage, number: u64, capacity: u64) -> Result<LogWriter> {
        let name = file_name::log(number);
        let mut file = storage
            .create_log(&name, capacity)
            .map_err(|error| Error::io(format_args!("create {name}"), error))?;
        let header = file_header(number, false);
        let prepared = file
            .reserve(RESERVE_BYTES_MIN)
            .and_then(|()| file.write_durably_at(0, &header))
            .and_then(|()| settle(storage, &*file));
        match prepared {
            Ok(syncer) => Ok(LogWriter {
                name,
                number,
                file,
                syncer,
                bytes: header.len() as u64,
                step_max: (capacity / RESERVE_PART).clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX),
            }),
            Err(error) => {
                let _ = storage.delete(&name);
                Err(Error::io(format_args!("start {name}"), error))
            }
        }
    }

    /// Makes a log that is not needed any more the new log `number`: as [`LogWriter::create`], in its file. After an
    /// error that file may have either name.
    pub(crate) fn renew(mut self, storage: &dyn Storage, number: u64) -> Result<LogWriter> {
        let name = file_name::log(number);
        let header = file_header(number, true);
        let file = &mut self.file;
        let prepared = file
            .rename(&name)
            .and_then(|()| file.write_durably_at(0, &header))
            .and_then(|()| settle(storage, &**file));
        match prepared {
            Ok(syncer) => Ok(LogWriter {
                name,
                number,
                file: self.file,
                syncer,
                bytes: header.len() as u64,
                step_max: self.step_max,
            }),
            Err(error) => {
                let _ = storage.delete(&name);
                Err(Error::io(format_args!("start {name}"), error))
            }
        }
    }

    /// Appends the start record: this log goes on at `seq` where the first `previous_bytes` of log `previous` end.
    /// `previous` is 0 when there is none.
    pub(crate) fn start(&mut self, previous: u64, previous_bytes: u64, seq: SeqNo) -> Result<()> {
        let mut record = vec![0; RECORD_HEADER_BYTES];
        record.extend_from_slice(&previous.to_le_bytes());
        record.extend_from_slice(&previous_bytes.to_le_bytes());
        let checksum = payload_checksum(&record[RECORD_HEADER_BYTES..]);
        self.append(&mut record, seq, 0, checksum, 0)
    }

    /// Takes space for a record of `bytes`, its header included. After an error the log is as it was.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<()> {
        let end = self.bytes + bytes as u64;
        let reserved = self.file.reserved();
        if end <= reserved {
            return Ok(());
        }
        let step = reserved.clamp(RESERVE_BYTES_MIN, self.step_max);
        // When there is no room for later records, there may be some for this one.
        self.file
            .reserve(end.max(reserved + step))
            .or_else(|_| self.file.reserve(end))
            .map_err(|error| Error::io(format_args!("append to {}", self.name), error))
    }

    /// Appends `record`: room for the header, then the payload, `entries` writes from `first` on. `durable`: how much
    /// of this log is known to be synced. Space for it is [reserved](LogWriter::reserve). After an error the log may not
    /// be appended to any more.
    pub(crate) fn append(
        &mut self,
        record: &mut [u8],
        first: SeqNo,
        entries: u32,
        payload_checksum: u64,
        durable: u64,
    ) -> Result<()> {
        let length = u32::try_from(record.len() - RECORD_HEADER_BYTES)
            .map_err(|_| Error::invalid("a batch has more than 4 GiB"))?;
        let header = RecordHeader {
            length,
            entries,
            seq: first.0,
            durable,
            payload_checksum,
        };
        header.write(record, self.number);
        self.file
            .write_at(self.bytes, record)
            .map_err(|error| Error::io(format_args!("append to {}", self.name), error))?;
        self.bytes += record.len() as u64;
        Ok(())
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes appended, without what a failed append may have left.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What its file takes, about: bytes appended, and space for more.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file.reserved().max(self.bytes)
    }

    /// Gives back the space behind the last record; nothing is appended any more.
    pub(crate) fn finish(mut self) {
        // What stays allocated is free again with the file.
        let _ = self.file.finish(self.bytes);
    }

    /// Makes what was appended durable; another thread may do so while this one appends.
    pub(crate) fn syncer(&self) -> Arc<dyn FileSync> {
        Arc::clone(&self.syncer)
    }
}

/// Makes the file's name durable.
fn settle(storage: &dyn Storage, file: &dyn LogFile) -> std::io::Result<Arc<dyn FileSync>> {
    storage.sync_names()?;
    file.syncer()
}
