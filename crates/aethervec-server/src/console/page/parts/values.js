// Values of payloads, readable: as a tree, and in one line.

import { label } from "../lib/fields.js";
import { stringify } from "../lib/json.js";
import { el } from "./dom.js";

const TEXT_MAX = 600;
const ELEMENTS_MAX = 50;

/** All of a payload. */
export function tree(value) {
  const entries = Object.entries(value ?? {});
  if (entries.length === 0) return el("p", { class: "muted" }, "No payload.");
  return el("dl", { class: "tree" }, entries.map(([key, inner]) => pair(key, inner)));
}

function pair(key, value) {
  const isObject = typeof value === "object" && value !== null;
  if (!isObject) return [el("dt", {}, key), el("dd", {}, scalar(value))];
  if (Array.isArray(value) && value.every((element) => typeof element !== "object" || element === null)) {
    return [el("dt", {}, key), el("dd", {}, list(value))];
  }
  const inner = Array.isArray(value) ? Object.fromEntries(value.slice(0, ELEMENTS_MAX).map((one, at) => [at, one])) : value;
  return [el("dt", {}, key), el("dd", { class: "muted" }, size(value)), el("dd", { class: "deep" }, tree(inner))];
}

function size(value) {
  return Array.isArray(value) ? `${value.length} elements` : `${Object.keys(value).length} fields`;
}

function list(values) {
  if (values.length === 0) return el("span", { class: "v-null" }, "[]");
  const shown = values.slice(0, ELEMENTS_MAX).map((value, at) => [at > 0 ? ", " : null, scalar(value)]);
  return [shown, values.length > ELEMENTS_MAX ? el("span", { class: "muted" }, ` … ${values.length - ELEMENTS_MAX} more`) : null];
}

function scalar(value) {
  if (typeof value === "string") return text(value);
  const kind = value === null ? "null" : typeof value === "boolean" ? "boolean" : "number";
  return el("span", { class: `v-${kind}` }, label(value));
}

function text(value) {
  if (value.length <= TEXT_MAX) return value;
  const rest = el("span", { hidden: true }, value.slice(TEXT_MAX));
  const more = el("button", { type: "button", class: "link", "aria-expanded": "false" }, ` … ${value.length - TEXT_MAX} more characters`);
  more.addEventListener("click", () => {
    rest.hidden = false;
    more.remove();
  });
  return el("span", {}, value.slice(0, TEXT_MAX), rest, more);
}

/** A value in a cell of a table. */
export function cell(value, chars = 140) {
  if (value === undefined) return el("span", { class: "muted" }, "–");
  if (typeof value === "object" && value !== null) return el("code", { class: "muted" }, cut(stringify(value), chars));
  return typeof value === "string" ? cut(value, chars) : scalar(value);
}

/** A payload in a line: its first fields. */
export function line(payload, fields = 6) {
  const entries = Object.entries(payload ?? {});
  if (entries.length === 0) return el("span", { class: "muted" }, "no payload");
  const shown = entries.slice(0, fields).map(([key, value], at) => [
    at > 0 ? " · " : null,
    el("span", { class: "inline-key" }, `${key} `),
    cell(value, 80),
  ]);
  return el("span", {}, shown, entries.length > fields ? el("span", { class: "muted" }, ` · ${entries.length - fields} more`) : null);
}

function cut(text, chars) {
  return text.length > chars ? `${text.slice(0, chars)}…` : text;
}
