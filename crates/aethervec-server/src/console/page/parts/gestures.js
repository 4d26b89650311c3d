// What hands do to a picture of points: point, drag, pinch, turn the wheel; and the same with keys: arrows go from point to
// point, Enter opens one, + and - zoom, 0 shows all.

/** How far from a point, in pixels, is still at it. */
const REACH = 14;
/** How far a finger may slip, in pixels, before it drags. */
const SLIP = 4;
const ZOOM_STEP = 1.4;

/** Lets `plot` be moved by what happens on `canvas`; `chosen` is told which point somebody opens. */
export function listen(canvas, plot, chosen) {
  pointers(canvas, plot, chosen);
  keys(canvas, plot, chosen);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    plot.zoom(Math.exp(-event.deltaY / 400), place(event));
  }, { passive: false });
  canvas.addEventListener("blur", () => plot.point(null));
}

function place(event) {
  return [event.offsetX, event.offsetY];
}

function pointers(canvas, plot, chosen) {
  /** Fingers and buttons that are down, and where. */
  const down = new Map();
  let dragged = false;

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    dragged = down.size > 0;
    down.set(event.pointerId, place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = down.get(event.pointerId);
    if (!before) return plot.point(plot.nearest(now, REACH));
    if (!dragged && Math.hypot(now[0] - before[0], now[1] - before[1]) < SLIP) return;
    dragged = true;
    down.set(event.pointerId, now);
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    if (other) pinch(plot, other, before, now);
    else plot.move(now[0] - before[0], now[1] - before[1]);
  });
  const up = (event) => {
    const wasDown = down.delete(event.pointerId);
    if (event.type !== "pointerup" || !wasDown || dragged) return;
    const at = plot.nearest(place(event), REACH);
    plot.point(at);
    if (at !== null) chosen(at);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => down.size === 0 && plot.point(null));
}

/** Zooms as two fingers go apart, around the middle between them. */
function pinch(plot, other, before, now) {
  const spread = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
  plot.zoom(spread(now) / spread(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
}

function keys(canvas, plot, chosen) {
  const actions = {
    ArrowLeft: () => plot.step(-1, 0),
    ArrowRight: () => plot.step(1, 0),
    ArrowUp: () => plot.step(0, -1),
    ArrowDown: () => plot.step(0, 1),
    "+": () => plot.zoom(ZOOM_STEP),
    "-": () => plot.zoom(1 / ZOOM_STEP),
    0: () => plot.whole(),
    Enter: () => plot.current !== null && chosen(plot.current),
    Escape: () => plot.point(null),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });
}
