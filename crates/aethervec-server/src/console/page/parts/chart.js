// A line chart over time, as SVG: few lines, an axis from 0, the present values beside their names.

import { el, show, svg } from "./dom.js";

const HEIGHT = 150;
const LEFT = 58;
const BOTTOM = 20;
const TOP = 6;
const STROKES = ["var(--accent)", "#d9772b", "#2f9e74", "#b14a8f"];

/**
 * `{element, update(times, lines)}`. `format` spells a value, `names` are those of the lines. `update` takes the times in
 * seconds and, for each line, its values; null is a gap.
 */
export function lineChart({ title, about, format, names }) {
  const picture = svg("svg", { role: "img", height: HEIGHT });
  const now = el("div", { class: "now" });
  const element = el("section", { class: "card chart" }, el("div", {}, el("h2", {}, title), el("p", { class: "small muted" }, about)), picture, now);
  let drawn = { times: [], lines: [] };

  function update(times, lines) {
    drawn = { times, lines };
    if (times.length === 0) return;
    // Drawn as wide as it is, so that texts keep their shape.
    const width = picture.clientWidth || 360;
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const [from, to] = [times[0], Math.max(times.at(-1), times[0] + 10)];
    const top = niceTop(Math.max(...lines.flat().filter((value) => value !== null && Number.isFinite(value)), 0));
    const x = (time) => LEFT + ((time - from) / (to - from)) * (width - LEFT - 4);
    const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
    drawn = { times, lines, x, y };
    const marks = [0, top / 2, top].map((value) => [
      svg("line", { class: "grid-line", x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    ]);
    const span = [
      svg("text", { x: LEFT, y: HEIGHT - 4 }, `${Math.round(to - from)} s ago`),
      svg("text", { x: width, y: HEIGHT - 4, "text-anchor": "end" }, "now"),
    ];
    const paths = lines.map((values, at) => svg("path", { class: "line", stroke: STROKES[at], d: path(times, values, x, y) }));
    const ends = lines.map((values, at) => Number.isFinite(values.at(-1) ?? NaN) && svg("circle", { r: 3, fill: STROKES[at], cx: x(times.at(-1)), cy: y(values.at(-1)) }));
    show(picture, marks, span, paths, ends);
    picture.setAttribute("aria-label", `${title}: ${names.map((name, at) => `${name} ${spell(lines[at].at(-1))}`).join(", ")}`);
    legend(times.length - 1);
  }

  function legend(at) {
    const key = (line) => {
      const own = el("span", { class: "key" });
      own.style.background = STROKES[line];
      return own;
    };
    show(now, names.map((name, line) => el("span", {}, key(line), `${name} `, el("strong", {}, spell(drawn.lines[line]?.[at])))));
  }
  function spell(value) {
    return value === null || value === undefined ? "–" : format(value);
  }

  // The values at the time that is pointed at.
  picture.addEventListener("pointermove", (event) => {
    if (!drawn.x) return;
    const box = picture.getBoundingClientRect();
    const place = event.clientX - box.left;
    const away = drawn.times.map((time) => Math.abs(drawn.x(time) - place));
    const at = away.indexOf(Math.min(...away));
    picture.querySelector(".cross")?.remove();
    const cross = drawn.x(drawn.times[at]);
    picture.append(svg("line", { class: "cross", x1: cross, x2: cross, y1: TOP, y2: HEIGHT - BOTTOM }));
    legend(at);
  });
  picture.addEventListener("pointerleave", () => {
    picture.querySelector(".cross")?.remove();
    legend(drawn.times.length - 1);
  });
  return { element, update };
}

function path(times, values, x, y) {
  let open = false;
  const parts = values.map((value, at) => {
    if (value === null || !Number.isFinite(value)) {
      open = false;
      return "";
    }
    const part = `${open ? "L" : "M"}${x(times[at]).toFixed(1)} ${y(value).toFixed(1)}`;
    open = true;
    return part;
  });
  return parts.join("");
}

/** The least of 1, 2, 4, 5 · 10ⁿ that is not below `value`; 1 for nothing. */
export function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
}
