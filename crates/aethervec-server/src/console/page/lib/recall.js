// Recall as it is: the answers of approximate searches, compared with exact ones.

import { stringify } from "./json.js";

/** Neighbours that are compared for each document. */
const K = 10;

/**
 * The share of the `K` nearest neighbours that searches find which ask for nothing: `{recall, searches, k}`. Searches are
 * made for `sample` documents of the collection that `seed` draws; a document is no neighbour of its own.
 */
export async function measure(api, collection, using, { sample = 50, seed = Math.floor(Math.random() * 2 ** 31) } = {}) {
  const drawn = await api.ask(collection, "query", {
    query: { sample: { seed } },
    filter: { has_vector: using },
    limit: sample,
    with_payload: false,
    with_vectors: [using],
  });
  const hits = drawn.hits.filter((hit) => hit.vectors?.[using]);
  if (hits.length === 0) return { recall: NaN, searches: 0, k: K };
  const requests = (exact) => hits.map((hit) => ({ vector: hit.vectors[using], using, k: K + 1, exact, with_payload: false }));
  const [found, right] = await Promise.all([false, true].map((exact) => api.ask(collection, "search/batch", { requests: requests(exact) })));
  const shares = hits.map((hit, at) => share(others(found.results[at], hit), others(right.results[at], hit)));
  const known = shares.filter((one) => one !== null);
  return { recall: known.reduce((sum, one) => sum + one, 0) / known.length, searches: known.length, k: K };
}

function others({ hits }, own) {
  const ownId = stringify(own.id);
  return hits.map((hit) => stringify(hit.id)).filter((id) => id !== ownId).slice(0, K);
}

/** How much of `right` is in `found`; null where there is nothing to find. */
export function share(found, right) {
  const known = new Set(found);
  return right.length === 0 ? null : right.filter((id) => known.has(id)).length / right.length;
}
