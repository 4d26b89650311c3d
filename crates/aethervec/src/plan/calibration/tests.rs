use super::curve::least_effort;
use super::evidence::Evidence;
use super::samples::IDLE_MAX;
use super::*;
use crate::ann::{Family, Shape};
use crate::plan::trials::SHARES;
use crate::schema::{DenseField, IndexConfig};
use aether_distance::{Metric, VectorRef};
use aether_index::{BuildOptions, HnswParams, IvfParams, PointId, SearchParams};

const DIM: usize = 24;

/// Where it does not matter which.
const QUERY: [f32; DIM] = [0.1; DIM];

const GRAPH: Shape = Shape::Graph(HnswParams {
    m: 4,
    ef_construction: 40,
});

const BUCKETS: Shape = Shape::Buckets(IvfParams { bucket_points: 32 });

fn index(shape: Shape, points: usize, rng: &mut fastrand::Rng) -> (Arc<Ann>, Vec<Vec<f32>>) {
    let vectors: Vec<Vec<f32>> = (0..points)
        .map(|_| (0..DIM).map(|_| rng.f32() - 0.5).collect())
        .collect();
    let spec = DenseField::new(DIM, Metric::L2Squared, IndexConfig::Flat);
    let ids: Vec<PointId> = (0..points as u64).map(PointId).collect();
    let vector = |i: usize| VectorRef::F32(&vectors[i]);
    let ann = Ann::build(shape, &spec, 1, &ids, vector, BuildOptions::ALONE).unwrap();
    (Arc::new(ann), vectors)
}

fn search(ann: &Ann, query: &[f32], k: usize, ef: usize) -> Vec<Candidate> {
    let params = SearchParams {
        k,
        ef,
        include_dead: false,
    };
    let mut scratch = AnnScratch::default();
    ann.search(query, params, None, &mut scratch).unwrap()
}

/// What a search that asks for `recall` finds, and how many candidates it holds; `None` for an exact one.
fn ask(
    ann: &Arc<Ann>,
    calibration: &Calibration,
    query: &[f32],
    (k, recall): (usize, f32),
) -> (Vec<Candidate>, Option<usize>) {
    let mut scratch = AnnScratch::default();
    let mut all = |k| ann.scan_all(query, k, &|_| true, &mut scratch).unwrap();
    let effort = match calibration.curve(ann.len(), query, (k, recall)) {
        None => Effort::Sample,
        Some(curve) => {
            let first = curve.first(k);
            let found = search(ann, query, k.max(RANK), first.max(RANK));
            match calibration.effort(&curve, query, hardness(&found), k) {
                Effort::Ef(ef) => Effort::Ef(ef.max(first)),
                other => other,
            }
        }
    };
    match effort {
        Effort::Ef(ef) => (search(ann, query, k, ef), Some(ef)),
        Effort::Exact => (all(k), None),
        Effort::Sample => {
            let found = all(k);
            calibration.learn(ann, query, &mut scratch).unwrap();
            (found, None)
        }
    }
}

/// Learns from all queries that are offered, as the lane does: how many they were.
fn learn_offered(ann: &Arc<Ann>, calibration: &Calibration) -> usize {
    let (mut scratch, mut learned) = (AnnScratch::default(), 0);
    while let Some(query) = calibration.take_offered() {
        let taken = calibration.learn_offered(ann, &query, &mut scratch);
        taken.unwrap();
        learned += 1;
    }
    learned
}

/// The mean recall over `queries`, and how many were answered exactly.
fn recall_of(
    ann: &Arc<Ann>,
    calibration: &Calibration,
    queries: &[Vec<f32>],
    (k, recall): (usize, f32),
) -> (f32, usize) {
    let (mut shares, mut exact) = (0.0, 0);
    for query in queries {
        let (found, ef) = ask(ann, calibration, query, (k, recall));
        let mut scratch = AnnScratch::default();
        // As the lane does.
        if let Some(offered) = calibration.take_offered() {
            calibration
                .learn_offered(ann, &offered, &mut scratch)
                .unwrap();
        }
        let truth = ann.scan_all(query, k, &|_| true, &mut scratch);
        shares += share(&truth.unwrap(), &found, k);
        exact += usize::from(ef.is_none());
    }
    (shares / queries.len() as f32, exact)
}

#[test]
fn the_recall_asked_for_is_reached() {
    for shape in [GRAPH, BUCKETS] {
        reaches_the_recall_asked_for(shape);
    }
}

