//! Checkpoints of indexes of buckets: they come back as they were, go on from there, and damage is found.

use aether_distance::Metric;
use aether_index::{
    BuildOptions, Candidate, ErrorKind, Image, Ivf, IvfParams, IvfScratch, SearchParams,
};

use crate::data::{Vectors, id, load, overlap, random, seed, truth};

fn small(vectors: &Vectors, metric: Metric) -> Ivf {
    let params = IvfParams { bucket_points: 32 };
    let points: Vec<_> = (0..vectors.len()).map(id).collect();
    let kind = (vectors.dim, metric, vectors.element());
    Ivf::build(
        kind,
        params,
        3,
        &points,
        |i| vectors.row(i),
        BuildOptions::ALONE,
    )
    .unwrap()
}

fn bytes_of(ivf: &Ivf) -> Vec<u8> {
    let mut bytes = Vec::new();
    ivf.write_checkpoint(&mut bytes).unwrap();
    bytes
}

fn answers(ivf: &Ivf, queries: &Vectors, include_dead: bool) -> Vec<Vec<Candidate>> {
    let mut scratch = IvfScratch::default();
    let params = SearchParams {
        k: 10,
        ef: 50,
        include_dead,
    };
    let search = |q| {
        ivf.search(&queries.floats(q), params, None, &mut scratch)
            .unwrap()
    };
    (0..queries.len()).map(search).collect()
}

/// What comes from a checkpoint is ranked by sharper estimates before it is compared: one of a hundred may be another one.
fn assert_alike(found: &[Vec<Candidate>], others: &[Vec<Candidate>]) {
    let all: usize = others.iter().map(Vec::len).sum();
    let both = found
        .iter()
        .zip(others)
        .flat_map(|(found, others)| found.iter().filter(|candidate| others.contains(candidate)));
    let both = both.count();
    assert!(100 * both >= 98 * all, "{both} of {all}");
}

#[test]
fn an_index_comes_back_as_it_was_and_goes_on() {
    for (base, queries, metric) in [
        ("minilm-base.npy", "minilm-query.npy", Metric::Cosine),
        ("minilm-base.npy", "minilm-query.npy", Metric::InnerProduct),
        (
            "fashion-base.npy.gz",
            "fashion-query.npy.gz",
            Metric::L2Squared,
        ),
    ] {
        let (base, queries) = (load(base), load(queries));
        let ivf = small(&base, metric);
        for i in (0..base.len()).step_by(7) {
            assert!(ivf.remove(id(i)));
        }
        // A pass that is half done: some of the dead are in no bucket any more.
        assert!(!ivf.consolidate(base.len() / 2).unwrap().done);
        let bytes = bytes_of(&ivf);
        let info = Ivf::verify_checkpoint(&bytes).unwrap();
        assert!(info.dead > 0 && info.dead < ivf.dead() && info.points == ivf.len() + info.dead);
        let opened = Ivf::open(Image::from(bytes.clone())).unwrap();
        assert_eq!(
            (opened.len(), opened.dead(), opened.buckets()),
            (ivf.len(), info.dead, ivf.buckets())
        );
        assert_eq!(
            (opened.dim(), opened.metric(), opened.element()),
            (ivf.dim(), metric, ivf.element())
        );
        assert_alike(
            &answers(&opened, &queries, false),
            &answers(&ivf, &queries, false),
        );
        assert_eq!(bytes_of(&opened), bytes);
        for (index, dead) in [(&ivf, ivf.dead()), (&opened, info.dead)] {
            let summary = index.check().unwrap();
            assert_eq!((summary.live, summary.dead), (ivf.len(), dead));
        }
        for i in 0..base.len() {
            assert_eq!(opened.contains(id(i)), i % 7 != 0);
        }
        while !opened.consolidate(1000).unwrap().done {}
        for i in (0..base.len()).step_by(7) {
            assert!(opened.insert(id(i), base.row(i)).unwrap());
        }
        assert_eq!((opened.len(), opened.dead()), (base.len(), 0));
        assert_eq!(opened.check().unwrap().live, base.len());
        let mut scratch = IvfScratch::default();
        for i in (0..base.len()).step_by(91) {
            let nearest = opened.scan(&base.floats(i), 1, [id(i)].into_iter(), false, &mut scratch);
            assert_eq!(nearest.unwrap()[0].point, id(i));
        }
        let again = Ivf::open(Image::from(bytes_of(&opened))).unwrap();
        assert_alike(
            &answers(&again, &queries, true),
            &answers(&opened, &queries, true),
        );
    }
}

