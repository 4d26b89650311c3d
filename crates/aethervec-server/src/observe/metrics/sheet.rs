//! The figures of a moment, ready to be written: as OpenMetrics text, or as JSON.

use super::family::{Family, Kind};
use super::histogram::Distribution;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::registry::Registry;
use serde_json::{Map, Value as Json, json};
use std::borrow::Cow;
use std::fmt;

/// The type of the text: Prometheus reads it by this.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The value of a label.
pub(crate) type Label = Cow<'static, str>;

/// All figures of a moment, by family.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    families: Vec<Vec<Sample>>,
}

#[derive(Clone, Debug)]
struct Sample {
    /// In the order of [`Family::labels`].
    labels: Vec<Label>,
    value: Figure,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Figure {
    Count(u64),
    Number(f64),
    Times(Distribution),
}

impl Figure {
    /// Adds another one of the same family.
    pub(super) fn add(&mut self, other: &Figure) {
        match (self, other) {
            (Figure::Count(sum), Figure::Count(more)) => *sum += more,
            (Figure::Number(sum), Figure::Number(more)) => *sum += more,
            (Figure::Times(sum), Figure::Times(more)) => sum.add(more),
            (this, other) => debug_assert!(false, "{this:?} and {other:?} of one family"),
        }
    }
}

impl From<u64> for Figure {
    fn from(count: u64) -> Figure {
        Figure::Count(count)
    }
}

impl From<usize> for Figure {
    fn from(count: usize) -> Figure {
        Figure::Count(count as u64)
    }
}

impl From<bool> for Figure {
    fn from(holds: bool) -> Figure {
        Figure::Count(u64::from(holds))
    }
}

impl From<f64> for Figure {
    fn from(number: f64) -> Figure {
        Figure::Number(number)
    }
}

impl From<Distribution> for Figure {
    fn from(times: Distribution) -> Figure {
        Figure::Times(times)
    }
}

impl Sheet {
    pub(crate) fn new() -> Sheet {
        Sheet {
            families: vec![Vec::new(); Family::ALL.len()],
        }
    }

    /// Notes a figure.
    pub(crate) fn put<const N: usize>(
        &mut self,
        family: Family,
        labels: [Label; N],
        value: impl Into<Figure>,
    ) {
        self.put_labels(family, labels.into(), value.into());
    }

    /// The same, with the values of the labels in a list.
    pub(super) fn put_labels(&mut self, family: Family, labels: Vec<Label>, value: Figure) {
        debug_assert_eq!(labels.len(), family.labels().len(), "labels of {family:?}");
        self.families[family as usize].push(Sample { labels, value });
    }

    /// As OpenMetrics text.
    pub(crate) fn into_text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)
            .expect("a string takes whatever is written");
        text
    }

    /// As JSON: family → its figures with their labels.
    pub(crate) fn to_json(&self) -> Json {
        let families = Family::ALL.iter().zip(&self.families);
        let families = families.filter(|(_, samples)| !samples.is_empty());
        let families = families.map(|(family, samples)| {
            let samples = samples.iter().map(|sample| sample.to_json(*family));
            (family.full_name(), samples.collect())
        });
        Json::Object(families.collect())
    }
}

impl Sample {
    fn to_json(&self, family: Family) -> Json {
        let labels = family.labels().iter().zip(&self.labels);
        let labels: Map<String, Json> = labels
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        match &self.value {
            Figure::Count(value) => json!({"labels": labels, "value": value}),
            Figure::Number(value) => json!({"labels": labels, "value": value}),
            Figure::Times(times) => {
                let buckets = times
                    .buckets
                    .iter()
                    // Infinity is no number in JSON: it is null.
                    .map(|(bound, count)| json!({"le": bound, "count": count}));
                json!({
                    "labels": labels,
                    "sum": times.sum,
                    "count": times.count,
                    "buckets": buckets.collect::<Vec<_>>(),
                })
            }
        }
    }

    /// Below the head of its family, which `encoder` has written.
    fn encode(&self, family: Family, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let names = family.labels().iter().copied();
        let values = self.labels.iter().map(|value| &**value);
        let labels: Vec<(&str, &str)> = names.zip(values).collect();
        if family.kind() == Kind::Info {
            return encoder.encode_info(&labels);
        }
        if labels.is_empty() {
            return self.encode_value(family, encoder);
        }
        self.encode_value(family, &mut encoder.encode_family(&labels)?)
    }

    fn encode_value(&self, family: Family, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match (family.kind(), &self.value) {
            (Kind::Counter, Figure::Count(count)) => {
                encoder.encode_counter::<NoLabelSet, _, u64>(count, None)
            }
            (Kind::Counter, Figure::Number(number)) => {
                encoder.encode_counter::<NoLabelSet, _, u64>(number, None)
            }
            (_, Figure::Count(count)) => encoder.encode_gauge(count),
            (_, Figure::Number(number)) => encoder.encode_gauge(number),
            (_, Figure::Times(times)) => {
                encoder.encode_histogram::<NoLabelSet>(times.sum, times.count, &times.buckets, None)
            }
        }
    }
}

impl Collector for Sheet {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (family, samples) in Family::ALL.iter().zip(&self.families) {
            // What has not happened to anybody yet has its head, too.
            let help = format!("{}.", family.help());
            let kind = family.kind().into();
            let mut metric = encoder.encode_descriptor(family.name(), &help, None, kind)?;
            for sample in samples {
                sample.encode(*family, &mut metric)?;
            }
        }
        Ok(())
    }
}
