// What the live view draws: for each chart its lines, and from which figures of the server each is made.
//
// A chart whose family is not in a scrape says so and takes no other place: servers differ in what they count.

import { quantile, rate, samples, sum } from "./prometheus.js";

const QUERIES = "vector_db_query_duration_seconds";
const REQUESTS = "vector_db_requests";
const STORAGE = "vector_db_storage_";
const COLLECTION = "vector_db_collection_";

const isFailure = (outcome) => outcome !== "ok";

/** A quantile of a histogram since the last look. */
const q = (name, share) => (before, after) => quantile(before, after, name, share);
/** How fast a counter grows. */
const per = (name, more) => (before, after, where) => rate(before, after, name, { ...where, ...more });
/** A gauge. */
const now = (name) => (_before, after, where) => sum(after, name, where);
/** The least of a gauge, over all that have it; null where none has. */
const least = (name) => (_before, after, where) => {
  const values = samples(after, name, where).map((sample) => sample.value);
  return values.length === 0 ? null : Math.min(...values);
};

/**
 * The charts: `{title, about, unit, family, lines: [{name, of(before, after, where)}]}`; `unit` is the name of a function of
 * format.js. `where` holds the labels that somebody chose; figures without such a label are of the whole server.
 */
export const CHARTS = [
  {
    title: "Time of queries",
    about: "What the engine takes for searches and queries.",
    unit: "seconds",
    family: QUERIES,
    lines: [
      { name: "p50", of: q(QUERIES, 0.5) },
      { name: "p99", of: q(QUERIES, 0.99) },
    ],
  },
  {
    title: "Throughput",
    about: "Requests answered and documents written.",
    unit: "perSecond",
    family: REQUESTS,
    lines: [
      { name: "requests", of: (before, after) => rate(before, after, REQUESTS) },
      { name: "queries", of: (before, after) => rate(before, after, `${QUERIES}_count`) },
      { name: "documents", of: (before, after) => rate(before, after, "vector_db_insert") },
    ],
  },
  {
    title: "Errors",
    about: "Requests that failed, and those that were refused because too many waited.",
    unit: "perSecond",
    family: REQUESTS,
    lines: [
      { name: "failed", of: (before, after) => rate(before, after, REQUESTS, { outcome: isFailure }) },
      { name: "refused", of: (before, after) => rate(before, after, "vector_db_gate_refused") },
    ],
  },
  {
    title: "Turns",
    about: "Calls of the engine that run, and that wait for their turn.",
    unit: "count",
    family: "vector_db_gate_running",
    lines: [
      { name: "running", of: (_before, after) => sum(after, "vector_db_gate_running") },
      { name: "waiting", of: (_before, after) => sum(after, "vector_db_gate_waiting") },
    ],
  },
  {
    title: "Delta",
    about: "Points that are searched exactly because they are not in an index yet, and dead ones in it.",
    unit: "count",
    family: `${COLLECTION}pending_points`,
    lines: [
      { name: "pending", of: now(`${COLLECTION}pending_points`) },
      { name: "delta", of: now(`${COLLECTION}delta_points`) },
      { name: "dead", of: now(`${COLLECTION}dead_points`) },
    ],
  },
  {
    title: "Recall",
    about: "What searches find that ask for a recall, measured by the server: of the collection where it is least.",
    unit: "percent",
    family: `${COLLECTION}search_effort`,
    lines: [
      { name: "measured", of: least(`${COLLECTION}recall_measured`) },
      { name: "asked for", of: least(`${COLLECTION}recall_asked`) },
    ],
  },
  {
    title: "Memory",
    about: "Indexes, block cache, memtables; of the process.",
    unit: "bytes",
    family: "process_resident_memory_bytes",
    lines: [
      { name: "process", of: (_before, after) => sum(after, "process_resident_memory_bytes") },
      { name: "indexes", of: now(`${COLLECTION}index_memory_bytes`) },
      { name: "cache", of: now(`${STORAGE}cache_bytes`) },
    ],
  },
  {
    title: "Memtables and logs",
    about: "What has been written and is not in tables yet.",
    unit: "bytes",
    family: `${STORAGE}memtable_bytes`,
    lines: [
      { name: "memtables", of: now(`${STORAGE}memtable_bytes`) },
      { name: "logs", of: now(`${STORAGE}wal_bytes`) },
    ],
  },
  {
    title: "Flushes and compactions",
    about: "Bytes written in the background, and what is still to be compacted.",
    unit: "bytes",
    family: `${STORAGE}compacted_bytes`,
    lines: [
      { name: "flushed /s", of: per(`${STORAGE}flushed_bytes`) },
      { name: "compacted /s", of: per(`${STORAGE}compacted_bytes`) },
      { name: "debt", of: now(`${STORAGE}compaction_debt_bytes`) },
    ],
  },
  {
    title: "Stalls",
    about: "Writes that were slowed down or had to wait for the background.",
    unit: "perSecond",
    family: `${STORAGE}write_stalls`,
    lines: [
      { name: "slowed", of: per(`${STORAGE}write_slowdowns`) },
      { name: "stopped", of: per(`${STORAGE}write_stalls`) },
    ],
  },
  {
    title: "On disk",
    about: "Tables, saved indexes, large values.",
    unit: "bytes",
    family: `${STORAGE}table_bytes`,
    lines: [
      { name: "tables", of: now(`${STORAGE}table_bytes`) },
      { name: "indexes", of: now(`${STORAGE}attachment_bytes`) },
      { name: "values", of: now(`${STORAGE}value_file_bytes`) },
    ],
  },
];

/** The tables by level: [{level, bytes, tables}], the newest level first; empty where nothing is known of them. */
export function levels(scrape, samples, where) {
  const found = new Map();
  const add = (what, name) => {
    for (const { labels, value } of samples(scrape, name, where)) {
      const level = found.get(labels.level) ?? { level: Number(labels.level), bytes: 0, tables: 0 };
      level[what] += value;
      found.set(labels.level, level);
    }
  };
  add("bytes", `${STORAGE}level_bytes`);
  add("tables", `${STORAGE}level_tables`);
  return [...found.values()].sort((one, other) => one.level - other.level);
}
