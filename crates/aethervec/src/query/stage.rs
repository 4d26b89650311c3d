//! A stage of a request: what it begins with, and what is left of it.

use super::at::{At, Locate};
use super::cursor::Place;
use super::documents::{Doc, Documents, Read};
use super::formula;
use super::fusion;
use super::input::Input;
use super::kinds::{ContextPair, Query, RecommendStrategy};
use super::ranking::{Better, Ranking, Scored, Top};
use super::request::{Effort, Prefetch, QueryRequest};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::id::DocId;
use crate::plan::explain::Trace;
use crate::vector::VectorValue;
use crate::view::CollectionView;
use std::collections::{BTreeSet, HashMap};

/// Other collections, at the same moment.
pub(crate) trait Others {
    /// The collection called `name`.
    fn collection(&self, name: &str) -> Result<CollectionView>;
}

/// For a view, which knows no collection but its own.
pub(crate) struct NoOthers;

impl Others for NoOthers {
    fn collection(&self, name: &str) -> Result<CollectionView> {
        Err(Error::invalid(format!(
            "a view reads one collection: to read {name:?} too, query the collection itself"
        )))
    }
}

/// What all stages of a request share.
pub(super) struct Evaluation<'a> {
    pub(super) documents: Documents<'a>,
    pub(super) others: &'a dyn Others,
}

/// A stage, while it is evaluated.
pub(super) struct Stage<'r> {
    prefetch: &'r [Prefetch],
    query: Option<&'r Query>,
    pub(super) using: &'r str,
    /// Its own filter and those of the stages above.
    pub(super) filter: Option<Filter>,
    score_threshold: Option<f64>,
    pub(super) effort: Effort,
    /// How many results are wanted.
    pub(super) k: usize,
    /// Behind which place it begins.
    pub(super) after: Option<&'r Place>,
}

/// The documents that a stage looks at, before its filter.
pub(super) enum Domain {
    All,
    /// Those that the prefetches have found.
    Found(BTreeSet<DocId>),
}

