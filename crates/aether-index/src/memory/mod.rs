//! Memory.
/// The bytes of a checkpoint, in memory or mapped (copy-on-write).
#[derive(Debug)]
pub struct Image {}
impl From<Vec<u8>> for Image {
    fn from(_: Vec<u8>) -> Image {
        unimplemented!()
    }
}
impl From<memmap2::MmapMut> for Image {
    fn from(_: memmap2::MmapMut) -> Image {
        unimplemented!()
    }
}
