// A sample of the vectors in two dimensions: their principal components, coloured by a field of the payload.

import { colourBy } from "../lib/colours.js";
import { kindOf, rows, SPARSE_DIMS } from "../lib/embed.js";
import { survey } from "../lib/fields.js";
import { count, figure, id as shownId, idInPath, percent } from "../lib/format.js";
import { project } from "../lib/pca.js";
import { openDocument } from "../parts/document.js";
import { el, field, say, select, show } from "../parts/dom.js";
import { filterField } from "../parts/filter.js";
import { busy, empty, failed } from "../parts/notices.js";
import { Scatter } from "../parts/scatter.js";
import { line } from "../parts/values.js";

const SAMPLES = [200, 500, 1000, 2000];
/** Numbers that a picture takes at most: a sample of long vectors is smaller. */
const COMPONENTS_MAX = 3_000_000;
/** Documents that are read to know which fields there are. */
const SURVEYED = 200;
/** Values of a field beyond which its colours say nothing. */
const VALUES_MAX = 200;

export async function map({ root, api, name }) {
  show(root, busy());
  const described = await api.describe(name);
  const fields = Object.keys(described.schema.fields);
  if (described.documents === 0 || fields.length === 0) {
    show(root, el("div", { class: "card" }, empty("Nothing to draw yet", "The map shows a sample of the vectors of this collection, as soon as there are some.")));
    return;
  }
  const using = select(fields.map((one) => [one, one || "default"]), fields[0]);
  const size = select(SAMPLES.map((one) => [String(one), count(one)]), "1000");
  const paths = await colourable(api, name);
  const colour = select([["", "nothing"], ...paths.map((path) => [path, path])], paths[0] ?? "");
  const filter = filterField({ name: "Only documents with" });
  const picture = el("div", { class: "after" });
  const form = el(
    "form",
    { class: "card stack" },
    el("div", { class: "row" }, fields.length > 1 ? field("Vector field", using, { half: true }) : null, field("Sample", size, { half: true }), field("Colour by", colour, { half: true }), filter.element, el("button", { class: "button main" }, "Draw")),
  );
  show(root, form, picture);
  let drawing = null;

  async function draw() {
    show(picture, busy("Reading a sample …"));
    try {
      const asked = { using: using.value, size: Number(size.value), filter: filter.value(), field: described.schema.fields[using.value] };
      drawing = await sampled(api, name, asked, (text) => show(picture, busy(text)));
      filter.fine();
      show(picture, drawing ? drawing.element : el("div", { class: "card" }, empty("Nothing to draw", "No document has such a vector and satisfies the filter.")));
      await drawing?.paint(colour.value);
    } catch (fault) {
      if (!api.signal.aborted) show(picture, filter.wrong(fault) ? null : failed(fault, draw));
    }
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  using.addEventListener("change", draw);
  size.addEventListener("change", draw);
  colour.addEventListener("change", () => drawing?.paint(colour.value));
  const redraw = () => drawing?.plot.draw();
  window.addEventListener("resize", redraw, { signal: api.signal });
  window.addEventListener("theme", redraw, { signal: api.signal });
  await draw();
}

/** Paths whose values can be colours, those that say most first: few values, in many documents. */
async function colourable(api, name) {
  const { hits } = await api.ask(name, "query", { query: { sample: { seed: 1 } }, limit: SURVEYED, with_payload: true });
  const found = survey(hits.map((hit) => hit.payload ?? {}));
  const usable = found.filter(({ values, kinds, count: times }) => values.size > 1 && !kinds.has("array") && times >= hits.length / 4 && (kinds.has("number") || values.size <= Math.min(VALUES_MAX, times / 2)));
  const rank = ({ values, kinds }) => (kinds.has("boolean") ? 3 : kinds.has("number") ? 1 : values.size <= 12 ? 0 : 2);
  return usable.sort((one, other) => rank(one) - rank(other)).map(({ path }) => path);
}

/** Reads a sample and draws it: `{element, plot, paint(path)}`; null where there is nothing. */
async function sampled(api, name, { using, size, filter, field }, progress) {
  const limit = Math.max(50, Math.min(size, Math.floor(COMPONENTS_MAX / (field.dim ?? field.bits ?? SPARSE_DIMS))));
  const condition = { has_vector: using };
  const request = { query: { sample: { seed: 7 } }, filter: filter ? { and: [condition, filter] } : condition, limit };
  const { hits } = await api.ask(name, "query", { ...request, with_payload: false, with_vectors: [using] });
  const found = hits.filter((hit) => kindOf(hit.vectors?.[using]));
  if (found.length === 0) return null;
  progress(`Projecting ${count(found.length)} vectors …`);
  const made = rows(found.map((hit) => hit.vectors[using]), field.metric === "cosine");
  const pause = () => new Promise((go) => setTimeout(go));
  const { points, shares } = await project(made.rows, made.dim, 2, pause);
  const ids = found.map((hit) => hit.id);
  return drawn(api, name, { ids, points, shares, limit, size });
}

function drawn(api, name, { ids, points, shares, limit, size }) {
  const tip = el("div", { class: "tip", hidden: true });
  const payloads = new Map();
  let pointedAt = null;
  const plot = new Scatter(points, {
    label: `${ids.length} documents in two dimensions. Arrow keys go from point to point, Enter opens one.`,
    chosen: (at) => openDocument({ api, name, id: idInPath(ids[at]) }),
    pointed: (at, place) => {
      pointedAt = at;
      tip.hidden = at === null;
      if (at === null) return;
      tip.style.left = `${Math.min(place[0] + 12, plot.canvas.clientWidth * 0.6)}px`;
      tip.style.top = `${place[1] + 12}px`;
      payload(at);
    },
  });

  /** Shows the document that is pointed at. */
  async function payload(at) {
    const id = shownId(ids[at]);
    show(tip, el("strong", { class: "mono" }, id), payloads.has(at) ? el("div", {}, line(payloads.get(at), 8)) : null);
    if (payloads.has(at)) return say(`Document ${id}`);
    try {
      const { hits } = await api.ask(name, "query", { filter: { has_id: [ids[at]] }, limit: 1, with_payload: true });
      payloads.set(at, hits[0]?.payload ?? {});
      if (pointedAt === at) payload(at);
    } catch {
      // The next document that is pointed at may answer; opening one tells what is wrong.
    }
  }

  const legend = el("div", { class: "legend" });
  const button = (text, name, act) => el("button", { type: "button", class: "button", "aria-label": name, title: name, onclick: act }, text);
  const zoom = el("div", { class: "zoom" }, button("+", "Zoom in", () => plot.zoom(1.5)), button("−", "Zoom out", () => plot.zoom(1 / 1.5)), button("⤢", "Show all", () => plot.whole()));
  const held = shares.reduce((sum, share) => sum + share, 0);
  const less = limit < size ? ` The vectors are long: the sample was made smaller.` : "";
  const note = el("p", { class: "small muted after" }, `${count(ids.length)} documents, drawn at random. The two axes hold ${percent(held)} of what vectors differ in (${percent(shares[0])} and ${percent(shares[1] ?? 0)}): what is near here need not be near.${less}`);
  const element = el("section", {}, el("div", { class: "card flush" }, el("div", { class: "map" }, plot.canvas, zoom, tip), legend), note);

  async function paint(path) {
    const known = path ? await values(api, name, ids, path) : [];
    const colours = colourBy(path ? known : ids.map(() => ({})), path);
    plot.paint(colours.of, colours.groups);
    legend.hidden = colours.kind === "none";
    show(legend, el("span", { class: "muted small" }, path), legendOf(colours, plot));
  }
  return { element, plot, paint };
}

/** The payloads of documents, with nothing but the value at `path`. */
async function values(api, name, ids, path) {
  const { hits } = await api.ask(name, "query", { filter: { has_id: ids }, limit: ids.length, with_payload: { include: [path] } });
  const byId = new Map(hits.map((hit) => [shownId(hit.id), hit.payload ?? {}]));
  return ids.map((id) => byId.get(shownId(id)) ?? {});
}

function legendOf(colours, plot) {
  if (colours.kind === "ramp") {
    const ramp = el("span", { class: "ramp" });
    ramp.style.background = `linear-gradient(to right, ${colours.stops.join(", ")})`;
    return el("span", { class: "row small" }, figure(colours.low), ramp, figure(colours.high));
  }
  if (colours.kind === "none") return null;
  const buttons = colours.entries.map(({ name, colour, count: times, group }) => {
    const dot = el("span", { class: "dot" });
    dot.style.background = colour;
    const own = el("button", { type: "button", "aria-pressed": "false" }, dot, name, el("span", { class: "muted" }, count(times)));
    own.addEventListener("click", () => {
      const picked = own.getAttribute("aria-pressed") !== "true";
      for (const other of buttons) other.setAttribute("aria-pressed", "false");
      own.setAttribute("aria-pressed", String(picked));
      plot.highlight(picked ? group : null);
    });
    return own;
  });
  return buttons;
}