#[test]
fn a_search_reads_few_pages_of_vectors() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let ivf = small(&base, Metric::Cosine);
    let (truth, mut scratch) = (
        truth(&base, Metric::Cosine, 0..base.len(), &queries, 10),
        IvfScratch::default(),
    );
    let mut search = |ivf: &Ivf| {
        let params = SearchParams {
            k: 10,
            ef: 80,
            include_dead: false,
        };
        let (mut found, mut pages) = (0, 0);
        for (q, truth) in truth.iter().enumerate() {
            let nearest = ivf
                .search(&queries.floats(q), params, None, &mut scratch)
                .unwrap();
            found += overlap(&nearest, truth);
            pages += scratch.pages_read();
        }
        let queries = queries.len() as f64;
        (found as f64 / (10.0 * queries), pages as f64 / queries)
    };
    let opened = Ivf::open(Image::from(bytes_of(&ivf))).unwrap();
    let ((built, none), (recall, pages)) = (search(&ivf), search(&opened));
    println!("recall {recall} with {pages} pages of vectors, {built} in memory");
    assert!(none == 0.0 && pages <= 12.0, "{pages} pages of vectors");
    assert!(
        recall >= 0.95 && recall >= built - 0.005,
        "recall {recall}, in memory {built}"
    );

    // Slots that have other points have no codes in the checkpoint.
    for i in 0..base.len() / 2 {
        assert!(opened.remove(id(i)));
    }
    while !opened.consolidate(10_000).unwrap().done {}
    for i in 0..base.len() / 2 {
        assert!(opened.insert(id(i), base.row(i)).unwrap());
    }
    let (recall, pages) = search(&opened);
    println!("half of them anew: recall {recall} with {pages} pages of vectors");
    assert!(
        recall >= built - 0.01 && pages <= 16.0,
        "half of them anew: recall {recall}, {pages} pages"
    );
}

#[test]
fn an_empty_index_has_a_checkpoint() {
    let mut rng = fastrand::Rng::with_seed(1);
    let base = random(&mut rng, 10, 5);
    let ivf = Ivf::new(5, Metric::Cosine, base.element(), IvfParams::DEFAULT, 9).unwrap();
    let opened = Ivf::open(Image::from(bytes_of(&ivf))).unwrap();
    assert!(opened.is_empty() && opened.buckets() == 0);
    assert!(answers(&opened, &base, true).iter().all(Vec::is_empty));
    for i in 0..10 {
        assert!(opened.insert(id(i), base.row(i)).unwrap());
    }
    assert!(
        answers(&opened, &base, false)
            .iter()
            .all(|found| found.len() == 10)
    );
}

#[test]
fn damage_is_found_and_never_panics() {
    let mut rng = fastrand::Rng::with_seed(seed());
    let base = random(&mut rng, 300, 20);
    let ivf = small(&base, Metric::L2Squared);
    ivf.remove(id(5));
    let whole = bytes_of(&ivf);
    for length in [0, 100, 4096, 8191, whole.len() - 4096, whole.len() - 1] {
        let error = Ivf::open(Image::from(whole[..length].to_vec())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
    }
    for _ in 0..400 {
        let mut bytes = whole.clone();
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 1 << rng.u32(..8);
        let error = Ivf::verify_checkpoint(&bytes).unwrap_err();
        assert!(!error.to_string().is_empty());
        // Without its checksums a damaged index gives wrong answers at worst.
        let Ok(opened) = Ivf::open(Image::from(bytes)) else {
            continue;
        };
        answers(&opened, &base, true);
        let _ = opened.check();
        opened.remove(id(7));
        let _ = opened.consolidate(10_000).unwrap();
        for i in 300..400 {
            let _ = opened.insert(id(i), base.row(i % 300)).unwrap();
        }
        answers(&opened, &base, false);
        bytes_of(&opened);
    }
}
