// Colours for the values of a field: a few that are told apart by everybody, or a ramp for numbers.

import { at, label } from "./fields.js";

/** Told apart also by the colour-blind, on light and on dark ground. */
const CATEGORIES = ["#4477aa", "#ee7733", "#228833", "#cc3377", "#33a5cc", "#b39b1f", "#9966cc", "#a0522d"];
const OTHER = "#8a8f98";
/** From low to high. */
const RAMP = ["#3b4cc0", "#5f86d8", "#3fa39a", "#8cb43c", "#e8b32a"];

/** Values of a category that get a colour of their own. */
export const CATEGORIES_MAX = CATEGORIES.length;

/**
 * How documents with `payloads` are coloured by the field at `path`:
 * `{kind: "none"}`, `{kind: "categories", of: [colour], entries: [{name, colour, count, group}], groups: [group]}` or
 * `{kind: "ramp", of: [colour], low, high, stops}`. `of` and `groups` have an entry for each payload.
 */
export function colourBy(payloads, path) {
  if (!path) return { kind: "none", of: payloads.map(() => null), groups: payloads.map(() => 0) };
  const values = payloads.map((payload) => at(payload, path));
  const numbers = values.filter((value) => typeof value === "number" && Number.isFinite(value));
  const distinct = new Set(numbers).size;
  const isScale = distinct > CATEGORIES_MAX && numbers.length >= values.filter((value) => value !== undefined).length * 0.9;
  return isScale ? scale(values, numbers) : categories(values);
}

function scale(values, numbers) {
  const sorted = numbers.toSorted((one, other) => one - other);
  // A few outliers must not make all others look the same.
  const low = sorted[Math.floor(sorted.length * 0.02)];
  const high = sorted[Math.ceil(sorted.length * 0.98) - 1];
  const of = values.map((value) => (typeof value === "number" ? ramp((value - low) / (high - low || 1)) : OTHER));
  return { kind: "ramp", of, groups: values.map(() => 0), low, high, stops: RAMP };
}

function categories(values) {
  const counts = new Map();
  for (const value of values) counts.set(label(value), (counts.get(label(value)) ?? 0) + 1);
  const sorted = [...counts].sort(([one, many], [other, more]) => more - many || one.localeCompare(other));
  const named = sorted.slice(0, sorted.length > CATEGORIES_MAX ? CATEGORIES_MAX - 1 : CATEGORIES_MAX);
  const entries = named.map(([name, count], group) => ({ name, count, group, colour: CATEGORIES[group] }));
  const rest = sorted.slice(named.length);
  if (rest.length > 0) {
    const count = rest.reduce((sum, [, one]) => sum + one, 0);
    entries.push({ name: `${rest.length} other values`, count, group: entries.length, colour: OTHER });
  }
  const groupOf = new Map(named.map(([name], group) => [name, group]));
  const groups = values.map((value) => groupOf.get(label(value)) ?? named.length);
  return { kind: "categories", of: groups.map((group) => entries[group].colour), groups, entries };
}

/** The colour at `share` of the ramp, 0 to 1; beyond them, the ends. */
export function ramp(share) {
  const place = Math.min(1, Math.max(0, share)) * (RAMP.length - 1);
  const from = Math.min(Math.floor(place), RAMP.length - 2);
  const part = place - from;
  const mix = (channel) => Math.round(hex(RAMP[from], channel) * (1 - part) + hex(RAMP[from + 1], channel) * part);
  return `rgb(${mix(0)} ${mix(1)} ${mix(2)})`;
}

function hex(colour, channel) {
  return parseInt(colour.slice(1 + channel * 2, 3 + channel * 2), 16);
}
