// What payloads have in common: their fields, and what the values are.

const DEPTH_MAX = 3;

/** The value at a path of keys joined by dots; undefined where there is none. */
export function at(payload, path) {
  let value = payload;
  for (const key of keys(path)) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

/** A path as the API spells it: a key with other signs than letters, digits, _ and - is in quotes. */
export function join(keys) {
  return keys.map((key) => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key))).join(".");
}

/** The keys of a path that `join` has made. */
export function keys(path) {
  const found = path.match(/"(?:[^"\\]|\\.)*"|[^.]+/g) ?? [];
  return found.map((key) => (key.startsWith('"') ? JSON.parse(key) : key));
}

/** The paths of scalars in `payloads`, the most frequent first: [{path, count, kinds: Set, values: Set}]. */
export function survey(payloads) {
  const paths = new Map();
  for (const payload of payloads) visit(payload, [], paths);
  return [...paths.values()].sort((one, other) => other.count - one.count);
}

function visit(value, path, paths) {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    if (path.length < DEPTH_MAX) {
      for (const [key, inner] of Object.entries(value)) visit(inner, [...path, key], paths);
    }
    return;
  }
  const text = join(path);
  if (!paths.has(text)) paths.set(text, { path: text, count: 0, kinds: new Set(), values: new Set() });
  const found = paths.get(text);
  found.count += 1;
  found.kinds.add(Array.isArray(value) ? "array" : typeof value);
  if (found.values.size < 1000) found.values.add(label(value));
}

/** A value as a category. */
export function label(value) {
  if (value === undefined) return "(none)";
  if (typeof value === "string") return value;
  if (typeof value === "bigint") return value.toString();
  return JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? part.toString() : part));
}
