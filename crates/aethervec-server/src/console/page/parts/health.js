// How a collection fares, from what the API says of its indexes.

import { count, percent } from "../lib/format.js";
import { el } from "./dom.js";

const FAMILIES = { scan: "scan", graph: "graph", buckets: "buckets" };

/** `{kind, text}`: kind is good, warn or bad. */
export function health(index) {
  if (index.damage) return { kind: "bad", text: "saved index unusable" };
  if (index.error) return { kind: "bad", text: "index failing" };
  if (Object.values(index.dense).some((field) => field.next)) return { kind: "warn", text: "index is being changed" };
  if (index.pending > 0) return { kind: "warn", text: "indexing" };
  return { kind: "good", text: "healthy" };
}

/** It as a badge. */
export function badge({ kind, text }) {
  return el("span", { class: `badge ${kind}` }, text);
}

/** How vectors are found, in a word or two. */
export function kindsOf(index) {
  const families = new Set(Object.values(index.dense).map((field) => FAMILIES[field.family] ?? field.family));
  return families.size ? [...families].join(", ") : "scan";
}

/** How much of what was written is in an index; null where nothing waits. */
export function progress(index) {
  if (index.pending === 0) return null;
  const share = index.indexed / (index.indexed + index.pending);
  const bar = el("span");
  bar.style.width = percent(share).replace(" ", "");
  const text = `${count(index.pending)} points wait for the index: they are found all the same`;
  return el(
    "div",
    { class: "progress" },
    el("div", { class: "bar", role: "progressbar", "aria-label": "indexed", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share * 100) }, bar),
    el("p", { class: "small muted" }, text),
  );
}