fn reaches_the_recall_asked_for(shape: Shape) {
    let mut rng = fastrand::Rng::with_seed(11);
    let (ann, _) = index(shape, 4_000, &mut rng);
    let calibration = Calibration::default();
    let queries = |count: usize, reach: f32, rng: &mut fastrand::Rng| -> Vec<Vec<f32>> {
        let mut query = || (0..DIM).map(|_| (rng.f32() - 0.5) * reach).collect();
        (0..count).map(|_| query()).collect()
    };
    let alike = queries(400, 1.0, &mut rng);
    // From another distribution: farther from all points than any of the others.
    let others = queries(400, 2.5, &mut rng);
    for queries in [alike, others] {
        for (k, recall) in [(10, 0.7), (10, 0.9), (10, 0.95), (100, 0.95), (1, 0.9)] {
            let (reached, exact) = recall_of(&ann, &calibration, &queries, (k, recall));
            eprintln!("{shape:?}, k {k}: {reached}, asked for {recall}, {exact} exact ones");
            assert!(
                reached >= recall - 0.02,
                "k {k}: {reached} instead of {recall}"
            );
            assert!(
                exact <= SAMPLES_MIN + queries.len() / 8,
                "{exact} exact ones"
            );
            let measured = calibration.measured().unwrap();
            assert_eq!(measured.asked, recall);
            // Few efforts were tried, and that of the smaller one is told: rather too little than too much.
            assert!(
                (reached - 0.2..reached + 0.05).contains(&measured.found),
                "k {k}: {measured:?}, and {reached} in fact"
            );
        }
    }
}

#[test]
fn nothing_is_measured_before_somebody_asks() {
    let calibration = Calibration::default();
    assert_eq!(calibration.measured(), None);
    calibration.curve(1_000, &QUERY, (10, 0.9));
    assert_eq!(calibration.measured(), None);
}

#[test]
fn more_recall_takes_more_effort() {
    let mut rng = fastrand::Rng::with_seed(13);
    let (ann, vectors) = index(GRAPH, 2_000, &mut rng);
    let calibration = Calibration::default();
    let mut scratch = AnnScratch::default();
    assert_eq!(calibration.curve(ann.len(), &QUERY, (10, 0.9)), None);
    for vector in &vectors[..SAMPLES_MIN] {
        let query: Vec<f32> = vector.iter().map(|x| x + 0.1 * rng.f32()).collect();
        calibration.learn(&ann, &query, &mut scratch).unwrap();
    }
    let mut samples = calibration.samples.lock();
    let mut efforts = |recall| -> Vec<Option<usize>> {
        let curve = samples.curve(10, recall);
        assert!(curve.steps.is_sorted_by_key(|&(hardness, _)| hardness));
        curve.steps.iter().map(|&(_, need)| need).collect()
    };
    let (less, more) = (efforts(0.6), efforts(0.95));
    let sum =
        |efforts: &[Option<usize>]| efforts.iter().map(|ef| ef.unwrap_or(2_000)).sum::<usize>();
    assert!(sum(&less) < sum(&more), "{less:?} {more:?}");
    drop(samples);
    let filter = Filter::eq("a", 1);
    let effort = |allowed| {
        calibration
            .filtered((ann.len(), allowed), &QUERY, &filter, (10, 0.6))
            .0
    };
    assert!(matches!(
        (effort(2_000), effort(200)),
        (Effort::Ef(_), Effort::Ef(_))
    ));
    assert!(matches!(effort(0), Effort::Ef(_)));
}

#[test]
fn what_was_learned_on_a_much_smaller_graph_is_forgotten() {
    let mut rng = fastrand::Rng::with_seed(12);
    let (ann, vectors) = index(GRAPH, 300, &mut rng);
    let calibration = Calibration::default();
    let mut scratch = AnnScratch::default();
    assert_eq!(calibration.curve(300, &QUERY, (10, 0.9)), None);
    for vector in &vectors[..SAMPLES_MIN] {
        calibration.learn(&ann, vector, &mut scratch).unwrap();
    }
    assert!(calibration.curve(500, &QUERY, (10, 0.9)).is_some());
    assert_eq!(calibration.curve(700, &QUERY, (10, 0.9)), None);
}

