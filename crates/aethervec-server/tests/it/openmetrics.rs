//! A reader of OpenMetrics text, written after its specification and stricter than most: names, escapes, heads, order, suffixes,
//! buckets.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of a text: name and labels → value.
#[derive(Debug)]
pub(crate) struct Scraped {
    pub(crate) samples: BTreeMap<String, f64>,
    /// The names of all families that have a head.
    pub(crate) families: BTreeSet<String>,
}

impl Scraped {
    /// Reads `text`.
    ///
    /// # Panics
    /// When the text does not keep to the format.
    pub(crate) fn parse(text: &str) -> Scraped {
        let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
        let mut scraped = Scraped {
            samples: BTreeMap::new(),
            families: BTreeSet::new(),
        };
        let mut family = Family::default();
        for line in body.split_terminator('\n') {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family.check();
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(scraped.families.insert(name.to_owned()), "twice: {line}");
                family = Family {
                    name: name.to_owned(),
                    ..Family::default()
                };
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert_eq!(name, family.name, "{line}");
                assert!(family.kind.is_empty(), "{line}");
                assert!(
                    ["counter", "gauge", "histogram", "info"].contains(&kind),
                    "{line}"
                );
                family.kind = kind.to_owned();
            } else {
                let sample = Sample::parse(line);
                let key = sample.key();
                family.take(sample);
                let (_, value) = line.rsplit_once(' ').expect(line);
                let value = value.parse().expect(line);
                assert!(
                    scraped.samples.insert(key, value).is_none(),
                    "twice: {line}"
                );
            }
        }
        family.check();
        scraped
    }

    /// The sample called `name` with these labels, in any order.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.samples.get(&key(name, labels)).copied()
    }

    /// The sum of all samples called `name`.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of_name = |key: &&String| key.split('{').next() == Some(name);
        let keys = self.samples.keys().filter(of_name);
        keys.map(|key| self.samples[key]).sum()
    }
}

/// What is read of a family.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    /// Labels without `le` → bounds and counts.
    buckets: BTreeMap<String, Vec<(f64, f64)>>,
    counts: BTreeMap<String, f64>,
}

struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Family {
    fn take(&mut self, mut sample: Sample) {
        let suffix = sample.name.strip_prefix(&self.name);
        let suffix = suffix.unwrap_or_else(|| panic!("{} under {}", sample.name, self.name));
        let allowed: &[&str] = match &*self.kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            _ => &["_bucket", "_sum", "_count"],
        };
        assert!(
            allowed.contains(&suffix),
            "{} is a {}",
            sample.name,
            self.kind
        );
        assert!(
            sample.value >= 0.0 || self.kind == "gauge",
            "{}",
            sample.name
        );
        match suffix {
            "_bucket" => {
                let le = sample.labels.iter().position(|(name, _)| name == "le");
                let (_, bound) = sample.labels.remove(le.expect("le"));
                let bound = bound.parse().expect("a bound");
                let buckets = self.buckets.entry(sample.key()).or_default();
                buckets.push((bound, sample.value));
            }
            "_count" => {
                sample.name = format!("{}_bucket", self.name);
                self.counts.insert(sample.key(), sample.value);
            }
            _ => {}
        }
    }

    /// Buckets rise up to infinity, which has all.
    fn check(&self) {
        assert_eq!(self.kind.is_empty(), self.name.is_empty(), "{}", self.name);
        assert_eq!(self.buckets.len(), self.counts.len(), "{}", self.name);
        for (key, buckets) in &self.buckets {
            let rising = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
            assert!(buckets.windows(2).all(rising), "{key}: {buckets:?}");
            assert_eq!(
                buckets.last(),
                Some(&(f64::INFINITY, self.counts[key])),
                "{key}"
            );
        }
    }
}

impl Sample {
    fn parse(line: &str) -> Sample {
        let end = line.find(['{', ' ']).expect(line);
        let (name, rest) = line.split_at(end);
        assert!(is_name(name), "{line}");
        let (labels, value) = match rest.strip_prefix('{') {
            Some(labels) => parse_labels(labels, line),
            None => (Vec::new(), rest),
        };
        let value = value.strip_prefix(' ').expect(line).parse().expect(line);
        Sample {
            name: name.to_owned(),
            labels,
            value,
        }
    }

    fn key(&self) -> String {
        let labels = self.labels.iter();
        let labels: Vec<(&str, &str)> = labels.map(|(name, value)| (&**name, &**value)).collect();
        key(&self.name, &labels)
    }
}

/// Labels up to the closing brace, and what is behind it.
fn parse_labels<'l>(mut text: &'l str, line: &str) -> (Vec<(String, String)>, &'l str) {
    let mut labels: Vec<(String, String)> = Vec::new();
    loop {
        let (name, rest) = text.split_once("=\"").expect(line);
        assert!(is_name(name) && !name.contains(':'), "{line}");
        assert!(
            labels.iter().all(|(known, _)| known != name),
            "twice: {line}"
        );
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().expect(line) {
                (end, '"') => break end,
                (_, '\\') => value.push(match chars.next().expect(line).1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    other => panic!("\\{other} in {line}"),
                }),
                (_, other) => value.push(other),
            }
        };
        labels.push((name.to_owned(), value));
        let rest = &rest[end + 1..];
        if let Some(behind) = rest.strip_prefix('}') {
            return (labels, behind);
        }
        text = rest.strip_prefix(',').expect(line);
    }
}

fn key(name: &str, labels: &[(&str, &str)]) -> String {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    match labels.is_empty() {
        true => name.to_owned(),
        false => format!("{name}{labels:?}").replacen('[', "{[", 1),
    }
}

fn is_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.chars().all(known) && text.starts_with(|c: char| !c.is_ascii_digit())
}
