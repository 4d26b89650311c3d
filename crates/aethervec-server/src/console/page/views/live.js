// The server as it is now: charts of its figures, read every few seconds for as long as one looks.

import { CHARTS, levels } from "../lib/figures.js";
import * as format from "../lib/format.js";
import { familyNamed, parse, samples } from "../lib/prometheus.js";
import { measure } from "../lib/recall.js";
import { lineChart } from "../parts/chart.js";
import { el, field, select, show } from "../parts/dom.js";
import { busy, failed } from "../parts/notices.js";
import { slowQueries } from "../parts/slow.js";

/** Seconds that charts go back. */
const SPAN = 300;

export async function live({ root, api }) {
  const pace = select([["1", "every second"], ["2", "every 2 seconds"], ["5", "every 5 seconds"], ["15", "every 15 seconds"]], "2");
  const database = select([["", "all databases"]], "");
  const pause = el("button", { type: "button", class: "button", "aria-pressed": "false" }, "Pause");
  const trouble = el("div");
  const charts = CHARTS.map((chart) => ({ ...chart, drawn: lineChart({ ...chart, format: format[chart.unit], names: chart.lines.map((line) => line.name) }), place: el("div", { class: "card chart" }) }));
  const grid = el("div", { class: "charts" }, busy());
  const level = el("section", { class: "card chart" });
  const slow = slowQueries(api);
  const all = el("div");
  show(root, el("div", { class: "row" }, field("Look", pace, { half: true }), field("Database", database, { half: true }), pause), trouble, el("div", { class: "after" }, grid), el("section", { class: "stack after" }, slow.element, all));
  const recall = await recallChart(api);
  const scrapes = [];
  const table = figureTable();
  let timer = null;
  let paused = false;

  async function look() {
    clearTimeout(timer);
    try {
      if (!document.hidden) {
        scrapes.push(parse(await api.metrics(), performance.now() / 1000));
        while (scrapes.at(-1).at - scrapes[0].at > SPAN) scrapes.shift();
        show(trouble);
        draw();
        slow.look();
      }
    } catch (fault) {
      if (api.signal.aborted) return;
      show(trouble, el("div", { class: "after" }, failed(fault)));
      if (scrapes.length === 0) show(grid);
    }
    if (!paused && !api.signal.aborted) timer = setTimeout(look, Number(pace.value) * 1000);
  }

  function draw() {
    const latest = scrapes.at(-1);
    databases(database, latest);
    const where = database.value ? { tenant: database.value } : {};
    const times = scrapes.map((scrape) => scrape.at);
    const elements = charts.map((chart) => {
      if (!familyNamed(latest, chart.family)) {
        show(chart.place, el("div", {}, el("h2", {}, chart.title), el("p", { class: "small muted" }, chart.about)), el("p", { class: "none" }, `This server does not count ${chart.family}.`));
        return chart.place;
      }
      const values = chart.lines.map((line) => scrapes.map((scrape, at) => line.of(scrapes[at - 1], scrape, where)));
      chart.drawn.update(times, values);
      return chart.drawn.element;
    });
    const wanted = [elements[0], recall, ...elements.slice(1), levelBars(level, levels(latest, samples, where))].filter(Boolean);
    // What is already there stays, so that nothing loses the focus.
    if (wanted.some((element, at) => grid.children[at] !== element)) show(grid, wanted);
    if (!all.firstChild) show(all, table.element);
    table.update(latest);
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) clearTimeout(timer);
    else look();
  });
  pace.addEventListener("change", () => paused || look());
  database.addEventListener("change", () => scrapes.length && draw());
  api.signal.addEventListener("abort", () => clearTimeout(timer));
  await look();
}

/** Keeps the choice of databases up with those that are open. */
function databases(list, scrape) {
  const names = [...new Set(samples(scrape, "vector_db_storage_memtable_bytes").map(({ labels }) => labels.tenant).filter(Boolean))].sort();
  const known = [...list.options].map((option) => option.value);
  for (const name of names) if (!known.includes(name)) list.append(el("option", { value: name }, name));
}

/** How much is in each level of the tables. */
function levelBars(place, found) {
  const most = Math.max(1, ...found.map((level) => level.bytes));
  const bars = found.filter((level) => level.tables > 0 || level.bytes > 0).flatMap(({ level, bytes, tables }) => {
    const bar = el("span");
    bar.style.width = `${(bytes / most) * 100}%`;
    return [el("span", {}, `level ${level}`), el("div", { class: "bar" }, bar), el("span", { class: "number" }, `${format.bytes(bytes)} · ${format.count(tables)}`)];
  });
  const head = el("div", {}, el("h2", {}, "Levels"), el("p", { class: "small muted" }, "Tables of the storage, by level: what is new is in level 0."));
  const none = found.length === 0 ? "This server does not count vector_db_storage_level_bytes." : "There are no tables yet: everything is in memtables and logs.";
  show(place, head, bars.length ? el("div", { class: "levels" }, bars) : el("p", { class: "none" }, none));
  return place;
}

/** Recall, measured by this page: at the press of a button, or every minute. */
async function recallChart(api) {
  const names = await api.collections().catch(() => []);
  if (names.length === 0) return null;
  const chart = lineChart({ title: "Recall, measured", about: "Searches for documents that are there, compared with exact ones. This page measures it.", format: format.percent, names: ["recall@10"] });
  const collection = select(names.map((name) => [name, name]), names[0], { "aria-label": "Collection" });
  const run = el("button", { type: "button", class: "button small" }, "Measure");
  const note = el("span", { class: "small muted", role: "status" });
  const history = [];
  run.addEventListener("click", async () => {
    run.disabled = true;
    show(note, "Measuring …");
    try {
      const described = await api.describe(collection.value);
      const using = Object.keys(described.index.dense)[0];
      const found = using === undefined ? { searches: 0 } : await measure(api, collection.value, using);
      show(note, found.searches ? `in ${found.searches} searches` : "There is nothing that is searched approximately.");
      if (found.searches) history.push([performance.now() / 1000, found.recall]);
      chart.update(history.map(([at]) => at), [history.map(([, value]) => value)]);
    } catch (fault) {
      if (!api.signal.aborted) show(note, fault.message);
    }
    run.disabled = false;
  });
  collection.addEventListener("change", () => history.splice(0));
  chart.element.append(el("div", { class: "row middle" }, collection, run, note));
  return chart.element;
}

/** Every figure of the server, to look one up. */
function figureTable() {
  const search = el("input", { type: "search", placeholder: "storage, tenant=\"default\", …" });
  const body = el("tbody");
  let latest = null;
  const update = (scrape) => {
    latest = scrape;
    if (!element.open) return;
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [];
    for (const { help, samples: own } of scrape.families.values()) {
      for (const { name, labels, value } of own) {
        const text = `${name}${Object.entries(labels).map(([key, of]) => ` ${key}="${of}"`).join("")}`;
        if (name.endsWith("_bucket") || !wanted.every((word) => text.toLowerCase().includes(word))) continue;
        rows.push(el("tr", { title: help }, el("td", { class: "mono value" }, text), el("td", { class: "number mono" }, String(value))));
      }
    }
    show(body, rows);
  };
  search.addEventListener("input", () => latest && update(latest));
  const element = el(
    "details",
    { class: "card", ontoggle: () => latest && update(latest) },
    el("summary", {}, "All figures"),
    el("div", { class: "stack" }, field("Find", search), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Figure"), el("th", { scope: "col", class: "number" }, "Value"))), body))),
  );
  return { element, update };
}
