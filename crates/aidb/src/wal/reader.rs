//! Reads a log back, and tells a write that was cut off from damage.
//!
//! A log ends at the first place where no record reads back; its file goes on, with zeros or with what the log left
//! that the file was before. That end is
//!
//! 1. *damage* when the manifest says that the log is longer ("sealed");
//! 2. *damage* when a later record of this log reads back, and was written when the place in question was already
//!    synced;
//! 3. *a lost write* when a later record reads back, but a whole sector before it is as it was before the log was
//!    written: a power cut keeps any subset of the sectors that were never synced. In a new file those are zeros; in
//!    one that was used before they can be anything;
//! 4. *damage* in any other case with a later record;
//! 5. *the end, or a torn write*, when nothing follows.
//!
//! Lost and torn writes were never acknowledged as durable: the records before them are a clean prefix.

use memchr::memmem;

use super::format::{
    FILE_HEADER_BYTES, FORMAT, FileHeader, RECORD_HEADER_BYTES, RecordHeader, payload_checksum,
    read_file_header, tag, u64_at,
};
use crate::error::{Error, Result};
use crate::file_name;
use crate::key::SeqNo;

/// The unit that a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// What a log holds.
#[derive(Debug)]
pub(crate) struct LogContents {
    /// Where it goes on from; none when the log was never begun.
    pub(crate) start: Option<Start>,
    /// The batches, in order.
    pub(crate) records: Vec<Record>,
    /// Where the last good record ends.
    pub(crate) bytes: u64,
    /// How much of it is known to have been synced by whoever wrote it.
    pub(crate) durable: u64,
    /// False when it is not known where it ends: records may have been lost.
    pub(crate) clean: bool,
}

/// The start record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The log before this one; 0 for none.
    pub(crate) previous: u64,
    /// How much of it counts.
    pub(crate) previous_bytes: u64,
    /// The sequence number of the first write.
    pub(crate) first: SeqNo,
}

/// A batch, and where it is.
#[derive(Debug)]
pub(crate) struct Record {
    /// Where its payload starts in the file.
    pub(crate) offset: u64,
    /// Bytes of the payload.
    pub(crate) length: u32,
    /// The sequence number of its first write.
    pub(crate) first: SeqNo,
    /// How many writes it holds.
    pub(crate) entries: u32,
}

impl Record {
    fn new(at: usize, header: &RecordHeader) -> Record {
        Record {
            offset: (at + RECORD_HEADER_BYTES) as u64,
            length: header.length,
            first: SeqNo(header.seq),
            entries: header.entries,
        }
    }

    /// The writes, in the bytes of the log's file; see `batch::decode`.
    pub(crate) fn payload<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let from = usize::try_from(self.offset).expect("it was read from memory");
        &bytes[from..from + self.length as usize]
    }
}

/// Reads log `number` from the `bytes` of its file. `limit` is how much of it counts, where that is known: all of that
/// must read back then, and the rest is left alone.
pub(crate) fn read(number: u64, mut bytes: &[u8], limit: Option<u64>) -> Result<LogContents> {
    let name = file_name::log(number);
    if let Some(limit) = limit {
        match usize::try_from(limit) {
            Ok(limit) if limit <= bytes.len() => bytes = &bytes[..limit],
            _ => {
                let found = bytes.len();
                let detail = format_args!("the file ends here, and {limit} bytes are expected");
                return Err(Error::corruption(&name, found as u64, detail));
            }
        }
    }
    let was_used = check_file_header(&name, number, bytes)?;

    let mut log = LogContents {
        start: None,
        records: Vec::new(),
        bytes: FILE_HEADER_BYTES as u64,
        durable: 0,
        clean: true,
    };
    let mut at = FILE_HEADER_BYTES;
    let mut next = None;
    while at < bytes.len() {
        let Some((header, payload)) = record_at(bytes, at, number) else {
            log.clean = false;
            break;
        };
        let first = SeqNo(header.seq);
        if next.is_some_and(|next| next != first) {
            let detail = format_args!("a record starts at sequence number {first} out of turn");
            return Err(Error::corruption(&name, at as u64, detail));
        }
        match (log.start, header.entries) {
            (None, 0) => log.start = Some(start(&name, at, first, payload)?),
            (Some(_), 1..) => log.records.push(Record::new(at, &header)),
            _ => {
                return Err(Error::corruption(
                    &name,
                    at as u64,
                    "the start record is not the first one",
                ));
            }
        }
        next = Some(SeqNo(header.seq.saturating_add(u64::from(header.entries))));
        log.durable = log.durable.max(header.durable);
        at += RECORD_HEADER_BYTES + header.length as usize;
        log.bytes = at as u64;
    }
    if !log.clean {
        let end = End {
            name: &name,
            number,
            bytes,
            at,
            was_used,
        };
        end.judge(limit.is_some())?;
    }
    Ok(log)
}

