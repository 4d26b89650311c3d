// Points on a canvas: drawn, zoomed, moved, pointed at.
//
// Places are kept as they are; the view is a center and a scale. The keyboard does what the mouse does: arrows go from
// point to point, Enter opens one, + and - zoom.

import { el } from "./dom.js";
import { colour } from "./theme.js";

const RADIUS = 3.2;
const REACH = 14;
const ZOOM_MAX = 200;

/**
 * A picture of `points` ([[x, y], …]). `pointed(at, place)` is told which point the mouse or the keyboard is at (null:
 * none), `chosen(at)` which one somebody opens.
 */
export function scatter(points, { label, pointed, chosen }) {
  const canvas = el("canvas", { tabindex: 0, role: "application", "aria-label": label });
  const view = { x: 0, y: 0, scale: 1 };
  let colours = [];
  let groups = [];
  let only = null;
  let current = null;
  let size = { width: 0, height: 0 };

  fit();
  function fit() {
    const xs = points.map(([x]) => x);
    const ys = points.map(([, y]) => y);
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    view.x = (left + right) / 2;
    view.y = (low + high) / 2;
    view.fit = { width: right - left || 1, height: high - low || 1 };
    view.scale = 1;
  }
  function unit() {
    return Math.min((size.width - 40) / view.fit.width, (size.height - 40) / view.fit.height) * view.scale;
  }
  function toScreen([x, y]) {
    const one = unit();
    return [size.width / 2 + (x - view.x) * one, size.height / 2 - (y - view.y) * one];
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    size = { width: canvas.clientWidth, height: canvas.clientHeight };
    if (size.width === 0) return;
    canvas.width = Math.round(size.width * ratio);
    canvas.height = Math.round(size.height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, size.width, size.height);
    const plain = colour("--accent");
    const radius = Math.min(7, RADIUS * Math.sqrt(view.scale)) * (points.length > 1500 ? 0.85 : 1);
    const order = only === null ? points.keys() : [...points.keys()].sort((one, other) => (groups[one] === only) - (groups[other] === only));
    for (const at of order) {
      const [x, y] = toScreen(points[at]);
      pen.globalAlpha = only !== null && groups[at] !== only ? 0.1 : 0.8;
      pen.fillStyle = colours[at] ?? plain;
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.globalAlpha = 1;
    if (current !== null) {
      const [x, y] = toScreen(points[current]);
      pen.strokeStyle = colour("--text");
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, radius + 3, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  function nearest(x, y) {
    let best = null;
    let reach = REACH;
    points.forEach((point, at) => {
      if (only !== null && groups[at] !== only) return;
      const [px, py] = toScreen(point);
      const away = Math.hypot(px - x, py - y);
      if (away < reach) [best, reach] = [at, away];
    });
    return best;
  }
  function point(at) {
    if (at === current) return;
    current = at;
    draw();
    pointed(at, at === null ? null : toScreen(points[at]));
  }
  /** The next point in a direction: near, and not far off it. */
  function step(dx, dy) {
    if (current === null) return point(nearestToCenter());
    const [x, y] = toScreen(points[current]);
    let best = null;
    let least = Infinity;
    points.forEach((other, at) => {
      if (at === current || (only !== null && groups[at] !== only)) return;
      const [ox, oy] = toScreen(other);
      const along = (ox - x) * dx + (oy - y) * dy;
      const aside = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
      if (along > 0.5 && along + 2 * aside < least) [best, least] = [at, along + 2 * aside];
    });
    if (best !== null) point(best);
  }
  function nearestToCenter() {
    let [best, least] = [0, Infinity];
    points.forEach((other, at) => {
      const [x, y] = toScreen(other);
      const away = Math.hypot(x - size.width / 2, y - size.height / 2);
      if (away < least) [best, least] = [at, away];
    });
    return best;
  }
  function zoom(factor, x = size.width / 2, y = size.height / 2) {
    const scale = Math.min(ZOOM_MAX, Math.max(0.5, view.scale * factor));
    const one = unit();
    // What is under the mouse stays there.
    const grow = scale / view.scale;
    view.x += ((x - size.width / 2) / one) * (1 - 1 / grow);
    view.y -= ((y - size.height / 2) / one) * (1 - 1 / grow);
    view.scale = scale;
    current = null;
    pointed(null, null);
    draw();
  }

  const touches = new Map();
  let moved = false;
  const place = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    touches.set(event.pointerId, place(event));
    moved = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = touches.get(event.pointerId);
    if (!before) return point(nearest(...now));
    if (!moved && Math.hypot(now[0] - before[0], now[1] - before[1]) < 4) return;
    moved = true;
    const others = [...touches].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    touches.set(event.pointerId, now);
    if (others.length === 0) {
      const one = unit();
      view.x -= (now[0] - before[0]) / one;
      view.y += (now[1] - before[1]) / one;
      pointed((current = null), null);
      draw();
    } else {
      const spread = (at) => Math.hypot(at[0] - others[0][0], at[1] - others[0][1]);
      zoom(spread(now) / (spread(before) || 1), (now[0] + others[0][0]) / 2, (now[1] + others[0][1]) / 2);
    }
  });
  const up = (event) => {
    const was = touches.delete(event.pointerId);
    if (event.type !== "pointerup" || !was || moved) return;
    const at = nearest(...place(event));
    point(at);
    if (at !== null) chosen(at);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => touches.size === 0 && point(null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), ...place(event));
  }, { passive: false });
  canvas.addEventListener("blur", () => point(null));
  const keys = {
    ArrowLeft: () => step(-1, 0),
    ArrowRight: () => step(1, 0),
    ArrowUp: () => step(0, -1),
    ArrowDown: () => step(0, 1),
    "+": () => zoom(1.4),
    "-": () => zoom(1 / 1.4),
    0: () => (fit(), draw()),
    Enter: () => current !== null && chosen(current),
    Escape: () => point(null),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  return {
    canvas,
    draw,
    zoom,
    whole: () => (fit(), draw()),
    /** Colours, and the groups that `highlight` picks from, by point. */
    paint: (newColours, newGroups) => {
      [colours, groups, only] = [newColours, newGroups, null];
      draw();
    },
    highlight: (group) => {
      only = group;
      draw();
    },
  };
}
