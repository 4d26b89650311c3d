//! Many values at once: all of their reads are under way together.

use aether_env::{FileRange, Storage};
use bytes::Bytes;

use super::file::ValueFile;
use super::pointer::Pointer;
use super::set::{ValueFiles, no_pointer};
use crate::error::Result;

/// A value that is to be read.
struct Wanted<'a> {
    /// Its place in the answer.
    place: usize,
    pointer: Pointer,
    user_key: &'a [u8],
    file: &'a ValueFile,
}

impl ValueFiles {
    /// [`ValueFiles::fetch`] for each of `wanted`, encoded pointers and the keys that they belong to, in one batch of
    /// reads. `storage` has opened the files.
    pub(crate) fn fetch_many(
        &self,
        storage: &dyn Storage,
        wanted: &[(&[u8], &[u8])],
    ) -> Result<Vec<Bytes>> {
        let mut wanted: Vec<Wanted<'_>> = wanted
            .iter()
            .enumerate()
            .map(|(place, (pointer, user_key))| self.want(place, pointer, user_key))
            .collect::<Result<_>>()?;
        // Neighbours one behind the other, for a disk or a system that reads ahead.
        wanted.sort_unstable_by_key(|each| (each.pointer.file, each.pointer.offset));
        let mut values = vec![Bytes::new(); wanted.len()];
        for (each, value) in wanted.iter().zip(read(storage, &wanted)?) {
            values[each.place] = value;
        }
        Ok(values)
    }

    fn want<'a>(&'a self, place: usize, pointer: &[u8], user_key: &'a [u8]) -> Result<Wanted<'a>> {
        let pointer = Pointer::decode(pointer).ok_or_else(|| no_pointer(user_key))?;
        let file = self.file_of(&pointer, user_key)?;
        Ok(Wanted {
            place,
            pointer,
            user_key,
            file,
        })
    }
}

fn read(storage: &dyn Storage, wanted: &[Wanted<'_>]) -> Result<Vec<Bytes>> {
    let files = wanted
        .iter()
        .map(|each| each.file.file_with(&each.pointer, each.user_key))
        .collect::<Result<Vec<_>>>()?;
    let mut values: Vec<Vec<u8>> = wanted
        .iter()
        .map(|each| vec![0; each.pointer.length as usize])
        .collect();
    let mut reads: Vec<FileRange<'_>> = wanted
        .iter()
        .zip(files)
        .zip(&mut values)
        .map(|((each, file), buffer)| FileRange {
            file,
            offset: each.pointer.offset,
            buffer,
        })
        .collect();
    if storage.read_batch(&mut reads).is_err() {
        // One by one, the error tells what it is about.
        let each = wanted.iter();
        return each
            .map(|each| each.file.read(&each.pointer, each.user_key))
            .collect();
    }
    for (each, value) in wanted.iter().zip(&values) {
        each.file.check(&each.pointer, each.user_key, value)?;
    }
    Ok(values.into_iter().map(Bytes::from).collect())
}