/// Shows the records of log `number` as far as they read back, the start record (of no entries) included; where they end.
/// Judges nothing: for looking at a log, not for recovering from it.
pub(crate) fn each_record(number: u64, bytes: &[u8], mut see: impl FnMut(Record)) -> u64 {
    let mut at = FILE_HEADER_BYTES;
    while let Some((header, _)) = record_at(bytes, at, number) {
        see(Record::new(at, &header));
        at += RECORD_HEADER_BYTES + header.length as usize;
    }
    at as u64
}

/// Bytes at the front of a log that [`read_start`] needs.
pub(crate) const START_BYTES: usize = FILE_HEADER_BYTES + RECORD_HEADER_BYTES + 16;

/// The start record of log `number`, from the first bytes of its file; none when it does not read back.
pub(crate) fn read_start(number: u64, head: &[u8]) -> Option<Start> {
    let (header, payload) = record_at(head, FILE_HEADER_BYTES, number)?;
    if header.entries != 0 {
        return None;
    }
    start("", 0, SeqNo(header.seq), payload).ok()
}

/// True when the file was another log before.
fn check_file_header(name: &str, number: u64, bytes: &[u8]) -> Result<bool> {
    match read_file_header(bytes) {
        FileHeader::Log { format, .. } if format > FORMAT => Err(Error::invalid(format!(
            "{name} has format {format}, and this build reads formats up to {FORMAT}: use a newer build"
        ))),
        FileHeader::Log { number: found, .. } if found != number => Err(Error::corruption(
            name,
            16,
            format_args!("this is log {found} under another name"),
        )),
        FileHeader::Log { was_used, .. } => Ok(was_used),
        FileHeader::Damaged => Err(Error::corruption(
            name,
            0,
            "the header of the log does not read back",
        )),
    }
}

fn record_at(bytes: &[u8], at: usize, number: u64) -> Option<(RecordHeader, &[u8])> {
    let header = RecordHeader::read(bytes.get(at..)?, number)?;
    let from = at + RECORD_HEADER_BYTES;
    let to = from.checked_add(header.length as usize)?;
    let payload = bytes.get(from..to)?;
    (payload_checksum(payload) == header.payload_checksum).then_some((header, payload))
}

fn start(name: &str, at: usize, first: SeqNo, payload: &[u8]) -> Result<Start> {
    match (u64_at(payload, 0), u64_at(payload, 8)) {
        (Some(previous), Some(previous_bytes)) => Ok(Start {
            previous,
            previous_bytes,
            first,
        }),
        _ => Err(Error::corruption(
            name,
            at as u64,
            "the start record is too short",
        )),
    }
}

/// The place where a log seems to end.
struct End<'a> {
    name: &'a str,
    number: u64,
    bytes: &'a [u8],
    at: usize,
    was_used: bool,
}

