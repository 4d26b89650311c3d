// All collections of a tenant, each with its health; the aliases.

import { bytes, count } from "../lib/format.js";
import { databaseFacts } from "../parts/database.js";
import { el, show } from "../parts/dom.js";
import { badge, health, kindsOf, progress } from "../parts/health.js";
import { busy, empty, failed } from "../parts/notices.js";
import { link } from "../parts/route.js";

/** Collections that are asked about at once. */
const AT_ONCE = 6;

export async function collections({ root, api, route }) {
  show(root, busy());
  const [names, aliases, database] = await Promise.all([api.collections(), api.aliases(), databaseFacts(api)]);
  if (names.length === 0) return show(root, el("div", { class: "card" }, first(api)));
  const list = el("div", { class: "grid" });
  show(root, el("div", { class: "stack" }, database, list), aliasTable(aliases, route.tenant));
  const places = names.map((name) => [name, el("article", { class: "card" }, el("h2", {}, name), busy())]);
  list.append(...places.map(([, place]) => place));
  // All take from one iterator: so many at once, however many there are.
  const left = places.values();
  const describe = async () => {
    for (const [name, place] of left) {
      try {
        show(place, card(await api.describe(name), aliases, route.tenant));
      } catch (fault) {
        if (api.signal.aborted) return;
        show(place, el("h2", {}, name), failed(fault));
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, describe));
}

function card(described, aliases, tenant) {
  const { name, index } = described;
  const also = Object.entries(aliases).filter(([, of]) => of === name).map(([alias]) => alias);
  const state = health(index);
  const left = described.payload_indexes.filter((one) => !one.ready).length;
  const fact = (title, value, small) => el("div", {}, el("dt", {}, title), el("dd", {}, value, small && el("small", {}, ` ${small}`)));
  return [
    el("div", { class: "card-head" }, el("h2", {}, el("a", { href: link(["collections", name, "overview"], { tenant }) }, name)), badge(state)),
    el(
      "dl",
      { class: "facts" },
      fact("Documents", count(described.documents)),
      fact("Found by", kindsOf(index)),
      fact("Index memory", bytes(index.memory_bytes)),
      fact("Delta", count(index.pending), index.pending ? "to be indexed" : null),
      fact("Payload indexes", count(described.payload_indexes.length), left ? `${left} building` : null),
    ),
    progress(index),
    also.length ? el("p", { class: "small muted also" }, "also called ", also.join(", ")) : null,
    el(
      "p",
      { class: "row links" },
      ["documents", "query", "map"].map((view) => el("a", { href: link(["collections", name, view], { tenant }) }, view[0].toUpperCase() + view.slice(1))),
    ),
  ];
}

function aliasTable(aliases, tenant) {
  const rows = Object.entries(aliases);
  if (rows.length === 0) return null;
  const row = ([alias, name]) =>
    el("tr", {}, el("th", { scope: "row" }, alias), el("td", {}, el("a", { href: link(["collections", name, "overview"], { tenant }) }, name)));
  const head = el("thead", {}, el("tr", {}, el("th", {}, "Alias"), el("th", {}, "Collection")));
  return el("section", { class: "after" }, el("h2", {}, "Aliases"), el("div", { class: "card flush" }, el("table", {}, head, el("tbody", {}, rows.map(row)))));
}

function first(api) {
  const at = new URL(api.path("notes"), document.baseURI).href;
  const json = "-H 'content-type: application/json'";
  const command = [
    `curl -X PUT ${at} ${json} -d '{"dim": 2}'`,
    `curl ${at}/documents ${json} \\`,
    `  -d '{"documents": [{"id": 1, "vector": [1, 0], "payload": {"title": "first"}}]}'`,
  ].join("\n");
  return empty("No collections yet", "Make one and put a document into it, then reload this page:", command);
}
