//! Written, opened in place, gone on with; and what damage does.

use aether_distance::{ElementType, Metric};
use aether_index::{ErrorKind, Hnsw, HnswParams, Image, Scratch, SearchParams, verify_checkpoint};
use memmap2::MmapMut;

use crate::data::{build, id, load, random, recall, search, seed, truth};

fn checkpoint(hnsw: &Hnsw) -> Vec<u8> {
    let mut bytes = Vec::new();
    hnsw.write_checkpoint(&mut bytes).unwrap();
    bytes
}

fn mapped(bytes: &[u8]) -> Image {
    let mut map = MmapMut::map_anon(bytes.len()).unwrap();
    map.copy_from_slice(bytes);
    Image::from(map)
}

#[test]
fn a_graph_goes_on_where_its_checkpoint_ends() {
    for (base, queries, metric) in [
        ("minilm-base.npy", "minilm-query.npy", Metric::Cosine),
        (
            "fashion-base.npy.gz",
            "fashion-query.npy.gz",
            Metric::L2Squared,
        ),
    ] {
        let (base, queries) = (load(base), load(queries));
        let hnsw = build(&base, metric, 0..3000);
        for i in 0..100 {
            hnsw.remove(id(i));
        }
        let bytes = checkpoint(&hnsw);
        let info = verify_checkpoint(&bytes).unwrap();
        assert_eq!((info.points, info.dead), (3000, 100));
        for image in [Image::from(bytes.clone()), mapped(&bytes)] {
            let opened = Hnsw::open(image).unwrap();
            assert_eq!(
                (opened.dim(), opened.metric(), opened.element()),
                (base.dim, metric, base.element())
            );
            assert_eq!(
                (opened.params(), opened.len(), opened.dead()),
                (HnswParams::DEFAULT, 2900, 100)
            );
            assert_eq!(opened.check().unwrap(), hnsw.check().unwrap());
            for q in 0..queries.len() {
                let query = queries.floats(q);
                let (mut old, mut new) = (
                    search(&hnsw, &query, 10, 2900),
                    search(&opened, &query, 10, 2900),
                );
                old.retain(|candidate| new.contains(candidate));
                new.retain(|candidate| old.contains(candidate));
                assert_eq!(old, new);
                assert!(old.len() >= 9);
            }
            assert!(!opened.insert(id(200), base.row(200)).unwrap());
            assert!(
                !opened.insert(id(20), base.row(20)).unwrap(),
                "dead, but still there"
            );
            for i in 3000..4000 {
                assert!(opened.insert(id(i), base.row(i)).unwrap());
            }
            for i in 100..1000 {
                assert!(opened.remove(id(i)) && !opened.contains(id(i)));
            }
            while !opened.consolidate(500).unwrap().done {}
            assert_eq!(opened.dead(), 0);
            for i in 4000..5000 {
                assert!(opened.insert(id(i), base.row(i)).unwrap());
            }
            let summary = opened.check().unwrap();
            assert_eq!((summary.live, summary.dead), (4000, 0));
            let exact = truth(&base, metric, 1000..5000, &queries, 10);
            assert!(recall(&opened, &queries, &exact, 64) >= 0.98);
            let again = Hnsw::open(Image::from(checkpoint(&opened))).unwrap();
            assert_eq!(again.check().unwrap(), summary);
            assert!(recall(&again, &queries, &exact, 64) >= 0.98);
        }
        assert!(
            verify_checkpoint(&bytes).is_ok(),
            "the file's bytes did not change"
        );
    }
}

#[test]
fn an_empty_graph_and_a_centre_survive() {
    let centre = [1.0, -2.0, 3.0];
    let hnsw = Hnsw::new(
        3,
        Metric::L2Squared,
        ElementType::F32,
        HnswParams::DEFAULT,
        5,
    )
    .unwrap();
    let hnsw = hnsw.with_centre(&centre).unwrap();
    let opened = Hnsw::open(Image::from(checkpoint(&hnsw))).unwrap();
    assert!(search(&opened, &[0.0; 3], 5, 10).is_empty());
    assert_eq!(opened.check().unwrap(), hnsw.check().unwrap());
    let base = random(&mut fastrand::Rng::with_seed(seed()), 100, 3);
    for graph in [&hnsw, &opened] {
        for i in 0..100 {
            graph.insert(id(i), base.row(i)).unwrap();
        }
    }
    assert!(checkpoint(&hnsw) == checkpoint(&opened));
}

/// A small graph of several layers, with dead points.
fn small() -> Vec<u8> {
    let base = random(&mut fastrand::Rng::with_seed(seed()), 300, 8);
    let params = HnswParams {
        m: 4,
        ef_construction: 32,
    };
    let hnsw = Hnsw::new(8, Metric::L2Squared, ElementType::F32, params, 7).unwrap();
    let hnsw = hnsw.with_centre(&[0.1; 8]).unwrap();
    for i in 0..300 {
        hnsw.insert(id(i), base.row(i)).unwrap();
    }
    for i in 0..20 {
        hnsw.remove(id(i));
    }
    checkpoint(&hnsw)
}

