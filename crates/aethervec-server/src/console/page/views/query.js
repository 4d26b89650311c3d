// The playground: a search as a form, or any query as JSON.

import { fromText } from "../lib/vector.js";
import { idFromText, idInPath } from "../lib/format.js";
import { vectorsOf } from "../parts/document.js";
import { check, choice, el, field, select, show } from "../parts/dom.js";
import { filterField } from "../parts/filter.js";
import { hitTable } from "../parts/hits.js";
import { busy, failed } from "../parts/notices.js";
import { plan } from "../parts/plan.js";
import { curl } from "../parts/curl.js";
import { tree } from "./tree.js";

const MODES = [["search", "Search"], ["tree", "Query as JSON"]];
const EFFORTS = [["default", "Default"], ["recall", "Recall"], ["ef", "Candidates"], ["exact", "Exact"]];

export async function query({ root, api, name, route }) {
  show(root, busy());
  const described = await api.describe(name);
  const fields = Object.keys(described.schema.fields);
  if (fields.length === 0) {
    show(root, el("p", { class: "notice" }, "This collection has no vector fields."));
    return;
  }
  const body = el("div");
  const modes = { search: () => search(body, { api, name, fields, route }), tree: () => tree(body, { api, name, fields }) };
  show(root, choice("What to send", MODES, "search", (mode) => modes[mode]()), body);
  modes.search();
}

/** The form of a search. */
function search(root, { api, name, fields, route }) {
  const using = select(fields.map((one) => [one, one || "default"]), route.params.using ?? fields[0]);
  const from = source(route);
  const filter = filterField();
  const k = el("input", { type: "number", min: 1, max: 10000, value: 10, required: true });
  const effort = effortFields();
  const explain = el("input", { type: "checkbox", checked: true });
  const results = el("div", { class: "stack after" });
  const run = el("button", { class: "button main" }, "Search");
  const form = el(
    "form",
    { class: "card stack after" },
    from.element,
    filter.element,
    el("div", { class: "row" }, fields.length > 1 ? field("Vector field", using, { half: true }) : null, field("Hits (k)", k, { half: true }), effort.elements),
    el("div", { class: "row" }, run, check("with its plan", explain)),
  );
  show(root, form, results);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    run.disabled = true;
    show(results, busy("Searching …"));
    try {
      const { vector, example } = await from.vector({ api, name, using: using.value });
      const request = { vector, using: using.value, k: Number(k.value), ...effort.value() };
      if (filter.value()) request.filter = filter.value();
      await answer(results, { api, name, request, example, explain: explain.checked });
      filter.fine();
    } catch (fault) {
      if (!api.signal.aborted) show(results, filter.wrong(fault) ? null : failed(fault));
    }
    run.disabled = false;
  });
  if (route.params.id) form.requestSubmit();
}

/** Sends `request`, and shows what was found and how. */
async function answer(root, { api, name, request, example, explain }) {
  const began = performance.now();
  const found = await api.ask(name, "search", request);
  const took = (performance.now() - began) / 1000;
  const explained = explain ? await api.ask(name, "explain", request) : null;
  show(root, hitTable(found.hits, { api, name, took, example }), explained && plan(explained), curl(api.path(name, "search"), request));
}

/** Where the vector comes from: a document, or what is pasted. */
function source(route) {
  let kind = "id";
  const id = el("input", { class: "mono", value: route.params.id ?? "", placeholder: "empty: any document", autocomplete: "off" });
  const text = el("textarea", { rows: 4, spellcheck: "false", placeholder: "0.12, -0.04, …   or   {\"indices\": [3, 17], \"values\": [0.5, 1]}" });
  const byId = field("Document", id, { wide: true, hint: "Its vector is searched for. Text that is a number goes in quotes." });
  const byText = field("Vector", text, { wide: true });
  byText.hidden = true;
  const pick = (value) => {
    kind = value;
    byId.hidden = kind !== "id";
    byText.hidden = kind !== "text";
  };
  const element = el("div", { class: "row tops" }, choice("Search for", [["id", "Like a document"], ["text", "A pasted vector"]], kind, pick), byId, byText);
  return {
    element,
    vector: async (where) => {
      if (kind === "text") return { vector: fromText(text.value), example: null };
      const found = id.value.trim() ? await byIdOf(where, id.value) : await any(where);
      id.value = idInPath(found.id);
      return found;
    },
  };
}

async function byIdOf({ api, name, using }, typed) {
  const document = await api.document(name, idInPath(idFromText(typed)));
  const found = vectorsOf(document).find(([one]) => one === using);
  if (!found) throw new Error(`Document ${typed} has no vector in the field ${using || "default"}.`);
  return { vector: found[1], example: document.id, id: document.id };
}

async function any({ api, name, using }) {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const drawn = await api.ask(name, "query", { query: { sample: { seed } }, filter: { has_vector: using }, limit: 1, with_vectors: [using], with_payload: false });
  const hit = drawn.hits[0];
  if (!hit) throw new Error("There is no document with such a vector yet: paste a vector, or put documents in.");
  return { vector: hit.vectors[using], example: hit.id, id: hit.id };
}

/** How hard to look. */
function effortFields() {
  let kind = "default";
  const recall = el("input", { type: "number", min: 0.01, max: 1, step: "any", value: 0.98 });
  const ef = el("input", { type: "number", min: 1, max: 100000, value: 200 });
  const recallField = field("Recall", recall, { half: true });
  const efField = field("Candidates (ef)", ef, { half: true });
  const pick = (value) => {
    kind = value;
    recallField.hidden = kind !== "recall";
    efField.hidden = kind !== "ef";
  };
  pick(kind);
  const value = () => ({ recall: { recall: Number(recall.value) }, ef: { ef: Number(ef.value) }, exact: { exact: true } })[kind] ?? {};
  return { elements: [choice("Effort", EFFORTS, kind, pick), recallField, efField], value };
}
