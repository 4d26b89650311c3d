// Queries to begin with, for the editor of query trees.

import { survey } from "./fields.js";

/** [[name, query], …] for a collection with the vector field `using`, a document `id`, and `payloads` whose fields are used. */
export function templates(using, id, payloads) {
  const known = survey(payloads);
  const pathOf = (kind, otherwise) => known.find(({ kinds }) => kinds.has(kind))?.path ?? otherwise;
  const [number, text] = [pathOf("number", "year"), pathOf("string", "body")];
  const field = using ? { using } : {};
  const nearest = { nearest: { id } };
  return [
    ["Nearest to a document", { query: nearest, ...field, limit: 10, with_payload: true }],
    ["With a filter and a recall", { query: nearest, ...field, filter: `${number} >= 0`, effort: { recall: 0.98 }, limit: 10 }],
    [
      "Vectors and words, fused by rank",
      {
        prefetch: [
          { query: nearest, ...field, limit: 100 },
          { query: { text: { path: text, words: "some words" } }, limit: 100 },
        ],
        query: { rrf: {} },
        limit: 10,
      },
    ],
    ["Near, and unlike each other", { query: { mmr: { nearest: { id }, diversity: 0.5, candidates: 100 } }, ...field, limit: 10 }],
    ["Like some, unlike others", { query: { recommend: { positive: [{ id }], negative: [], strategy: "best_score" } }, ...field, limit: 10 }],
    [
      "Scored by a formula",
      {
        prefetch: [{ query: nearest, ...field, limit: 100 }],
        query: { formula: { expression: { sum: ["$score", { mult: [0.001, number] }] }, defaults: { [number]: 0 } } },
        limit: 10,
      },
    ],
    ["In the order of a field", { query: { order_by: { path: number, direction: "desc" } }, limit: 10 }],
    ["A random sample", { query: { sample: { seed: 7 } }, limit: 10 }],
  ];
}
