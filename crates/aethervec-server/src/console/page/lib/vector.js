// Vectors that somebody pastes.

/**
 * The vector that `text` spells, as the API takes it: JSON of any kind of vector, or numbers with commas, blanks or
 * lines between them. Throws an error that says which number is none.
 */
export function fromText(text) {
  const typed = text.trim();
  if (typed === "") throw new Error("Paste a vector: numbers, or the JSON of a sparse or binary one.");
  if (typed.startsWith("{") || typed.startsWith("[[")) {
    try {
      return JSON.parse(typed);
    } catch (error) {
      throw new Error(`This is not JSON: ${error.message}`);
    }
  }
  const parts = typed.replace(/^\[|\]$/g, "").split(/[\s,;]+/).filter(Boolean);
  return parts.map((part, at) => {
    const number = Number(part);
    if (!Number.isFinite(number)) throw new Error(`Number ${at + 1} is ${JSON.stringify(part.slice(0, 40))}, which is none.`);
    return number;
  });
}