impl<'r> Stage<'r> {
    /// The stage of the request itself, for so many results.
    pub(super) fn of(request: &'r QueryRequest, k: usize) -> Stage<'r> {
        Stage {
            prefetch: &request.prefetch,
            query: request.query.as_ref(),
            using: &request.using,
            filter: request.filter.clone(),
            score_threshold: request.score_threshold,
            effort: request.effort,
            k,
            after: request.cursor.as_ref().map(|cursor| &cursor.place),
        }
    }

    fn of_prefetch(prefetch: &'r Prefetch, above: Option<&Filter>) -> Stage<'r> {
        let filter = match (above, &prefetch.filter) {
            (Some(above), Some(own)) => Some(own.clone().and(above.clone())),
            (above, own) => above.or(own.as_ref()).cloned(),
        };
        Stage {
            prefetch: &prefetch.prefetch,
            query: prefetch.query.as_ref(),
            using: &prefetch.using,
            filter,
            score_threshold: prefetch.score_threshold,
            effort: prefetch.effort,
            k: prefetch.limit,
            after: None,
        }
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(view: &'a CollectionView, others: &'a dyn Others) -> Evaluation<'a> {
        Evaluation {
            documents: Documents::new(view),
            others,
        }
    }

    /// What `stage`, which is at `at`, finds.
    pub(super) fn stage(&self, stage: &Stage<'_>, at: &At<'_>) -> Result<Ranking> {
        let mut found = Vec::with_capacity(stage.prefetch.len());
        for (position, prefetch) in stage.prefetch.iter().enumerate() {
            let inner = Stage::of_prefetch(prefetch, stage.filter.as_ref());
            found.push(self.stage(&inner, &at.item("prefetch", position))?);
        }
        let domain = if stage.prefetch.is_empty() {
            Domain::All
        } else {
            let ids = found.iter().flat_map(|ranking| &ranking.hits);
            Domain::Found(ids.map(|hit| hit.id.clone()).collect())
        };
        let mut ranking = Trace::of_thread().step(
            "stage",
            || match stage.query {
                None => self.by_id(stage, &domain),
                Some(query) => self.query(query, stage, &domain, &found, &at.field("query")),
            },
            |ranking| {
                let name = stage.query.map_or("by id", Query::name);
                let detail = format!("{name}, at most {}", stage.k);
                (ranking.hits.len() as u64, detail)
            },
        )?;
        if let Some(threshold) = stage.score_threshold {
            let better = ranking.better;
            let limit = better.similarity(threshold);
            ranking
                .hits
                .retain(|hit| better.similarity(hit.score) >= limit);
        }
        Ok(ranking)
    }

    fn query(
        &self,
        query: &Query,
        stage: &Stage<'_>,
        domain: &Domain,
        found: &[Ranking],
        at: &At<'_>,
    ) -> Result<Ranking> {
        match query {
            Query::Nearest(input) => {
                let at = at.field("nearest");
                let (vector, own) = self.vector(input, stage, &at)?;
                let without: Vec<DocId> = own.into_iter().collect();
                self.nearest(&vector, &without, stage, stage.k, domain, &at)
            }
            Query::Mmr(mmr) => self.mmr(mmr, stage, domain, &at.field("mmr")),
            Query::Recommend(recommend) => {
                let at = at.field("recommend");
                let (positive, mut without) =
                    self.vectors(&recommend.positive, stage, "positive", &at)?;
                let (negative, more) = self.vectors(&recommend.negative, stage, "negative", &at)?;
                without.extend(more);
                if recommend.strategy == RecommendStrategy::AverageVector {
                    let vector = self.average(&positive, &negative, stage, &at)?;
                    return self.nearest(&vector, &without, stage, stage.k, domain, &at);
                }
                self.by_examples(
                    &positive,
                    &negative,
                    &without,
                    stage,
                    domain,
                    recommend.strategy,
                    &at,
                )
            }
            Query::Discover(discover) => {
                let at = at.field("discover");
                let (target, own) = self.vector(&discover.target, stage, &at.field("target"))?;
                let (pairs, mut without) = self.pairs(&discover.context, stage, &at)?;
                without.extend(own);
                self.by_context(Some(&target), &pairs, &without, stage, domain, &at)
            }
            Query::Context(context) => {
                let (pairs, without) = self.pairs(context, stage, at)?;
                self.by_context(None, &pairs, &without, stage, domain, &at.field("context"))
            }
            Query::Text(text) => self.by_text(text, stage, domain),
            Query::Rrf(rrf) => Ok(fusion::rrf(rrf, found, stage.k)),
            Query::Dbsf(dbsf) => Ok(fusion::dbsf(dbsf, found, stage.k)),
            Query::Formula(formula) => {
                let at = at.field("formula");
                let scores: Vec<HashMap<&DocId, f64>> = found
                    .iter()
                    .map(|ranking| {
                        ranking
                            .hits
                            .iter()
                            .map(|hit| (&hit.id, hit.score))
                            .collect()
                    })
                    .collect();
                let mut top = Top::new(stage.k, Better::Greater);
                self.each(domain, stage, Read::PayloadAndVectors, |doc| {
                    let scores: Vec<Option<f64>> = scores
                        .iter()
                        .map(|scores| scores.get(&doc.id).copied())
                        .collect();
                    let value = formula::compute(formula, &self.documents, doc, &scores, &at)?;
                    top.offer(doc.id.clone(), value);
                    Ok(())
                })?;
                Ok(top.into_ranking())
            }
            Query::OrderBy(order) => self.order_by(order, stage, domain, at),
            Query::Sample(sample) => self.sample(*sample, stage, domain),
        }
    }

    /// Documents in the order of their ids.
    fn by_id(&self, stage: &Stage<'_>, domain: &Domain) -> Result<Ranking> {
        let after = match stage.after {
            Some(Place::After { id, .. }) => Some(id),
            _ => None,
        };
        let filter = stage.filter.as_ref();
        let ids = match domain {
            Domain::All => self.documents.first_ids(filter, after, stage.k)?,
            Domain::Found(_) => {
                let mut ids = Vec::new();
                self.each(domain, stage, Read::Payload, |doc| {
                    if after.is_none_or(|after| doc.id > *after) {
                        ids.push(doc.id.clone());
                    }
                    Ok(())
                })?;
                ids.truncate(stage.k);
                ids
            }
        };
        let hits = ids.into_iter().map(|id| Scored { id, score: 0.0 });
        Ok(Ranking {
            hits: hits.collect(),
            better: Better::Greater,
        })
    }

    /// Calls `each` with the documents of `domain` that satisfy the stage's filter.
    pub(super) fn each(
        &self,
        domain: &Domain,
        stage: &Stage<'_>,
        read: Read,
        each: impl FnMut(&Doc) -> Result<()>,
    ) -> Result<()> {
        let filter = stage.filter.as_ref();
        match domain {
            Domain::All => self.documents.each(filter, read, each),
            Domain::Found(ids) => self.documents.read(ids, filter, read, each),
        }
    }

    /// The vector that `input` means in the field of `stage`, and the document that it is of if that could be found too.
    pub(super) fn vector(
        &self,
        input: &Input,
        stage: &Stage<'_>,
        at: &At<'_>,
    ) -> Result<(VectorValue, Option<DocId>)> {
        let of = match input {
            Input::Vector(vector) => return Ok((super::input::searching(vector.clone()), None)),
            Input::Document(of) => of,
        };
        let document = match &of.collection {
            None => self.documents.view.get(&of.id).at(at)?,
            Some(name) => {
                let view = self.others.collection(name).at(&at.field("collection"))?;
                view.get(&of.id).at(at)?
            }
        };
        let id = of.id.to_string();
        let document = document
            .ok_or_else(|| at.locate(Error::not_found(format!("there is no document {id:?}"))))?;
        let using = of.using.as_deref().unwrap_or(stage.using);
        let Some(vector) = document.vectors.get(using) else {
            let what = format!("document {id:?} has no vector in field {using:?}");
            return Err(at.locate(Error::not_found(what)));
        };
        let vector = super::input::searching(vector.clone());
        let own = of.collection.is_none().then_some(document.id);
        Ok((vector, own))
    }

    /// The vectors that `inputs`, which are called `name` at `at`, mean, and the documents that they are of.
    fn vectors(
        &self,
        inputs: &[Input],
        stage: &Stage<'_>,
        name: &'static str,
        at: &At<'_>,
    ) -> Result<(Vec<VectorValue>, Vec<DocId>)> {
        let mut vectors = Vec::with_capacity(inputs.len());
        let mut documents = Vec::new();
        for (position, input) in inputs.iter().enumerate() {
            let (vector, own) = self.vector(input, stage, &at.item(name, position))?;
            vectors.push(vector);
            documents.extend(own);
        }
        Ok((vectors, documents))
    }

    /// The vectors of pairs of examples, and the documents that they are of.
    #[expect(
        clippy::type_complexity,
        reason = "two lists, each of one call's only result"
    )]
    fn pairs(
        &self,
        pairs: &[ContextPair],
        stage: &Stage<'_>,
        at: &At<'_>,
    ) -> Result<(Vec<(VectorValue, VectorValue)>, Vec<DocId>)> {
        let mut vectors = Vec::with_capacity(pairs.len());
        let mut documents = Vec::new();
        for (position, pair) in pairs.iter().enumerate() {
            let at = at.item("context", position);
            let (positive, own) = self.vector(&pair.positive, stage, &at.field("positive"))?;
            documents.extend(own);
            let (negative, own) = self.vector(&pair.negative, stage, &at.field("negative"))?;
            documents.extend(own);
            vectors.push((positive, negative));
        }
        Ok((vectors, documents))
    }
}
