// What the page computes: read, counted, projected, spelled.

import assert from "node:assert/strict";
import { test } from "node:test";
import { colourBy, ramp } from "../../src/console/page/lib/colours.js";
import { kindOf, rows } from "../../src/console/page/lib/embed.js";
import { fromAnswer, inBody, inFilter } from "../../src/console/page/lib/faults.js";
import { at, join, keys, survey } from "../../src/console/page/lib/fields.js";
import { CHARTS, levels } from "../../src/console/page/lib/figures.js";
import * as format from "../../src/console/page/lib/format.js";
import { fault, offset, parse, place, stringify } from "../../src/console/page/lib/json.js";
import { project } from "../../src/console/page/lib/pca.js";
import * as prometheus from "../../src/console/page/lib/prometheus.js";
import { measure, share } from "../../src/console/page/lib/recall.js";
import { fromText } from "../../src/console/page/lib/vector.js";

const near = (one, other, within = 1e-6) => assert.ok(Math.abs(one - other) <= within, `${one} is not ${other}`);

test("integers of 64 bits keep their digits", () => {
  const text = '{"id":9007199254740993,"small":[1,2.5e3,-7],"text":"12345678901234567"}';
  const value = parse(text);
  assert.equal(value.id, 9007199254740993n);
  assert.deepEqual(value.small, [1, 2500, -7]);
  assert.equal(value.text, "12345678901234567");
  assert.equal(stringify(value), text.replace("2.5e3", "2500"));
});

test("faults in JSON have a place", () => {
  assert.equal(fault('{"a": [1, 2]}'), null);
  assert.deepEqual(place("ab\ncd", 4), { line: 2, column: 2 });
  assert.equal(offset("ab\ncd", { line: 2, column: 2 }), 4);
  const found = fault('{\n  "a": 1,\n  "b" 2\n}');
  assert.deepEqual([found.line, found.column], [3, 7]);
});

test("faults of the API are taken apart", () => {
  const body = JSON.stringify({ error: { kind: "invalid", message: 'body: filter, line 1, column 8: expected a value, found "and"\n  lang = and\n         ^^^ at line 1 column 30' } });
  const refused = fromAnswer(400, body);
  assert.equal(refused.kind, "invalid");
  assert.deepEqual(inFilter(refused.message), { line: 1, column: 8, message: 'expected a value, found "and"', shown: "lang = and\n       ^^^" });
  assert.equal(inFilter("k: 0 is out of range"), null);
  assert.deepEqual(inBody("body: unknown field `x` at line 2 column 9"), { message: "unknown field `x`", line: 2, column: 9 });
  assert.equal(fromAnswer(502, "<html>bad gateway").kind, "internal");
});

test("ids are spelled so that text stays text", () => {
  const uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
  const cases = [[7, "7"], ["a b", '"a b"'], ["42", '"42"'], [uuid, uuid], [{ string: uuid }, JSON.stringify(uuid)], [9007199254740993n, "9007199254740993"]];
  for (const [id, path] of cases) {
    assert.equal(format.idInPath(id), path);
    assert.deepEqual(format.idFromText(path), id);
  }
  assert.equal(format.id("42"), '"42"');
});

test("numbers are readable", () => {
  assert.equal(format.bytes(1536), "1.5 KiB");
  assert.equal(format.seconds(0.00012), "120 µs");
  assert.equal(format.seconds(0.0012), "1.2 ms");
  assert.equal(format.count(12345), "12,345");
  assert.deepEqual([0, 0.5, 1, 2.5, 12500].map(format.count), ["0", "0.5", "1", "2.5", "12,500"]);
  assert.equal(format.percent(0.987), "98.7 %");
  assert.equal(format.perSecond(1234567), "1.23 M/s");
  assert.equal(format.seconds(NaN), "–");
});

