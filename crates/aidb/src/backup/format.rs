//! What a backup is, as a file. The bytes: docs/formats/backup.md.

use crate::checksum::checksum;
use crate::error::{Error, Result};
use crate::file_name::{self, FileKind};
use crate::files::{FILE_BYTES_MAX, FrozenFile};
use crate::key::SeqNo;
use crate::varint;

const MAGIC: &[u8; 8] = b"aidb.bak";

/// The version that this build writes, and the newest that it reads.
const FORMAT: u32 = 1;

const HEADER_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 8;
const RECORD_START: &str = "BACKUP-";
const PARTIAL_START: &str = "PARTIAL-";
const CONTENTS_ENDING: &str = ".data";

/// A backup: which contents make up a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) number: u64,
    /// The last write that it holds.
    pub(super) seq: SeqNo,
    /// Microseconds since 1970.
    pub(super) created: u64,
    pub(super) files: Vec<FrozenFile>,
    pub(super) manifest_name: String,
    pub(super) manifest: Vec<u8>,
}

/// The name of backup `number`.
pub(super) fn record_name(number: u64) -> String {
    format!("{RECORD_START}{number:06}")
}

/// The number of the backup that `name` names.
pub(super) fn record_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(RECORD_START)?.parse().ok()?;
    (record_name(number) == name).then_some(number)
}

/// The name of the partial record `number`.
pub(super) fn partial_name(number: u64) -> String {
    format!("{PARTIAL_START}{number:06}")
}

/// The number of the partial record that `name` names.
pub(super) fn partial_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PARTIAL_START)?.parse().ok()?;
    (partial_name(number) == name).then_some(number)
}

/// The name under which the contents of `file` are kept: the same for all files with these contents.
pub(super) fn contents_name(file: &FrozenFile) -> String {
    format!("{:016x}-{:x}{CONTENTS_ENDING}", file.checksum, file.bytes)
}

/// Whether `name` is one of contents.
pub(super) fn is_contents(name: &str) -> bool {
    name.ends_with(CONTENTS_ENDING)
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        for integer in [
            self.number,
            self.seq.0,
            self.created,
            self.files.len() as u64,
        ] {
            varint::put(&mut out, integer);
        }
        for file in &self.files {
            varint::put_bytes(&mut out, file.name.as_bytes());
            varint::put(&mut out, file.bytes);
            varint::put(&mut out, file.checksum);
        }
        varint::put_bytes(&mut out, self.manifest_name.as_bytes());
        varint::put_bytes(&mut out, &self.manifest);
        let sum = checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads the record `number`, whose file is `name`.
    pub(super) fn decode(name: &str, number: u64, bytes: &[u8]) -> Result<Record> {
        let damaged = |at: usize, detail: &str| Error::corruption(name, at as u64, detail);
        let (body, stored) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .filter(|(body, _)| body.len() >= HEADER_BYTES)
            .ok_or_else(|| damaged(bytes.len(), "the file ends too early"))?;
        if !body.starts_with(MAGIC) {
            return Err(damaged(0, "it does not start as a backup does"));
        }
        let (stored, computed) = (u64::from_le_bytes(*stored), checksum(body));
        if stored != computed {
            let detail =
                format!("checksum mismatch: stored {stored:016x}, computed {computed:016x}");
            return Err(damaged(body.len(), &detail));
        }
        if body[8..HEADER_BYTES] != FORMAT.to_le_bytes() {
            return Err(Error::invalid(format!(
                "{name} has another format than {FORMAT}, the one that this version reads: use a newer version"
            )));
        }
        let mut rest = &body[HEADER_BYTES..];
        let record = take(&mut rest).filter(|record| rest.is_empty() && record.number == number);
        record.ok_or_else(|| damaged(body.len() - rest.len(), "it does not read back"))
    }
}

fn take(rest: &mut &[u8]) -> Option<Record> {
    let number = varint::take(rest)?;
    let seq = Some(SeqNo(varint::take(rest)?)).filter(|seq| *seq <= SeqNo::MAX)?;
    let created = varint::take(rest)?;
    let count = varint::take(rest)?;
    let files = (0..count).map(|_| take_file(rest)).collect::<Option<_>>()?;
    let manifest_name = take_name(rest)?;
    let is_manifest = matches!(file_name::parse(&manifest_name), FileKind::Manifest(_));
    let manifest = varint::take_bytes(rest)?.to_vec();
    is_manifest.then_some(Record {
        number,
        seq,
        created,
        files,
        manifest_name,
        manifest,
    })
}

fn take_file(rest: &mut &[u8]) -> Option<FrozenFile> {
    let name = take_name(rest)?;
    // Only what could be a file of a database: a restore makes files of these names.
    let is_ours = !matches!(
        file_name::parse(&name),
        FileKind::Foreign | FileKind::Lock | FileKind::Manifest(_)
    );
    let file = FrozenFile {
        name,
        bytes: varint::take(rest).filter(|bytes| *bytes <= FILE_BYTES_MAX)?,
        checksum: varint::take(rest)?,
    };
    is_ours.then_some(file)
}

fn take_name(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(varint::take_bytes(rest)?.to_vec()).ok()
}

/// Reads any bytes as a record: for fuzzing.
#[cfg(any(fuzzing, test))]
pub(crate) fn examine(bytes: &[u8]) {
    let _ = Record::decode("BACKUP-000001", 1, bytes);
    if let Ok(name) = std::str::from_utf8(bytes) {
        let _ = (record_number(name), partial_number(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        let file = |name: &str, bytes| FrozenFile {
            name: name.to_owned(),
            bytes,
            checksum: u64::MAX - bytes,
        };
        Record {
            number: 3,
            seq: SeqNo(1_000),
            created: 5,
            files: vec![file("000007.sst", 4_096), file("000009.att", 0)],
            manifest_name: "MANIFEST-000001".to_owned(),
            manifest: vec![1, 2, 3],
        }
    }

    fn decode(number: u64, bytes: &[u8]) -> Result<Record> {
        Record::decode(&record_name(number), number, bytes)
    }

    #[test]
    fn a_record_reads_back_and_no_damage_passes() {
        let bytes = sample().encode();
        assert_eq!(decode(3, &bytes).unwrap(), sample());
        assert!(decode(4, &bytes).is_err());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            let error = decode(3, &damaged).unwrap_err();
            assert!(error.to_string().contains("BACKUP-000003"), "{error}");
            assert!(decode(3, &bytes[..at]).is_err());
        }
    }

    #[test]
    fn names_that_no_database_has_are_refused() {
        for wrong in ["LOCK", "../000001.sst", "x", "MANIFEST-000002", ""] {
            let mut record = sample();
            record.files[0].name = wrong.to_owned();
            assert!(decode(3, &record.encode()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn record_names_are_parsed_as_they_are_made() {
        for number in [1, 999_999, 1_000_000] {
            assert_eq!(record_number(&record_name(number)), Some(number));
            assert_eq!(partial_number(&partial_name(number)), Some(number));
        }
        for wrong in ["BACKUP-1", "BACKUP-", "BACKUP-+00001", "000001.sst"] {
            assert_eq!(record_number(wrong), None);
        }
        assert!(is_contents(&contents_name(&sample().files[0])));
    }
}