/// Everything that a graph can do, on one that may be damaged: it may answer badly, but must not panic.
fn exercise(hnsw: &Hnsw) {
    let base = random(&mut fastrand::Rng::with_seed(3), 30, 8);
    let mut scratch = Scratch::default();
    for include_dead in [false, true] {
        let params = SearchParams {
            k: 10,
            ef: 30,
            include_dead,
        };
        for i in 0..5 {
            hnsw.search(&base.floats(i), params, None, &mut scratch)
                .unwrap();
            hnsw.search(
                &base.floats(i),
                params,
                Some(&|point| point.0 % 2 == 0),
                &mut scratch,
            )
            .unwrap();
        }
    }
    for i in 0..30 {
        hnsw.insert(id(1000 + i), base.row(i)).unwrap();
        hnsw.remove(id(10 * i));
    }
    let _ = hnsw.check();
    assert!(hnsw.points().count() <= 330);
    for _ in 0..3 {
        hnsw.consolidate(usize::MAX).unwrap();
        hnsw.insert(id(2000), base.row(0)).unwrap();
        hnsw.remove(id(2000));
    }
    let _ = hnsw.check();
    let mut bytes = Vec::new();
    hnsw.write_checkpoint(&mut bytes).unwrap();
    Hnsw::open(Image::from(bytes))
        .unwrap()
        .search(
            &[0.0; 8],
            SearchParams {
                k: 5,
                ef: 5,
                include_dead: true,
            },
            None,
            &mut scratch,
        )
        .unwrap();
}

#[test]
fn damage_is_found_or_harmless() {
    const PAGE: usize = 4096;
    let whole = small();
    let mut rng = fastrand::Rng::with_seed(seed());
    exercise(&Hnsw::open(Image::from(whole.clone())).unwrap());
    // Header and trailer: every byte. Sections: some thousands, in records of every kind.
    let ends = (0..PAGE).chain(whole.len() - PAGE..whole.len());
    for at in ends {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << rng.u32(..8);
        let error = Hnsw::open(Image::from(bytes)).unwrap_err();
        assert!(
            [ErrorKind::Corruption, ErrorKind::Invalid].contains(&error.kind()),
            "byte {at}: {error}"
        );
    }
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        let at = rng.usize(PAGE..whole.len() - PAGE);
        bytes[at] ^= 1 << rng.u32(..8);
        assert_eq!(
            verify_checkpoint(&bytes).unwrap_err().kind(),
            ErrorKind::Corruption,
            "byte {at}"
        );
        exercise(&Hnsw::open(Image::from(bytes)).unwrap());
    }
    // Whole words of noise reach what single bits do not: other slots, no slot, lists that end in themselves.
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..400) {
            let at = rng.usize(PAGE / 4..(whole.len() - PAGE) / 4) * 4;
            let word = [rng.u32(..), rng.u32(..310), u32::MAX, u32::MAX - 1, 0][rng.usize(..5)];
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        exercise(&Hnsw::open(Image::from(bytes)).unwrap());
    }
}

#[test]
fn what_is_too_short_or_too_long_is_refused() {
    let whole = small();
    for length in (0..whole.len())
        .step_by(509)
        .chain([whole.len() - 1, whole.len() - 4096])
    {
        let error = Hnsw::open(Image::from(whole[..length].to_vec())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{length} bytes");
        assert!(verify_checkpoint(&whole[..length]).is_err());
    }
    let mut longer = whole.clone();
    longer.splice(4096..4096, [0; 4096]);
    assert_eq!(
        Hnsw::open(Image::from(longer)).unwrap_err().kind(),
        ErrorKind::Corruption
    );
}

#[test]
fn a_newer_format_says_so() {
    let mut bytes = small();
    bytes[8] = 2;
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes[..4088]);
    bytes[4088..4096].copy_from_slice(&checksum.to_le_bytes());
    let error = Hnsw::open(Image::from(bytes)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("format 2"), "{error}");
}

/// A new point in the slot of one that was freed met that one's entry in the table of the checkpoint, took it for its
/// own, and was thrown away as being there already.
#[test]
fn new_points_take_the_slots_of_a_checkpoint() {
    let vectors = random(&mut fastrand::Rng::with_seed(2), 6000, 4);
    let hnsw = build(&vectors, Metric::L2Squared, 0..2000);
    let opened = Hnsw::open(Image::from(checkpoint(&hnsw))).unwrap();
    for round in 0..2 {
        for i in 0..2000 {
            assert!(opened.remove(id(round * 2000 + i)));
        }
        while !opened.consolidate(1000).unwrap().done {}
        for i in 2000..4000 {
            let i = round * 2000 + i;
            assert!(opened.insert(id(i), vectors.row(i)).unwrap());
            assert!(opened.contains(id(i)));
        }
    }
    assert_eq!(opened.len(), 2000);
}

/// A table of less than a page was searched as if its padding belonged to it, so that points were not found by id.
#[test]
fn a_checkpoint_of_any_size_knows_its_points() {
    let vectors = random(&mut fastrand::Rng::with_seed(3), 800, 4);
    for points in [1, 2, 5, 100, 256, 341, 342, 700, 800] {
        let hnsw = build(&vectors, Metric::L2Squared, 0..points);
        let opened = Hnsw::open(Image::from(checkpoint(&hnsw))).unwrap();
        assert_eq!(opened.check().unwrap().live, points);
        assert!((0..points).all(|i| opened.contains(id(i)) && opened.remove(id(i))));
    }
}