const SCRAPE = `# HELP q_seconds Time\\nof queries.
# TYPE q_seconds histogram
q_seconds_bucket{op="search",le="0.1"} 10
q_seconds_bucket{op="search",le="0.2"} 30 # {trace_id="ab c"} 0.15 1.5
q_seconds_bucket{op="search",le="+Inf"} 40
q_seconds_bucket{op="query",le="0.1"} 10
q_seconds_bucket{op="query",le="0.2"} 10
q_seconds_bucket{op="query",le="+Inf"} 10
q_seconds_sum{op="search"} 5
q_seconds_count{op="search"} 40
# TYPE done counter
done_total{kind="a \\"b\\", {c}"} 4 1700000000
done_total{kind="d"} +Inf
this line is broken {
size{level="0"} 1e3
# EOF
`;

test("scrapes are read, also where they are odd", () => {
  const scrape = prometheus.parse(SCRAPE, 10);
  assert.equal(scrape.families.get("q_seconds").help, "Time\nof queries.");
  assert.equal(prometheus.samples(scrape, "done", { kind: 'a "b", {c}' })[0].value, 4);
  assert.equal(prometheus.sum(scrape, "done_total", { kind: (kind) => kind !== "d" }), 4);
  assert.equal(prometheus.sum(scrape, "size"), 1000);
  assert.equal(prometheus.sum(scrape, "nothing"), null);
  assert.equal(prometheus.sum(scrape, "q_seconds_count"), 40);
  assert.deepEqual(prometheus.buckets(scrape, "q_seconds"), [[0.1, 20], [0.2, 40], [Infinity, 50]]);
});

test("rates and quantiles are of the time between two scrapes", () => {
  const histogram = (at, ...observed) => prometheus.parse(`# TYPE h histogram\n${["0.1", "0.2", "+Inf"].map((le, n) => `h_bucket{le="${le}"} ${observed[n]}`).join("\n")}\n# TYPE c counter\nc_total ${observed[2]}\n`, at);
  const [before, after] = [histogram(10, 5, 5, 5), histogram(12, 15, 25, 25)];
  near(prometheus.rate(before, after, "c"), 10);
  near(prometheus.quantile(before, after, "h", 0.5), 0.1);
  near(prometheus.quantile(before, after, "h", 0.75), 0.15);
  assert.equal(prometheus.quantile(before, before, "h", 0.5), null);
  assert.equal(prometheus.rate(undefined, after, "c"), null);
  // After a restart counters begin at 0 again.
  near(prometheus.rate(after, { ...before, at: 14 }, "c"), 2.5);
  near(prometheus.quantile(after, { ...before, at: 14 }, "h", 1), 0.1);
  // Beyond the last bound nothing is known but that bound.
  near(prometheus.quantile(before, histogram(12, 5, 5, 25), "h", 0.5), 0.2);
});

test("charts say nothing of what a server does not count", () => {
  const scrape = prometheus.parse("", 1);
  for (const chart of CHARTS) for (const { of } of chart.lines) assert.equal(of(scrape, scrape, {}), null);
  const counted = prometheus.parse('vector_db_storage_level_bytes{tenant="a",level="1"} 5\nvector_db_storage_level_bytes{tenant="b",level="0"} 7\n', 1);
  assert.deepEqual(levels(counted, prometheus.samples, {}).map(({ level, bytes }) => [level, bytes]), [[0, 7], [1, 5]]);
  assert.deepEqual(levels(counted, prometheus.samples, { tenant: "a" }).map(({ level }) => level), [1]);
});

test("principal components are those of a stretched cloud", async () => {
  // Along (1, 2, 2)/3 with deviation 5, along (2, 1, -2)/3 with 2, along (2, -2, 1)/3 with 0.1.
  const axes = [[1, 2, 2], [2, 1, -2], [2, -2, 1]].map((axis) => axis.map((part) => part / 3));
  const wave = (n, step) => Math.sin(n * step) * Math.SQRT2;
  const own = Array.from({ length: 400 }, (_none, n) => [5 * wave(n, 1), 2 * wave(n, 1.7), 0.1 * wave(n, 2.3)]);
  const made = own.map((parts) => [0, 1, 2].map((i) => 10 + parts.reduce((sum, part, axis) => sum + part * axes[axis][i], 0)));
  const { points, shares } = await project(made, 3);
  near(shares[0], 25 / 29.01, 0.01);
  near(shares[1], 4 / 29.01, 0.01);
  const sign = Math.sign(points[1][0] * own[1][0]);
  for (const n of [1, 50, 399]) near(points[n][0], sign * own[n][0], 0.1);
});

