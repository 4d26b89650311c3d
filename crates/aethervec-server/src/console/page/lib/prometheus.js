// The text formats of Prometheus and OpenMetrics, read; and what is asked of them: sums, rates, quantiles.
//
// A scrape is `{at, families}`: seconds, and name → {type, help, samples: [{name, labels, value}]}. A line that cannot be
// read is left out: a page that watches a server must not stop because of one figure.

const SUFFIXES = ["_bucket", "_sum", "_count", "_total", "_info", "_created"];
const LABEL = /\s*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y;

/** Reads a scrape that was made at `at`, in seconds. */
export function parse(text, at) {
  const families = new Map();
  const family = (name) => {
    if (!families.has(name)) families.set(name, { type: "untyped", help: "", samples: [] });
    return families.get(name);
  };
  for (const line of text.split("\n")) {
    const meta = /^# (TYPE|HELP|UNIT) (\S+) ?(.*)$/.exec(line);
    if (meta) {
      const [, what, name, rest] = meta;
      if (what === "TYPE") family(name).type = rest.trim();
      if (what === "HELP") family(name).help = unescape(rest);
    } else if (line !== "" && !line.startsWith("#")) {
      const sample = readSample(line);
      if (sample) family(familyOf(sample.name, families)).samples.push(sample);
    }
  }
  return { at, families };
}

function readSample(line) {
  const head = /^([A-Za-z_:][\w:]*)/.exec(line);
  if (!head) return null;
  const labels = {};
  let rest = head[0].length;
  if (line[rest] === "{") {
    rest += 1;
    LABEL.lastIndex = rest;
    for (let label = LABEL.exec(line); label; label = LABEL.exec(line)) {
      labels[label[1]] = unescape(label[2]);
      rest = LABEL.lastIndex;
    }
    if (line[rest] !== "}") return null;
    rest += 1;
  }
  // Behind the value there may be a time, and an exemplar.
  const value = number(line.slice(rest).trim().split(/\s+/)[0]);
  return value === null ? null : { name: head[1], labels, value };
}

function number(text) {
  if (text === "+Inf" || text === "Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  if (text === "NaN") return NaN;
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
}

function unescape(text) {
  return text.replace(/\\(.)/g, (_all, sign) => (sign === "n" ? "\n" : sign));
}

/** `x_bucket` is of the histogram `x`, `x_total` of the counter `x`, where these were announced. */
function familyOf(name, families) {
  if (families.has(name)) return name;
  for (const suffix of SUFFIXES) {
    const stem = name.endsWith(suffix) ? name.slice(0, -suffix.length) : "";
    if (stem && families.has(stem)) return stem;
  }
  return name;
}

/** The samples of `name` (of the family or of the sample) whose labels are `where`'s: each a value, or a test of values. */
export function samples(scrape, name, where = {}) {
  const family = familyNamed(scrape, name);
  if (!family) return [];
  const matches = ({ labels }) =>
    Object.entries(where).every(([key, wanted]) => (typeof wanted === "function" ? wanted(labels[key] ?? "") : wanted === (labels[key] ?? "")));
  const isNamed = (sample) => sample.name === name || !scrape.families.has(sample.name);
  return family.samples.filter((sample) => isNamed(sample) && matches(sample));
}

/** The family called `name`, or that has a sample of this name; undefined where there is none. */
export function familyNamed(scrape, name) {
  return scrape.families.get(name) ?? scrape.families.get(familyOf(name, scrape.families));
}

/** The sum of a gauge or a counter; null where there is none. */
export function sum(scrape, name, where) {
  const found = samples(scrape, name, where).filter((sample) => plain(sample.name, name));
  return found.length === 0 ? null : found.reduce((all, sample) => all + sample.value, 0);
}

function plain(sample, name) {
  return sample === name || sample === `${name}_total`;
}

/** How fast a counter grew from one scrape to the next, each second; null where that is not known. A restart begins at 0. */
export function rate(before, after, name, where) {
  const to = sum(after, name, where);
  const from = before && sum(before, name, where);
  if (to === null || !before || after.at <= before.at) return null;
  const grown = from === null || to < from ? to : to - from;
  return grown / (after.at - before.at);
}

/** The buckets of a histogram, joined over all labels: [[upper bound, observations up to it], …]. */
export function buckets(scrape, name, where) {
  const byBound = new Map();
  for (const sample of samples(scrape, name, where)) {
    if (sample.name !== `${name}_bucket`) continue;
    const bound = number(sample.labels.le ?? "");
    if (bound !== null) byBound.set(bound, (byBound.get(bound) ?? 0) + sample.value);
  }
  return [...byBound].sort(([one], [other]) => one - other);
}

/**
 * The quantile of what was observed between two scrapes; null where nothing was. Straight lines within buckets, as Prometheus
 * draws them; beyond the last bound, that bound.
 */
export function quantile(before, after, name, share, where) {
  const now = buckets(after, name, where);
  const then = new Map(before ? buckets(before, name, where) : []);
  const restarted = now.some(([bound, observed]) => observed < (then.get(bound) ?? 0));
  const grown = now.map(([bound, observed]) => [bound, observed - (restarted ? 0 : then.get(bound) ?? 0)]);
  const all = grown.at(-1)?.[1] ?? 0;
  if (!before || all <= 0) return null;
  const wanted = share * all;
  let [lower, below] = [0, 0];
  for (const [bound, observed] of grown) {
    if (observed >= wanted) {
      if (bound === Infinity) return lower;
      return lower + ((bound - lower) * (wanted - below)) / (observed - below || 1);
    }
    [lower, below] = [bound, observed];
  }
  return lower;
}