impl End<'_> {
    /// Decides whether the log may end here; see the head of this module.
    fn judge(&self, sealed: bool) -> Result<()> {
        if sealed {
            return Err(self.damage(format_args!("a record does not read back")));
        }
        match self.later() {
            None => Ok(()),
            Some((at, header))
                if header.durable <= self.at as u64
                    && (self.was_used || has_lost_sector(self.bytes, self.at, at)) =>
            {
                Ok(())
            }
            Some((at, _)) => Err(self.damage(format_args!(
                "a record does not read back, and a later one at byte {at} does"
            ))),
        }
    }

    /// The next record of this log that reads back, and where.
    fn later(&self) -> Option<(usize, RecordHeader)> {
        let from = self.at + 1;
        memmem::find_iter(self.bytes.get(from..)?, &tag(self.number)).find_map(|found| {
            let at = from + found;
            Some((at, record_at(self.bytes, at, self.number)?.0))
        })
    }

    fn damage(&self, detail: std::fmt::Arguments<'_>) -> Error {
        Error::corruption(self.name, self.at as u64, detail)
    }
}

/// True when a sector between `from` and `to` holds only zeros. Few zeros prove nothing inside of a record; in front of
/// its first sector boundary they do, since a record starts with its length.
fn has_lost_sector(bytes: &[u8], from: usize, to: usize) -> bool {
    let mut at = from;
    while at < to {
        let end = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(to);
        if (end - at >= 8 || at == from) && bytes[at..end].iter().all(|byte| *byte == 0) {
            return true;
        }
        at = end;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::writer::LogWriter;
    use super::*;
    use crate::error::ErrorKind;
    use aether_env::MemoryStorage;

    const NUMBER: u64 = 7;

    fn writer(storage: &MemoryStorage) -> LogWriter {
        LogWriter::create(storage, NUMBER, 1 << 20).unwrap()
    }

    /// Writes `records` records of 100 bytes; the ends of the records.
    fn fill(writer: &mut LogWriter, records: u64, durable: u64) -> Vec<usize> {
        writer.start(3, 99, SeqNo(10)).unwrap();
        let mut ends = vec![usize::try_from(writer.bytes()).unwrap()];
        for index in 0..records {
            let mut record = vec![0; RECORD_HEADER_BYTES];
            record.extend((0..100_u8).map(|byte| byte | 1));
            let checksum = payload_checksum(&record[RECORD_HEADER_BYTES..]);
            writer.reserve(record.len()).unwrap();
            writer
                .append(&mut record, SeqNo(10 + index * 2), 2, checksum, durable)
                .unwrap();
            ends.push(usize::try_from(writer.bytes()).unwrap());
        }
        ends
    }

    /// A log of `records` records up to its end, and the ends of the records.
    fn log(records: u64, durable: u64) -> (Vec<u8>, Vec<usize>) {
        let storage = MemoryStorage::new();
        let mut writer = writer(&storage);
        let ends = fill(&mut writer, records, durable);
        let mut bytes = storage.contents(&file_name::log(NUMBER)).unwrap();
        bytes.truncate(*ends.last().unwrap());
        (bytes, ends)
    }

    /// A log of 20 records in a file that was a log of 60 before, and the ends of the records.
    fn log_in_used_file(durable: u64) -> (Vec<u8>, Vec<usize>) {
        let storage = MemoryStorage::new();
        let mut old = LogWriter::create(&storage, NUMBER - 1, 1 << 20).unwrap();
        fill(&mut old, 60, 0);
        let mut writer = old.renew(&storage, NUMBER).unwrap();
        let ends = fill(&mut writer, 20, durable);
        (storage.contents(&file_name::log(NUMBER)).unwrap(), ends)
    }

    fn read_log(bytes: &[u8], limit: Option<u64>) -> Result<LogContents> {
        read(NUMBER, bytes, limit)
    }

    #[test]
    fn a_whole_log_reads_back() {
        let (bytes, _) = log(5, 0);
        let log = read_log(&bytes, None).unwrap();
        assert!(log.clean);
        assert_eq!(log.bytes, bytes.len() as u64);
        assert_eq!(
            log.start,
            Some(Start {
                previous: 3,
                previous_bytes: 99,
                first: SeqNo(10)
            })
        );
        let firsts: Vec<u64> = log.records.iter().map(|record| record.first.0).collect();
        assert_eq!(firsts, [10, 12, 14, 16, 18]);
    }

    #[test]
    fn every_cut_leaves_the_records_before_it() {
        let (bytes, ends) = log(3, 0);
        for cut in FILE_HEADER_BYTES..bytes.len() {
            let log = read_log(&bytes[..cut], None).unwrap();
            assert_eq!(
                log.records.len(),
                ends[1..].iter().filter(|end| **end <= cut).count(),
                "{cut}"
            );
            assert!(read_log(&bytes[..cut], Some(bytes.len() as u64)).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let (bytes, ends) = log(3, 0);
        let last = ends[ends.len() - 2];
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            assert_eq!(
                read_log(&damaged, Some(bytes.len() as u64))
                    .unwrap_err()
                    .kind(),
                ErrorKind::Corruption
            );
            let result = read_log(&damaged, None);
            if position < last {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corruption, "{position}");
                assert!(error.to_string().contains("000007.wal"), "{error}");
            } else {
                assert_eq!(result.unwrap().records.len(), 2, "{position}");
            }
        }
    }

    #[test]
    fn a_lost_page_is_a_clean_end_unless_it_was_synced() {
        for (durable, kept) in [(0, Some(8)), (100, Some(8)), (100_000, None)] {
            let (mut bytes, ends) = log(40, durable);
            bytes[ends[8] + 10..ends[20] + 50].fill(0);
            assert_eq!(
                read_log(&bytes, None).ok().map(|log| log.records.len()),
                kept,
                "{durable}"
            );
        }
    }

    /// A sync that ends a few bytes before a sector does leaves only these to be lost with it.
    #[test]
    fn the_short_rest_of_a_sector_may_be_lost() {
        let (bytes, ends) = log(60, 0);
        let short = |end: &&usize| (1..8).contains(&(SECTOR_BYTES - **end % SECTOR_BYTES));
        let &end = ends
            .iter()
            .find(short)
            .expect("a record ends near the end of a sector");
        let mut lost = bytes.clone();
        lost[end..end.next_multiple_of(SECTOR_BYTES)].fill(0);
        let log = read_log(&lost, None).unwrap();
        assert_eq!((log.bytes, log.clean), (end as u64, false));
    }

    #[test]
    fn what_is_left_of_another_log_is_never_read() {
        let (bytes, ends) = log_in_used_file(0);
        let log = read_log(&bytes, None).unwrap();
        assert_eq!(log.records.len(), 20);
        assert_eq!(log.bytes, ends[20] as u64);
        // All of the older log is still there behind it, and cannot be told from a lost write.
        for count in [5, 19] {
            let mut lost = bytes.clone();
            let sector = ends[count].next_multiple_of(SECTOR_BYTES);
            lost[sector..sector + SECTOR_BYTES].fill(0xab);
            let log = read_log(&lost, None).unwrap();
            assert!((count..count + 5).contains(&log.records.len()));
        }
    }

    #[test]
    fn a_used_file_keeps_no_damage_secret_once_it_was_synced() {
        let (bytes, ends) = log_in_used_file(1_500);
        for position in 0..ends[20] {
            let mut damaged = bytes.clone();
            damaged[position] ^= 4;
            match read_log(&damaged, None) {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corruption),
                Ok(log) => {
                    let whole = ends[1..].iter().filter(|end| **end <= position).count();
                    assert_eq!(log.records.len(), whole);
                    assert!(position >= 1_400);
                }
            }
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let (mut bytes, _) = log(1, 0);
        bytes[8] = 2;
        let checksum = xxhash_rust::xxh3::xxh3_64(&bytes[..24]);
        bytes[24..32].copy_from_slice(&checksum.to_le_bytes());
        let error = read_log(&bytes, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("format 2"), "{error}");
    }
}
