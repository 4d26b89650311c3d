//! Asking the memory for bytes before they are needed.

/// Bytes of a cache line on the machines that we know.
const LINE_BYTES: usize = 64;

/// Starts fetching `bytes` into the nearest cache; returns at once. Only a hint: no effect on any result.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    prefetch_at(bytes.as_ptr(), bytes.len());
}

/// The same for an address that may not be read yet, or not at all: nothing is read here, so any address will do.
#[inline]
pub fn prefetch_at(start: *const u8, bytes: usize) {
    for offset in (0..bytes).step_by(LINE_BYTES) {
        prefetch_line(start.wrapping_add(offset));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch_line(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch never faults, whatever the address; SSE is part of x86_64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn prefetch_line(line: *const u8) {
    // SAFETY: a prefetch never faults, whatever the address, and changes neither memory nor flags.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{line}]", line = in(reg) line, options(nostack, preserves_flags, readonly));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn prefetch_line(_line: *const u8) {}

#[cfg(test)]
mod tests {
    #[test]
    fn accepts_any_length() {
        let bytes = [0; 200];
        for length in [0, 1, 64, 65, 200] {
            super::prefetch(&bytes[..length]);
        }
    }
}
