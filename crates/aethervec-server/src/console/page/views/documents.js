// Documents, page by page: filtered, in the order of ids or of a field.

import { at, survey } from "../lib/fields.js";
import { count, id, idInPath } from "../lib/format.js";
import { openDocument } from "../parts/document.js";
import { choice, el, field, nodes, say, select, show } from "../parts/dom.js";
import { filterField } from "../parts/filter.js";
import { busy, empty, failed } from "../parts/notices.js";
import { amend } from "../parts/route.js";
import { cell } from "../parts/values.js";

const PAGE = 25;
const COLUMNS_MAX = 6;

export async function documents({ root, api, name, route }) {
  const results = el("div");
  const filter = filterField({ value: route.params.filter ?? "" });
  const order = select([["", "id"]], "", {});
  let direction = "asc";
  const form = el(
    "form",
    { class: "card stack" },
    filter.element,
    el(
      "div",
      { class: "row" },
      field("Order by", order, { half: true }),
      choice("Direction", [["asc", "Up"], ["desc", "Down"]], direction, (value) => (direction = value)),
      el("button", { class: "button main" }, "Show"),
      el("button", { type: "button", class: "button bare", onclick: clear }, "Clear"),
    ),
  );
  show(root, form, results);
  await orders();
  const open = (which) => openDocument({ api, name, id: which });
  const page = pages(api, name, results, open);

  function request() {
    const asked = { limit: PAGE, with_payload: true };
    if (filter.value()) asked.filter = filter.value();
    if (order.value) asked.query = { order_by: { path: order.value, direction } };
    return asked;
  }
  function clear() {
    filter.set("");
    order.value = "";
    submit();
  }
  function submit() {
    amend({ filter: filter.value() });
    return page(request(), filter);
  }
  async function orders() {
    const described = await api.describe(name);
    const sortable = described.payload_indexes.filter((index) => ["integer", "float", "datetime"].includes(index.kind));
    order.append(...sortable.map(({ path }) => el("option", { value: path }, path)));
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  order.addEventListener("change", submit);
  await page(request(), filter);
  if (route.params.open) open(route.params.open);
}

/** A function that shows the first page of a request, and from there the next and the previous ones. */
function pages(api, name, root, open) {
  return async (request, filter) => {
    const cursors = [null];
    const counted = countOf(api, name, request.filter);
    const turn = async () => {
      show(root, busy());
      try {
        const cursor = cursors.at(-1);
        const found = await api.ask(name, "query", cursor ? { ...request, cursor } : request);
        filter.fine();
        const total = await counted;
        show(root, table(found, { total, first: (cursors.length - 1) * PAGE, filtered: Boolean(request.filter), api, name, open, cursors, turn }));
        say(`${found.hits.length} documents shown`);
      } catch (fault) {
        if (api.signal.aborted) return;
        show(root, filter.wrong(fault) ? null : failed(fault, turn));
      }
    };
    await turn();
  };
}

/** How many there are; null when that cannot be said. */
async function countOf(api, name, filter) {
  try {
    return (await api.ask(name, "count", filter ? { filter } : {})).count;
  } catch {
    return null;
  }
}

function table({ hits, next }, { total, first, filtered, api, name, open, cursors, turn }) {
  if (hits.length === 0) return el("div", { class: "card after" }, filtered ? empty("Nothing matches", "No document satisfies this filter.") : nothing(api, name));
  const columns = survey(hits.map((hit) => hit.payload ?? {})).slice(0, COLUMNS_MAX).map(({ path }) => path);
  const numeric = (path) => hits.every((hit) => ["number", "undefined"].includes(typeof at(hit.payload, path)));
  const row = (hit) => {
    const openIt = () => open(idInPath(hit.id));
    const button = el("button", { type: "button", class: "link mono", onclick: (event) => (event.stopPropagation(), openIt()) }, id(hit.id));
    return el("tr", { class: "opens", onclick: openIt }, el("td", { "data-label": "id" }, button), columns.map((path) => el("td", { class: numeric(path) ? "value number" : "value", "data-label": path }, el("span", {}, cell(at(hit.payload, path))))));
  };
  const head = el("tr", {}, el("th", { scope: "col" }, "id"), columns.map((path) => el("th", { scope: "col", class: numeric(path) ? "number" : null }, path)));
  const back = el("button", { type: "button", class: "button small", disabled: cursors.length < 2, onclick: () => (cursors.pop(), turn()) }, "← Previous");
  const forth = el("button", { type: "button", class: "button small", disabled: !next, onclick: () => (cursors.push(next), turn()) }, "Next →");
  const range = `${count(first + 1)}–${count(first + hits.length)}${total === null ? "" : ` of ${count(total)}`}`;
  const pager = el("div", { class: "pager" }, el("span", { class: "muted" }, `${range} ${filtered ? "that match" : "documents"}`), el("span", { class: "end row" }, nodes([back, forth])));
  return el("section", { class: "card flush after" }, pager, el("div", { class: "scroll" }, el("table", { class: "folds" }, el("thead", {}, head), el("tbody", {}, hits.map(row)))));
}

function nothing(api, name) {
  const address = new URL(api.path(name, "documents"), document.baseURI).href;
  return empty("No documents yet", "Put one in:", `curl ${address} -H 'content-type: application/json' \\\n  -d '{"documents": [{"id": 1, "vector": […], "payload": {"title": "first"}}]}'`);
}