#[test]
fn what_no_effort_reaches_is_exact_and_what_is_unknown_is_learned() {
    let sample = |hardness, share| Sample {
        at: 0,
        is_again: false,
        hardness: [hardness; EFFORTS.len()],
        shares: [[share; EFFORTS.len()]; DEPTHS.len()],
        filtered: [[share; FILTERED_EFFORTS]; SHARES.len()],
    };
    let calibration = Calibration::default();
    let mut samples = calibration.samples.lock();
    for i in 0..4 * PEERS {
        let share = if i < 2 * PEERS { 1.0 } else { 0.5 };
        samples.evidence.samples.push_front(sample(i as f32, share));
    }
    let curve = samples.curve(10, 0.9);
    assert_eq!(samples.curve(250, 0.4).first(250), 250);
    drop(samples);
    assert_eq!(curve.first(10), 16);
    assert_eq!(calibration.effort(&curve, &QUERY, -1.0, 10), Effort::Ef(16));
    assert_eq!(
        calibration.effort(&curve, &QUERY, 3.0 * PEERS as f32, 10),
        Effort::Exact
    );
    let known = (4 * PEERS - HARDER_MIN) as f32;
    assert_eq!(curve.known(known, false), Some(None));
    assert_eq!(curve.known(known + 1.0, true), None);
    // One of them is answered with what is known; if there are many, something has changed.
    assert_eq!(
        calibration.effort(&curve, &QUERY, f32::INFINITY, 10),
        Effort::Exact
    );
    let unknown = || calibration.effort(&curve, &QUERY, f32::INFINITY, 10);
    for _ in 0..64 {
        unknown();
    }
    assert_eq!(unknown(), Effort::Sample);
    // Nobody waits for all of many points.
    calibration.samples.lock().points = INLINE_POINTS + 1;
    let hard = |k| calibration.effort(&curve, &QUERY, 3.0 * PEERS as f32, k);
    assert_eq!(hard(10), Effort::Ef(EFFORT_OF_TRUTH));
    assert_eq!(hard(15), Effort::Ef(2 * EFFORT_OF_TRUTH));
    assert_eq!(unknown(), Effort::Ef(EFFORT_OF_TRUTH));
}

#[test]
fn between_two_efforts_it_is_in_proportion() {
    let least = |asked| least_effort([0.5, 0.7, 0.9].into_iter(), asked);
    assert_eq!(
        (least(0.4), least(0.5), least(0.7)),
        (Some(16), Some(16), Some(24))
    );
    assert_eq!(
        (least(0.65), least(0.74), least(0.95)),
        (Some(22), Some(26), None)
    );
}

#[test]
fn under_a_filter_it_is_what_was_tried() {
    let curve = |typical, filtered| Curve {
        depth: 0,
        recall: 0.9,
        first: EFFORTS[0],
        limit: f32::INFINITY,
        limit_alone: f32::INFINITY,
        steps: Vec::new(),
        typical,
        filtered,
    };
    let known = curve(Some(100), [Some(60), Some(30)]);
    let at = |share: f64| known.filtered_at(share).map(f64::round);
    assert_eq!(
        (at(1.0), at(2.0), at(10.0)),
        (Some(100.0), Some(60.0), Some(30.0))
    );
    assert_eq!((at(2.0f64.sqrt()), at(1_000.0)), (Some(80.0), Some(30.0)));
    assert_eq!(curve(Some(100), [None, None]).filtered_at(1.5), None);
    assert_eq!(curve(Some(100), [Some(60), None]).filtered_at(50.0), None);
}

