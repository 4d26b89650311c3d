// What a search or a query has found.

import { count, id, idInPath, score, seconds } from "../lib/format.js";
import { stringify } from "../lib/json.js";
import { openDocument } from "./document.js";
import { el } from "./dom.js";
import { empty } from "./notices.js";
import { line } from "./values.js";

/** A table of hits, best first. `took`: seconds until the answer was here; `example`: the id of the document that was searched for. */
export function hitTable(hits, { api, name, took, example = null }) {
  const head = el("div", { class: "pager" }, el("h2", {}, hits.length === 1 ? "1 hit" : `${count(hits.length)} hits`), el("span", { class: "muted end" }, `${seconds(took)} there and back`));
  if (hits.length === 0) return el("section", { class: "card flush" }, head, empty("Nothing found", "No document satisfies all of this: a weaker filter or a smaller threshold may."));
  const own = example === null ? null : stringify(example);
  const hasDistance = hits.some((hit) => hit.distance !== undefined);
  const row = (hit, at) => {
    const open = () => openDocument({ api, name, id: idInPath(hit.id) });
    const button = el("button", { type: "button", class: "link mono", onclick: (event) => (event.stopPropagation(), open()) }, id(hit.id));
    const note = stringify(hit.id) === own ? el("span", { class: "badge plain" }, "the example") : null;
    return el(
      "tr",
      { class: "opens", onclick: open },
      el("td", { class: "number muted", "data-label": "#" }, at + 1),
      el("td", { "data-label": "id" }, el("span", {}, button, " ", note)),
      el("td", { class: "number mono", "data-label": "score" }, score(hit.score)),
      hasDistance ? el("td", { class: "number mono muted", "data-label": "distance" }, score(hit.distance)) : null,
      el("td", { class: "payload" }, line(hit.payload)),
    );
  };
  const names = el("tr", {}, el("th", { class: "number" }, "#"), el("th", {}, "id"), el("th", { class: "number" }, "score"), hasDistance ? el("th", { class: "number" }, "distance") : null, el("th", {}, "payload"));
  return el("section", { class: "card flush" }, head, el("div", { class: "scroll" }, el("table", { class: "folds hits" }, el("thead", {}, names), el("tbody", {}, hits.map(row)))));
}
