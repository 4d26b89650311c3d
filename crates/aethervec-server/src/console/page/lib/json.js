// JSON in which no integer loses digits: those that a number cannot hold (ids have up to 64 bits) are BigInts here.

const LONG_INTEGER = /[[:,\s]-?\d{16,}\s*[,\]}]/;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Stands before the digits of a BigInt where JSON has a string: no text begins like this by chance. */
const MARK = `integer ${Math.random().toString(36).slice(2)} `;

/** What `text` spells. Looks at each number only where a long one is in sight, so that vectors are read fast. */
export function parse(text) {
  if (!LONG_INTEGER.test(text)) return JSON.parse(text);
  const marked = text.replace(TOKEN, (token) => (isLong(token) ? `"${MARK}${token}"` : token));
  return JSON.parse(marked, (_key, value) => (isMarked(value) ? BigInt(value.slice(MARK.length)) : value));
}

function isLong(token) {
  return /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token));
}

function isMarked(value) {
  return typeof value === "string" && value.startsWith(MARK);
}

/** `value` as JSON; BigInts as the numbers that they are. */
export function stringify(value, indent) {
  const marked = JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? `${MARK}${part}` : part), indent);
  return marked.replaceAll(new RegExp(`"${MARK}(-?\\d+)"`, "g"), "$1");
}

/**
 * Where `text` stops being JSON: `{line, column, message}`, both from 1; null where it is JSON.
 * Browsers say it in words of their own, so the place is found by reading.
 */
export function fault(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const message = error.message.replace(/^JSON\.parse: /, "").replace(/\s*(in JSON )?at (position|line) .*$/s, "");
    const said = /line (\d+) column (\d+)/.exec(error.message);
    if (said) return { line: Number(said[1]), column: Number(said[2]), message };
    const position = /position (\d+)/.exec(error.message);
    return { ...place(text, position ? Number(position[1]) : text.length), message };
  }
}

/** Line and column, from 1, of an offset in `text`. */
export function place(text, offset) {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

/** The offset in `text` of a line and a column, both from 1. */
export function offset(text, { line, column }) {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  return Math.min(before + column - 1, text.length);
}
