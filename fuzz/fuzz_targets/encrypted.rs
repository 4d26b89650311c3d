//! A file of an encrypted storage.
#![no_main]

use aether_crypt::fuzzing::Specimen;
use std::sync::LazyLock;

static SPECIMEN: LazyLock<Specimen> = LazyLock::new(Specimen::new);

aether_fuzz::fuzz_from!(SPECIMEN.start, |bytes| SPECIMEN.examine(bytes));