/// Queries of which the hard ones need no more than the others are searched for once.
#[test]
fn one_effort_for_all_is_not_repeated() {
    let mut samples = Samples {
        evidence: Evidence {
            family: Some(Family::Buckets),
            ..Evidence::default()
        },
        ..Samples::default()
    };
    let mut rng = fastrand::Rng::with_seed(17);
    let sample = |hard: f32, needs: usize| {
        let mut sample = Sample {
            hardness: [hard; EFFORTS.len()],
            ..Sample::default()
        };
        for shares in &mut sample.shares {
            for (share, ef) in shares.iter_mut().zip(EFFORTS) {
                *share = if ef >= needs { 1.0 } else { 0.5 };
            }
        }
        sample
    };
    // What they need has nothing to do with how hard they are.
    let alike = (0..SAMPLES_MAX).map(|i| sample(i as f32, EFFORTS[rng.usize(2..6)]));
    samples.evidence.samples = alike.collect();
    let level = samples.curve(10, 0.9);
    assert!(
        level
            .steps
            .iter()
            .all(|&(_, need)| need == Some(level.first))
    );
    assert!(
        EFFORTS[2] < level.first && level.first < EFFORTS[6],
        "{}",
        level.first
    );
    // The hardest of all that are asked is somewhat harder than the hardest sample.
    for hard in [0.0, SAMPLES_MAX as f32, 1.2 * SAMPLES_MAX as f32] {
        assert_eq!(level.known(hard, false), Some(Some(level.first)), "{hard}");
    }
    let (harder, far_harder) = (1.3 * SAMPLES_MAX as f32, 2.0 * SAMPLES_MAX as f32);
    assert_eq!(level.known(harder, false), None);
    assert_eq!(level.known(harder, true), Some(Some(level.first)));
    assert_eq!(level.known(far_harder, true), None);
    // Few that are harder are not searched for twice; many of them are.
    let calibration = Calibration::default();
    let effort = |hardness| calibration.effort(&level, &QUERY, hardness, 10);
    let (once, twice) = (
        Effort::Ef(level.first),
        Effort::Ef(level.first * UNKNOWN_FACTOR),
    );
    assert_eq!(effort(far_harder), twice);
    for i in 0..400 {
        assert_eq!(effort(if i % 50 == 49 { harder } else { 0.0 }), once, "{i}");
    }
    let many: Vec<Effort> = (0..5).map(|_| effort(harder)).collect();
    assert_eq!((many[0], many[4]), (once, twice));
    // The hardest quarter needs far more.
    let quarter = SAMPLES_MAX - SAMPLES_MAX / 4;
    let differ = (0..SAMPLES_MAX).map(|i| sample(i as f32, if i < quarter { 24 } else { 768 }));
    samples.evidence.samples = differ.collect();
    samples.curves.clear();
    let stepped = samples.curve(10, 0.9);
    assert!(stepped.first < 100, "{}", stepped.first);
    assert!(stepped.known(SAMPLES_MAX as f32 - 20.0, false) > Some(Some(500)));
}

#[test]
fn what_was_learned_before_many_points_came_is_replaced_in_the_background() {
    let mut rng = fastrand::Rng::with_seed(9);
    let (ann, vectors) = index(BUCKETS, 2_000, &mut rng);
    let (calibration, mut scratch) = (Calibration::default(), AnnScratch::default());
    let curve = || calibration.curve(ann.len(), &QUERY, (10, 0.9));
    calibration.applied(2_000, 2_000);
    assert_eq!(curve(), None);
    for vector in &vectors[..100] {
        calibration.learn(&ann, vector, &mut scratch).unwrap();
    }
    // Who learns makes all curves that may be wanted for the recall that somebody asks for.
    assert_eq!(calibration.samples.lock().curves.len(), 3);
    calibration.applied(2_125, 2_000);
    assert_eq!(curve().map(|curve| curve.recall), Some(0.9));
    assert!(!calibration.is_offered());
    // All are out of date: nobody waits, more is done for a while, and queries are learned from.
    calibration.applied(2_126, 2_000);
    for _ in 0..2 * SAMPLES_MIN {
        assert!(curve().is_some_and(|curve| (0.93..0.95).contains(&curve.recall)));
    }
    // And still more when nobody has come to learn for long.
    calibration.applied(2_700, 2_000);
    assert!(curve().is_some_and(|curve| (0.975..0.985).contains(&curve.recall)));
    assert!(calibration.is_offered());
    assert_eq!(learn_offered(&ann, &calibration), SAMPLES_MIN);
    // All of these had waited too long.
    assert!(curve().is_some_and(|curve| (0.93..0.95).contains(&curve.recall)));
    (0..SAMPLES_MIN).for_each(|_| assert!(curve().is_some()));
    assert_eq!(learn_offered(&ann, &calibration), SAMPLES_MIN);
    assert!(!calibration.is_offered());
    assert_eq!(curve().map(|curve| curve.recall), Some(0.9));
    assert_eq!(calibration.measured().unwrap().queries, SAMPLES_MIN);
    assert!(!calibration.is_offered());
}

