//! How the contents of a block become its payload, and back.
//!
//! ```text
//! codec 0   the payload is the contents
//! codec 1   length of the contents u32 | their LZ4 block
//! codec 2   length of the contents u32 | their Zstandard frame
//! ```

use std::io::Read;

use bytes::Bytes;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::CompressionLevel;

use crate::options::Compression;

/// The payload is the contents.
pub(super) const NONE: u8 = 0;
const LZ4: u8 = 1;
const ZSTD: u8 = 2;

/// An LZ4 block grows at most by this factor when decoded.
const LZ4_RATIO_MAX: usize = 255;

/// Contents that a Zstandard frame shrinks by more than this are not stored as one; nor read.
const ZSTD_RATIO_MAX: usize = 1 << 15;

/// Bytes of the length in front of compressed contents.
const LENGTH_BYTES: usize = 4;

/// A compressor with its buffers.
pub(super) enum Codec {
    Lz4 {
        table: Box<lz4_flex::block::CompressTable>,
        output: Vec<u8>,
    },
    Zstd {
        output: Vec<u8>,
    },
}

impl Codec {
    /// The compressor for `compression`; none when nothing is compressed.
    pub(super) fn new(compression: Compression) -> Option<Codec> {
        match compression {
            Compression::None => None,
            Compression::Lz4 => Some(Codec::Lz4 {
                table: Box::new(lz4_flex::block::CompressTable::small()),
                output: Vec::new(),
            }),
            Compression::Zstd => Some(Codec::Zstd { output: Vec::new() }),
        }
    }

    /// `contents` compressed, when that saves at least an eighth; and the codec's number.
    pub(super) fn compress(&mut self, contents: &[u8]) -> Option<(&[u8], u8)> {
        let (output, number) = match self {
            Codec::Lz4 { table, output } => {
                output.resize(lz4_flex::block::get_maximum_output_size(contents.len()), 0);
                let written =
                    lz4_flex::block::compress_into_with_table(contents, output, table).ok()?;
                output.truncate(written);
                (output, LZ4)
            }
            Codec::Zstd { output } => {
                *output = ruzstd::encoding::compress_to_vec(contents, CompressionLevel::Fastest);
                if contents.len() / ZSTD_RATIO_MAX > output.len() {
                    return None;
                }
                (output, ZSTD)
            }
        };
        let saves = output.len() + LENGTH_BYTES <= contents.len() - contents.len() / 8;
        saves.then_some((&output[..], number))
    }
}

/// The contents of `payload`, which shares its memory with them when it is not compressed.
pub(super) fn decompress(codec: u8, payload: Bytes) -> Result<Bytes, String> {
    if codec == NONE {
        return Ok(payload);
    }
    let ratio_max = match codec {
        LZ4 => LZ4_RATIO_MAX,
        ZSTD => ZSTD_RATIO_MAX,
        _ => return Err(format!("unknown block codec {codec}")),
    };
    let Some((length, compressed)) = payload.split_first_chunk::<LENGTH_BYTES>() else {
        return Err("a compressed block without its length".to_owned());
    };
    let length = u32::from_le_bytes(*length) as usize;
    // One more, for what is behind the last whole multiple.
    if length / ratio_max > compressed.len() {
        return Err(format!(
            "{} compressed bytes cannot become {length}",
            compressed.len()
        ));
    }
    let contents = if codec == LZ4 {
        let mut contents = vec![0; length];
        let written = lz4_flex::block::decompress_into(compressed, &mut contents)
            .map_err(|error| format!("LZ4: {error}"))?;
        contents.truncate(written);
        contents
    } else {
        unzstd(compressed, length)?
    };
    if contents.len() != length {
        return Err(format!(
            "decompressed to {} bytes instead of {length}",
            contents.len()
        ));
    }
    Ok(contents.into())
}

/// Takes memory as contents come, and never for more than one byte beyond `length`.
fn unzstd(compressed: &[u8], length: usize) -> Result<Vec<u8>, String> {
    let decoder =
        StreamingDecoder::new(compressed).map_err(|error| format!("Zstandard: {error}"))?;
    let mut contents = Vec::new();
    decoder
        .take(length as u64 + 1)
        .read_to_end(&mut contents)
        .map_err(|error| format!("Zstandard: {error}"))?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            contents in prop_oneof!["[ab]{0,3000}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..300)],
        ) {
            for mut codec in ALL.into_iter().filter_map(Codec::new) {
                let Some((compressed, number)) = codec.compress(&contents) else { continue };
                let length = u32::try_from(contents.len()).unwrap().to_le_bytes();
                let payload = Bytes::from([&length[..], compressed].concat());
                prop_assert_eq!(decompress(number, payload.clone()).unwrap(), contents.clone());
                for wrong in 0..payload.len() {
                    let _ = decompress(number, payload.slice(..wrong));
                }
            }
        }

        #[test]
        fn arbitrary_payloads_do_not_panic(
            codec in 0_u8..4,
            length in prop_oneof![0_u32..400, any::<u32>()],
            magic in any::<bool>(),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let magic: &[u8] = if magic { &[0x28, 0xb5, 0x2f, 0xfd] } else { &[] };
            let payload = [&length.to_le_bytes(), magic, &rest].concat();
            let _ = decompress(codec, payload.into());
        }
    }

    #[test]
    fn large_and_uniform_contents_come_back() {
        for mut codec in ALL.into_iter().filter_map(Codec::new) {
            let contents = vec![7; 3 << 20];
            let Some((compressed, number)) = codec.compress(&contents) else {
                continue;
            };
            let length = u32::try_from(contents.len()).unwrap().to_le_bytes();
            let payload = Bytes::from([&length[..], compressed].concat());
            assert_eq!(decompress(number, payload).unwrap(), contents);
        }
    }
}
