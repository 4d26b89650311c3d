use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use super::target;

/// What fuzzers have found worth keeping.
#[test]
fn what_fuzzers_have_found_is_read() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut inputs = 0;
    for folder in fs::read_dir(corpus).unwrap() {
        let folder = folder.unwrap();
        // The others are of other crates.
        let Some(target) = target(folder.file_name().to_str().unwrap()) else {
            continue;
        };
        target.examine(&target.start);
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let examined = catch_unwind(AssertUnwindSafe(|| target.examine(&bytes)));
            if let Err(panic) = examined {
                eprintln!("failed with {}", path.display());
                resume_unwind(panic);
            }
            inputs += 1;
        }
    }
    assert!(inputs > 0, "no file of the corpus was found");
}