#[test]
fn what_is_out_of_date_is_learned_again_from_the_latest_queries() {
    let mut rng = fastrand::Rng::with_seed(19);
    let (ann, vectors) = index(BUCKETS, 2_000, &mut rng);
    let calibration = Calibration::default();
    let learn_offered = || learn_offered(&ann, &calibration);
    calibration.applied(1_000, 900);
    for vector in &vectors[..SAMPLES_MIN] {
        assert!(!calibration.offer_again() && !calibration.is_behind());
        ask(&ann, &calibration, vector, (10, 0.9));
    }
    assert!(!calibration.is_behind());
    // More than twice as many as before: even so, nothing is forgotten once it was learned again.
    calibration.applied(3_000, 2_000);
    calibration.samples.lock().points = 900;
    assert!(calibration.is_behind() && calibration.offer_again() && calibration.is_behind());
    assert!(!calibration.offer_again());
    assert_eq!(learn_offered(), SAMPLES_MIN);
    assert!(!calibration.is_behind() && !calibration.offer_again());
    // Nobody has asked since: what is asked now may be of another kind.
    let recall = || {
        let curve = calibration.curve(ann.len(), &QUERY, (10, 0.9));
        curve.unwrap().recall
    };
    assert!((0.93..0.95).contains(&recall()));
    (0..SAMPLES_MIN).for_each(|_| assert!(recall() > 0.8));
    assert_eq!(learn_offered(), SAMPLES_MIN);
    assert_eq!(recall(), 0.9);
    let evidence = calibration.samples.lock().evidence.clone();
    assert!(evidence.samples.iter().all(|sample| !sample.is_again));
    // Nor where they are half as many at once, while more is done.
    let curve = calibration.curve(ann.len() / 2 - 1, &QUERY, (10, 0.9));
    assert!((0.93..0.95).contains(&curve.unwrap().recall));
    assert!(calibration.offer_again());
    assert_eq!(learn_offered(), SAMPLES_MIN);
    // What waited while the points changed is learned, but is not what is asked for now.
    assert!(recall() > 0.93);
    (0..SAMPLES_MIN).for_each(|_| assert!(recall() > 0.93));
    calibration.applied(6_000, 2_000);
    assert!(learn_offered() > SAMPLES_MIN / 2);
    assert!(recall() > 0.93);
    // The same for an index that has taken the place of another one.
    calibration.forget();
    assert!(calibration.is_behind() && calibration.offer_again());
    assert_eq!(learn_offered(), SAMPLES_MIN);
    assert!(calibration.curve(ann.len(), &QUERY, (10, 0.9)).is_some());
}

#[test]
fn who_learns_makes_the_curves_that_others_have_asked_for() {
    let mut rng = fastrand::Rng::with_seed(10);
    let (ann, vectors) = index(BUCKETS, 2_000, &mut rng);
    let (calibration, mut scratch) = (Calibration::default(), AnnScratch::default());
    let mut learn = |vector: &Vec<f32>| calibration.learn(&ann, vector, &mut scratch).unwrap();
    vectors[..SAMPLES_MIN].iter().for_each(&mut learn);
    let curve = calibration.samples.lock().curve(10, 0.9);
    let renewal = calibration.samples.lock().renewal();
    vectors[SAMPLES_MIN..2 * SAMPLES_MIN]
        .iter()
        .for_each(&mut learn);
    let mut samples = calibration.samples.lock();
    let of_all = samples.evidence.cheapest(curve.depth, 0.9);
    assert_ne!(*curve, of_all);
    assert_eq!(samples.curves.len(), 1);
    assert_eq!(*samples.curve(10, 0.9), of_all);
    // Somebody was slow, and comes too late.
    samples.renew(renewal.made());
    assert_eq!(*samples.curve(10, 0.9), of_all);
    // What nobody asks for any more goes.
    drop(samples);
    vectors.iter().take(IDLE_MAX + 1).for_each(&mut learn);
    assert!(calibration.samples.lock().curves.is_empty());
}

#[test]
fn where_comparing_with_all_points_takes_long_nobody_waits_for_it() {
    let calibration = Calibration::default();
    let many = INLINE_POINTS + 1;
    assert_eq!(calibration.curve(many, &QUERY, (10, 0.9)), None);
    assert!(calibration.is_offered());
    let effort = Calibration::unlearned(many, 20);
    assert_eq!(effort, Effort::Ef(2 * UNLEARNED_EFFORT));
    assert_eq!(Calibration::unlearned(INLINE_POINTS, 20), Effort::Sample);
}
