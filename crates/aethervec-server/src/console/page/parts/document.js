// A document, opened at the side of the page: its payload, its vectors, its neighbours.

import { kindOf } from "../lib/embed.js";
import { count, id as shownId, idInPath, score } from "../lib/format.js";
import { stringify } from "../lib/json.js";
import { el, select, show } from "./dom.js";
import { busy, copyButton, failed } from "./notices.js";
import { link } from "./route.js";
import { line, tree } from "./values.js";

const NEIGHBOURS = 8;
const SHOWN_COMPONENTS = 6;

/** Opens the document that is called `id` in paths. Following a neighbour shows it in the same place. */
export function openDocument({ api, name, id }) {
  const inside = el("div", { class: "inside" });
  const dialog = el("dialog", { class: "side", "aria-label": "Document" }, inside);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  api.signal.addEventListener("abort", () => dialog.close());
  const close = el("button", { type: "button", class: "button small end", onclick: () => dialog.close(), "aria-label": "Close", autofocus: true }, "✕");
  const go = async (which) => {
    show(inside, el("div", { class: "dialog-head" }, el("h2", {}, which), close), busy());
    try {
      show(inside, content(await api.document(name, which), { api, name, go, close }));
      dialog.scrollTop = 0;
    } catch (fault) {
      if (!api.signal.aborted) show(inside, el("div", { class: "dialog-head" }, el("h2", {}, which), close), failed(fault));
    }
  };
  document.body.append(dialog);
  dialog.showModal();
  go(id);
}

function content(document, { api, name, go, close }) {
  const vectors = vectorsOf(document);
  const query = link(["collections", name, "query"], { tenant: api.tenant, id: idInPath(document.id) });
  return [
    el(
      "div",
      { class: "dialog-head" },
      el("h2", { class: "mono" }, shownId(document.id)),
      close,
    ),
    el("div", { class: "row" }, copyButton(() => stringify(document, 2), "Copy JSON"), el("a", { class: "button small", href: query }, "Search like this")),
    document.expires_at ? el("p", { class: "muted" }, `Ends at ${document.expires_at}.`) : null,
    el("section", {}, el("h3", {}, "Payload"), tree(document.payload)),
    el("section", {}, el("h3", {}, "Vectors"), vectors.length ? el("ul", { class: "vectors" }, vectors.map(vectorLine)) : el("p", { class: "muted" }, "None.")),
    vectors.length ? neighbours(document, vectors.map(([field]) => field), { api, name, go }) : null,
  ];
}

/** The vectors of a document: [[field, vector], …]. */
export function vectorsOf(document) {
  const own = document.vector === undefined ? [] : [["", document.vector]];
  return [...own, ...Object.entries(document.vectors ?? {})];
}

function vectorLine([field, vector]) {
  return el("li", {}, el("span", { class: "chip" }, field || "default"), " ", el("span", { class: "muted" }, describe(vector)), el("div", { class: "mono muted components" }, sketch(vector)));
}

function describe(vector) {
  switch (kindOf(vector)) {
    case "dense": return `${count(vector.length)} components, length ${score(Math.hypot(...vector))}`;
    case "multi": return `${count(vector.length)} vectors of ${count(vector[0].length)} components`;
    case "sparse": return `${count(vector.indices.length)} components that are not 0`;
    case "binary": return `${count(vector.bits.length * 4)} bits`;
    default: return "empty";
  }
}

function sketch(vector) {
  const some = (numbers) => numbers.slice(0, SHOWN_COMPONENTS).map(score).join(", ") + (numbers.length > SHOWN_COMPONENTS ? ", …" : "");
  switch (kindOf(vector)) {
    case "dense": return some(vector);
    case "multi": return some(vector[0]);
    case "sparse": return vector.indices.slice(0, SHOWN_COMPONENTS).map((index, at) => `${index}: ${score(vector.values[at])}`).join(", ");
    case "binary": return vector.bits.slice(0, 48);
    default: return "";
  }
}

function neighbours(document, fields, { api, name, go }) {
  const list = el("div");
  const look = async (using) => {
    show(list, busy("Searching …"));
    try {
      const found = await api.ask(name, "query", { query: { nearest: { id: document.id } }, using, limit: NEIGHBOURS, with_payload: true });
      show(list, found.hits.length ? el("ol", { class: "neighbours" }, found.hits.map((hit) => neighbour(hit, go))) : el("p", { class: "muted" }, "It is alone."));
    } catch (fault) {
      if (!api.signal.aborted) show(list, failed(fault));
    }
  };
  const choose = select(fields.map((field) => [field, field || "default"]), fields[0], { "aria-label": "Vector field", onchange: () => look(choose.value) });
  look(fields[0]);
  return el("section", {}, el("div", { class: "card-head" }, el("h3", {}, "Neighbours"), fields.length > 1 ? choose : null), list);
}

function neighbour(hit, go) {
  return el(
    "li",
    {},
    el("div", { class: "spread" }, el("button", { type: "button", class: "link mono", onclick: () => go(idInPath(hit.id)) }, shownId(hit.id)), el("span", { class: "mono muted" }, score(hit.score))),
    el("div", { class: "small clip" }, line(hit.payload)),
  );
}
