// Vectors of any kind as rows of numbers, for a picture: what is lost on the way is said where it is lost.

import { normalize } from "./pca.js";

/** Of sparse vectors, so many dimensions count: those that most vectors have. */
export const SPARSE_DIMS = 512;

/** What a vector as the API spells it is: "dense", "multi", "sparse", "binary" or null. */
export function kindOf(vector) {
  if (Array.isArray(vector)) return Array.isArray(vector[0]) ? "multi" : "dense";
  if (vector && typeof vector === "object") return "bits" in vector ? "binary" : "indices" in vector ? "sparse" : null;
  return null;
}

/**
 * Rows of `dim` numbers, one for each vector. Several vectors are their mean; bits are 0 and 1; of sparse vectors the
 * [`SPARSE_DIMS`] most frequent dimensions count. `unit`: each row is made as long as 1, as the cosine sees it.
 */
export function rows(vectors, unit) {
  const kind = kindOf(vectors[0]);
  const made = kind === "sparse" ? fromSparse(vectors) : vectors.map(kind === "binary" ? fromBits : kind === "multi" ? mean : (v) => Float64Array.from(v));
  if (unit) made.forEach(normalize);
  return { rows: made, dim: made[0]?.length ?? 0 };
}

function mean(vectors) {
  const sum = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) vector.forEach((part, i) => (sum[i] += part / vectors.length));
  return sum;
}

/** Hexadecimal digits, the lowest bit of each byte first. */
function fromBits({ bits }) {
  return Float64Array.from({ length: bits.length * 4 }, (_none, bit) => {
    const byte = parseInt(bits.slice((bit >> 3) * 2, (bit >> 3) * 2 + 2), 16);
    return (byte >> (bit & 7)) & 1;
  });
}

function fromSparse(vectors) {
  const frequency = new Map();
  for (const { indices } of vectors) for (const index of indices) frequency.set(index, (frequency.get(index) ?? 0) + 1);
  const kept = [...frequency].sort((one, other) => other[1] - one[1]).slice(0, SPARSE_DIMS);
  const column = new Map(kept.map(([index], at) => [index, at]));
  return vectors.map(({ indices, values }) => {
    const row = new Float64Array(kept.length);
    indices.forEach((index, at) => column.has(index) && (row[column.get(index)] = values[at]));
    return row;
  });
}
