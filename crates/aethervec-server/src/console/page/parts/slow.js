// The queries that took too long lately, each with what it looked like and where its time went.

import { count, seconds } from "../lib/format.js";
import { el, show } from "./dom.js";
import { failed } from "./notices.js";
import { stepList } from "./plan.js";
import { tree } from "./values.js";

/** `{element, look()}`: a part of the page that reads the list when it is opened, and when `look` is called while it is. */
export function slowQueries(api) {
  const inside = el("div", { class: "stack" });
  const element = el("details", { class: "card" }, el("summary", {}, "Slow queries"), inside);
  let shown = null;
  async function look() {
    if (!element.open) return;
    try {
      const list = await api.get("v1/slow-queries");
      const now = JSON.stringify(list);
      // What somebody has opened stays open while nothing is new.
      if (now !== shown) show(inside, content(list));
      shown = now;
    } catch (fault) {
      if (!api.signal.aborted) show(inside, failed(fault));
    }
  }
  element.addEventListener("toggle", look);
  return { element, look };
}

function content({ slow_query_ms: limit, queries }) {
  if (limit === null) return el("p", { class: "muted" }, "No query counts as slow: the setting slow_query_ms says from when on one does.");
  if (queries.length === 0) return el("p", { class: "muted" }, `None took longer than ${count(limit)} ms.`);
  return queries.map((query) => {
    const head = el("summary", {}, el("span", { class: "mono" }, seconds(query.took_us / 1e6)), ` ${query.operation} in ${query.collection} `, el("span", { class: "muted small" }, `${query.protocol} · tenant ${query.tenant} · ${query.time}`), query.failed && el("span", { class: "badge bad" }, "failed"));
    const shape = typeof query.shape === "object" && query.shape !== null ? tree(query.shape) : null;
    const request = el("p", { class: "small muted" }, "In the log it is request ", el("code", {}, query.request_id), ".");
    return el("details", { class: "slow" }, head, el("div", { class: "stack" }, shape, stepList(query), request));
  });
}