test("what does not differ has no axes", async () => {
  const { points, shares } = await project([[1, 1], [1, 1]], 2);
  assert.deepEqual(shares, [0, 0]);
  near(Math.abs(points[0][0]), 0);
});

test("vectors of every kind become rows", () => {
  assert.deepEqual([[1, 2], [[1, 2]], { indices: [], values: [] }, { bits: "00" }, null].map(kindOf), ["dense", "multi", "sparse", "binary", null]);
  assert.deepEqual([...rows([[3, 4]], true).rows[0]], [0.6, 0.8]);
  assert.deepEqual([...rows([[[1, 2], [3, 4]]]).rows[0]], [2, 3]);
  assert.equal(rows([{ bits: "0f" }]).rows[0].reduce((sum, bit) => sum + bit), 4);
  const sparse = rows([{ indices: [5, 9], values: [1, 2] }, { indices: [9], values: [3] }]);
  assert.deepEqual(sparse.rows.map((row) => [...row]), [[2, 1], [3, 0]]);
});

test("fields of payloads are found, and read again", () => {
  const payloads = [{ lang: "en", author: { "odd key.": 1 }, tags: ["a"] }, { lang: "de" }];
  assert.deepEqual(survey(payloads).map(({ path, count }) => [path, count]), [["lang", 2], ['author."odd key."', 1], ["tags", 1]]);
  assert.equal(at(payloads[0], 'author."odd key."'), 1);
  assert.equal(at(payloads[1], "author.name"), undefined);
  assert.equal(at({}, "constructor"), undefined);
  assert.deepEqual(keys(join(["a", "b c", "d"])), ["a", "b c", "d"]);
});

test("colours are few, or a ramp", () => {
  const few = colourBy([{ a: "x" }, { a: "y" }, { a: "x" }, {}], "a");
  assert.deepEqual(few.entries.map(({ name, count }) => [name, count]), [["x", 2], ["(none)", 1], ["y", 1]]);
  assert.equal(few.of[0], few.of[2]);
  const many = colourBy(Array.from({ length: 40 }, (_none, n) => ({ a: `v${n % 20}` })), "a");
  assert.equal(many.entries.length, 8);
  const numbers = colourBy(Array.from({ length: 40 }, (_none, n) => ({ a: n })), "a");
  assert.equal(numbers.kind, "ramp");
  assert.notEqual(ramp(0), ramp(1));
  assert.equal(ramp(-1), ramp(0));
});

test("pasted vectors are read", () => {
  assert.deepEqual(fromText("[1, 2.5,\n-3e-2]"), [1, 2.5, -0.03]);
  assert.deepEqual(fromText("1 2; 3"), [1, 2, 3]);
  assert.deepEqual(fromText('{"indices": [1], "values": [2]}'), { indices: [1], values: [2] });
  assert.throws(() => fromText("1, two"), /Number 2 is "two"/);
  assert.throws(() => fromText(" "), /Paste/);
});

test("recall is the share of the right answers that were found", async () => {
  assert.equal(share([1, 2, 9], [1, 2, 3, 4]), 0.5);
  assert.equal(share([], []), null);
  const hit = (id) => ({ id });
  const answers = {
    query: { hits: [{ id: 1, vectors: { "": [0] } }] },
    approximate: { results: [{ hits: [1, 2, 9].map(hit) }] },
    exact: { results: [{ hits: [1, 2, 3].map(hit) }] },
  };
  const api = { ask: async (_collection, route, body) => (route === "query" ? answers.query : body.requests[0].exact ? answers.exact : answers.approximate) };
  assert.deepEqual(await measure(api, "c", ""), { recall: 0.5, searches: 1, k: 10 });
});
