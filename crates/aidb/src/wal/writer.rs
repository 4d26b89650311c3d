//! Appends records to a log.

use std::sync::Arc;

use aether_env::{FileSync, Storage, WritableFile};

use super::format::{RECORD_HEADER_BYTES, RecordHeader, file_header, payload_checksum};
use crate::error::{Error, Result};
use crate::file_name;
use crate::key::SeqNo;

/// The one writer of a log.
pub(crate) struct LogWriter {
    name: String,
    number: u64,
    file: Box<dyn WritableFile>,
    syncer: Arc<dyn FileSync>,
    bytes: u64,
}

impl LogWriter {
    /// A new log that holds only its header. File and name are durable on return, and gone again after an error as far
    /// as that is possible.
    pub(crate) fn create(storage: &dyn Storage, number: u64) -> Result<LogWriter> {
        let name = file_name::log(number);
        let mut file = storage
            .create(&name)
            .map_err(|error| Error::io(format_args!("create {name}"), error))?;
        let header = file_header(number);
        let prepared = file
            .append(&header)
            .and_then(|()| file.sync())
            .and_then(|()| storage.sync_names())
            .and_then(|()| file.syncer());
        match prepared {
            Ok(syncer) => Ok(LogWriter {
                name,
                number,
                file,
                syncer,
                bytes: header.len() as u64,
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

    /// Appends `record`: room for the header, then the payload, `entries` writes from `first` on. `durable`: how much
    /// of this log is known to be synced. After an error the log may not be appended to any more.
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
            .append(record)
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

    /// Makes what was appended durable; another thread may do so while this one appends.
    pub(crate) fn syncer(&self) -> Arc<dyn FileSync> {
        Arc::clone(&self.syncer)
    }
}
