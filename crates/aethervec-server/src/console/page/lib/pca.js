// Principal components by power iteration: the directions in which vectors differ most.
//
// For n rows of d components, an iteration costs 2nd multiplications: no matrix of d × d is made. Later components are
// kept orthogonal to the earlier ones while they are sought.

const ITERATIONS_MAX = 100;
const SETTLED = 1e-6;

/** Numbers between -0.5 and 0.5 that are the same each time (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296 - 0.5;
  };
}

/** Takes the mean off each row, in place. Returns the sum of squares that is left. */
export function center(rows, dim) {
  const mean = new Float64Array(dim);
  for (const row of rows) for (let i = 0; i < dim; i++) mean[i] += row[i];
  let squares = 0;
  for (const row of rows) {
    for (let i = 0; i < dim; i++) {
      row[i] -= mean[i] / rows.length;
      squares += row[i] * row[i];
    }
  }
  return squares;
}

/**
 * Where `rows` (arrays of `dim` numbers, which are centered in place) lie on their first `components` axes:
 * `{points: [[x, y, …]], shares}`; a share says how much of all differences an axis holds. `pause` is awaited between
 * iterations, so that a page stays alive.
 */
export async function project(rows, dim, components = 2, pause = () => {}) {
  const squares = center(rows, dim);
  const next = random(7);
  const axes = [];
  const points = rows.map(() => []);
  const shares = [];
  for (let number = 0; number < components; number++) {
    const axis = await principal(rows, dim, axes, next, pause);
    axes.push(axis);
    let held = 0;
    rows.forEach((row, at) => {
      const along = dot(row, axis, dim);
      points[at].push(along);
      held += along * along;
    });
    shares.push(squares > 0 ? held / squares : 0);
  }
  return { points, shares };
}

async function principal(rows, dim, axes, next, pause) {
  let axis = Float64Array.from({ length: dim }, next);
  normalize(orthogonal(axis, axes, dim));
  for (let iteration = 0; iteration < ITERATIONS_MAX; iteration++) {
    const moved = new Float64Array(dim);
    for (const row of rows) {
      const along = dot(row, axis, dim);
      for (let i = 0; i < dim; i++) moved[i] += along * row[i];
    }
    normalize(orthogonal(moved, axes, dim));
    const turned = 1 - Math.abs(dot(moved, axis, dim));
    axis = moved;
    if (turned < SETTLED) break;
    await pause();
  }
  return axis;
}

function orthogonal(vector, axes, dim) {
  for (const axis of axes) {
    const along = dot(vector, axis, dim);
    for (let i = 0; i < dim; i++) vector[i] -= along * axis[i];
  }
  return vector;
}

/** Makes `vector` as long as 1, in place; zero stays zero. */
export function normalize(vector) {
  const length = Math.sqrt(vector.reduce((sum, part) => sum + part * part, 0));
  if (length > 0) for (let i = 0; i < vector.length; i++) vector[i] /= length;
  return vector;
}

function dot(one, other, dim) {
  let sum = 0;
  for (let i = 0; i < dim; i++) sum += one[i] * other[i];
  return sum;
}
