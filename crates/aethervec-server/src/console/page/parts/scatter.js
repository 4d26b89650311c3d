// Points on a canvas. Places are kept as they are; what is seen of them is a center and a scale.

import { el } from "./dom.js";
import { listen } from "./gestures.js";
import { colour } from "./theme.js";

const RADIUS = 3.2;
const RADIUS_MAX = 7;
const MARGIN = 20;
const SCALES = [0.5, 200];

/** A picture of points ([[x, y], …]). */
export class Scatter {
  #points;
  #pointed;
  #size = { width: 0, height: 0 };
  #extent;
  #center;
  #scale = 1;
  #colours = [];
  #groups = [];
  #only = null;
  #current = null;

  /**
   * `pointed(at, place)` is told which point the mouse or the keyboard is at, and where on the canvas (null: none);
   * `chosen(at)` which one somebody opens.
   */
  constructor(points, { label, pointed, chosen }) {
    this.#points = points;
    this.#pointed = pointed;
    this.canvas = el("canvas", { tabindex: 0, role: "application", "aria-label": label });
    this.#fit();
    listen(this.canvas, this, chosen);
  }

  /** Colours, and the groups that `highlight` picks from, by point. */
  paint(colours, groups) {
    [this.#colours, this.#groups, this.#only] = [colours, groups, null];
    this.draw();
  }

  /** Shows one group, and the others as shadows; null shows all. */
  highlight(group) {
    this.#only = group;
    this.draw();
  }

  /** Shows all points. */
  whole() {
    this.#fit();
    this.draw();
  }

  /** Zooms in by `factor`; the place stays where it is on the canvas. */
  zoom(factor, [x, y] = [this.#size.width / 2, this.#size.height / 2]) {
    const scale = Math.min(SCALES[1], Math.max(SCALES[0], this.#scale * factor));
    const moved = (1 - this.#scale / scale) / this.#unit();
    this.#center[0] += (x - this.#size.width / 2) * moved;
    this.#center[1] -= (y - this.#size.height / 2) * moved;
    this.#scale = scale;
    this.#leave();
  }

  /** Moves what is seen by so many pixels. */
  move(right, down) {
    this.#center[0] -= right / this.#unit();
    this.#center[1] += down / this.#unit();
    this.#leave();
  }

  /** The point that is pointed at; null: none. */
  get current() {
    return this.#current;
  }

  /** Points at a point, or at none. */
  point(at) {
    if (at === this.#current) return;
    this.#current = at;
    this.draw();
    this.#pointed(at, at === null ? null : this.#place(at));
  }

  /** The point nearest to a place on the canvas, among those that are shown and not further than `reach` away; or null. */
  nearest([x, y], reach = Infinity) {
    return this.#best((at, [px, py]) => {
      const away = Math.hypot(px - x, py - y);
      return away < reach ? away : Infinity;
    });
  }

  /** Points at the next point in a direction: near, and not far off it. */
  step(right, down) {
    if (this.#current === null) return this.point(this.nearest([this.#size.width / 2, this.#size.height / 2]));
    const [x, y] = this.#place(this.#current);
    const next = this.#best((at, [px, py]) => {
      const along = (px - x) * right + (py - y) * down;
      const aside = Math.abs((px - x) * down) + Math.abs((py - y) * right);
      return at !== this.#current && along > 0.5 ? along + 2 * aside : Infinity;
    });
    return next === null ? undefined : this.point(next);
  }

  draw() {
    const pen = this.#blank();
    if (!pen) return;
    const plain = colour("--accent");
    const radius = Math.min(RADIUS_MAX, RADIUS * Math.sqrt(this.#scale));
    for (const at of this.#order()) {
      pen.globalAlpha = this.#isShown(at) ? 0.8 : 0.1;
      pen.fillStyle = this.#colours[at] ?? plain;
      circle(pen, this.#place(at), radius);
      pen.fill();
    }
    if (this.#current === null) return;
    pen.globalAlpha = 1;
    pen.strokeStyle = colour("--text");
    pen.lineWidth = 2;
    circle(pen, this.#place(this.#current), radius + 3);
    pen.stroke();
  }

  /** The canvas, empty and as sharp as the screen; null while it has no place on the page. */
  #blank() {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    this.#size = { width: canvas.clientWidth, height: canvas.clientHeight };
    if (this.#size.width === 0) return null;
    canvas.width = Math.round(this.#size.width * ratio);
    canvas.height = Math.round(this.#size.height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    return pen;
  }

  /** Points in the order in which they are drawn: what is highlighted comes last, on top. */
  #order() {
    const all = [...this.#points.keys()];
    return this.#only === null ? all : all.sort((one, other) => this.#isShown(one) - this.#isShown(other));
  }

  #isShown(at) {
    return this.#only === null || this.#groups[at] === this.#only;
  }

  #fit() {
    const range = (axis) => this.#points.reduce(([low, high], point) => [Math.min(low, point[axis]), Math.max(high, point[axis])], [Infinity, -Infinity]);
    const ranges = [range(0), range(1)];
    this.#extent = ranges.map(([low, high]) => high - low || 1);
    this.#center = ranges.map(([low, high]) => (low + high) / 2);
    this.#scale = 1;
  }

  /** Pixels for each unit of the points. */
  #unit() {
    const { width, height } = this.#size;
    const fitting = Math.min((width - 2 * MARGIN) / this.#extent[0], (height - 2 * MARGIN) / this.#extent[1]);
    return Math.max(fitting, Number.MIN_VALUE) * this.#scale;
  }

  /** Where a point is on the canvas. */
  #place(at) {
    const [x, y] = this.#points[at];
    const unit = this.#unit();
    return [this.#size.width / 2 + (x - this.#center[0]) * unit, this.#size.height / 2 - (y - this.#center[1]) * unit];
  }

  /** The shown point with the least cost, if one has a finite one. */
  #best(cost) {
    let best = null;
    let least = Infinity;
    for (const at of this.#points.keys()) {
      const own = this.#isShown(at) ? cost(at, this.#place(at)) : Infinity;
      if (own < least) [best, least] = [at, own];
    }
    return best;
  }

  /** Points at nothing, and draws anew. */
  #leave() {
    this.#current = null;
    this.#pointed(null, null);
    this.draw();
  }
}

function circle(pen, [x, y], radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
}
