// One collection: what it is made of, and how its indexes fare.

import { bytes, count, percent, seconds } from "../lib/format.js";
import { measure } from "../lib/recall.js";
import { el, nodes, select, show } from "../parts/dom.js";
import { badge, health, progress } from "../parts/health.js";
import { busy, failed } from "../parts/notices.js";
import { tree } from "../parts/values.js";

const LOOK_MS = 3000;

export async function collection({ root, api, name }) {
  show(root, busy());
  const state = el("div", { class: "stack" });
  const recall = el("div");
  let shown = await api.describe(name);
  show(root, state, recall);
  show(state, parts(shown));
  show(recall, recallCard(api, name, shown));
  // While something is being built, one wants to watch it.
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      const now = await api.describe(name);
      if (JSON.stringify(now) !== JSON.stringify(shown)) show(state, parts(now));
      shown = now;
    } catch (fault) {
      if (!api.signal.aborted) show(state, failed(fault));
    }
  }, LOOK_MS);
  api.signal.addEventListener("abort", () => clearInterval(timer));
}

function parts(described) {
  return [facts(described), fieldTable(described), indexTable(described), metadata(described)];
}

function facts({ documents, index, schema }) {
  const fact = (title, value, small) => el("div", {}, el("dt", {}, title), el("dd", {}, value, small && el("small", {}, ` ${small}`)));
  const trouble = [index.damage, index.error].filter(Boolean);
  return el(
    "section",
    { class: "card" },
    el("div", { class: "card-head" }, el("h2", {}, "State"), badge(health(index))),
    trouble.map((text) => el("div", { class: "notice bad" }, el("p", { class: "what" }, text), el("p", { class: "muted" }, "Searches answer all the same; the index is built again from the documents."))),
    el(
      "dl",
      { class: "facts" },
      fact("Documents", count(documents)),
      fact("In the index", count(index.indexed), "points"),
      fact("Delta", count(index.pending), index.staleness_s > 0 ? `waiting for ${seconds(index.staleness_s)}` : "waiting"),
      fact("Searched exactly", count(index.scanned), "points"),
      fact("Dead", count(index.dead), "not purged yet"),
      fact("Index memory", bytes(index.memory_bytes)),
      schema.ttl_ms ? fact("Documents stay", count(schema.ttl_ms / 1000), "seconds") : null,
    ),
    progress(index),
  );
}

function fieldTable({ schema, index }) {
  const row = ([field, { kind, dim, bits, metric, element, index: asked }]) => {
    const dense = index.dense[field];
    const found = dense ? [el("strong", {}, dense.family), dense.next ? ` → ${dense.next} is being built` : null, el("div", { class: "small muted" }, dense.why)] : "exactly";
    return el("tr", {}, nodes([
      el("th", { scope: "row", "data-label": "Field" }, field === "" ? el("em", {}, "default") : field),
      cell("Kind", [kind, dim ? ` · ${count(dim)}` : null, bits ? ` · ${count(bits)} bits` : null]),
      cell("Metric", metric ?? (kind === "binary" ? "hamming" : "dot")),
      cell("Stored as", element ?? "–"),
      cell("Found by", found),
      cell("In memory", dense?.codes ?? "–"),
      cell("Effort", dense ? count(dense.effort) : "–"),
      cell("Asked for", asked?.kind ?? "–"),
    ]));
  };
  const head = ["Field", "Kind", "Metric", "Stored as", "Found by", "In memory", "Effort", "Asked for"];
  return table("Vector fields", head, Object.entries(schema.fields).map(row));
}

function indexTable({ payload_indexes: indexes }) {
  if (indexes.length === 0) {
    return el("section", { class: "card" }, el("h2", {}, "Payload indexes"), el("p", { class: "muted" }, "None: filters read documents. An index of a field that is filtered by makes them faster."));
  }
  const row = ({ path, kind, ready, left }) =>
    el("tr", {}, el("th", { scope: "row", "data-label": "Path" }, el("code", {}, path)), cell("Kind", kind), cell("State", badge(ready ? { kind: "good", text: "ready" } : { kind: "warn", text: `${count(left)} points left` })));
  return table("Payload indexes", ["Path", "Kind", "State"], indexes.map(row));
}

function cell(label, ...value) {
  return el("td", { "data-label": label }, el("span", {}, value));
}

function table(title, head, rows) {
  const names = el("tr", {}, head.map((name) => el("th", { scope: "col" }, name)));
  return el("section", {}, el("h2", { class: "before" }, title), el("div", { class: "card flush scroll" }, el("table", { class: "folds" }, el("thead", {}, names), el("tbody", {}, rows))));
}

function metadata({ schema }) {
  if (!schema.metadata || Object.keys(schema.metadata).length === 0) return null;
  return el("section", { class: "card" }, el("h2", {}, "Metadata"), tree(schema.metadata));
}

/** Measures the recall of searches that ask for nothing, against exact ones. */
function recallCard(api, name, described) {
  const fields = Object.keys(described.index.dense);
  if (fields.length === 0) return null;
  const field = select(fields.map((one) => [one, one || "default"]), fields[0], { "aria-label": "Vector field" });
  const answer = el("p", { class: "muted", role: "status" }, "50 documents that are there, each searched for approximately and exactly.");
  const run = el("button", { type: "button", class: "button" }, "Measure recall");
  run.addEventListener("click", async () => {
    run.disabled = true;
    show(answer, "Measuring …");
    try {
      const { recall, searches, k } = await measure(api, name, field.value);
      const text = searches ? `${percent(recall)} of the ${k} nearest neighbours were found, in ${searches} searches.` : "There are no documents with such a vector yet.";
      show(answer, searches ? el("strong", {}, text) : text);
    } catch (fault) {
      if (!api.signal.aborted) show(answer, failed(fault));
    }
    run.disabled = false;
  });
  return el("section", { class: "card after" }, el("h2", {}, "Recall, measured"), el("div", { class: "row" }, fields.length > 1 ? field : null, run), answer);
}
