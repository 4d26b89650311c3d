// How a search was answered: its steps in order, each with its share of the time.

import { count, percent, seconds } from "../lib/format.js";
import { el } from "./dom.js";

// The names of steps are the engine's; what they mean stands here.
const MEANINGS = {
  filter: "Which documents the filter allows",
  calibrate: "How hard to look for the recall that is asked for",
  few: "The few documents that are allowed, compared one by one",
  delta: "What is not in the index yet, compared exactly",
  graph: "The graph, walked towards the vector",
  buckets: "The nearest buckets, scanned",
  rows: "The exact vectors of the best candidates",
  look: "The documents of the hits",
  scan: "Everything, compared",
};

/** The explanation `{steps, hits, took_us}` as a card. */
export function plan(explained) {
  const head = el("div", { class: "card-head" }, el("h2", {}, "Plan"), el("span", { class: "muted end" }, `${seconds(explained.took_us / 1e6)} in the engine`));
  return el("section", { class: "card" }, head, stepList(explained));
}

/** Its steps. Each has a bar that begins and ends as it did within the whole. */
export function stepList({ steps, took_us: took }) {
  const end = Math.max(took, 1, ...steps.map(({ at_us: at = 0, took_us: own }) => at + own));
  const item = ({ name, detail, points, at_us: at = 0, took_us: own }) => {
    const bar = el("span");
    bar.style.marginLeft = `${(at / end) * 100}%`;
    bar.style.width = `${Math.max(0.5, (own / end) * 100)}%`;
    return el(
      "li",
      { class: "step" },
      el("div", { class: "spread" }, el("span", {}, el("strong", { class: "mono" }, name), MEANINGS[name] && el("span", { class: "muted" }, ` ${MEANINGS[name]}`)), el("span", { class: "mono nowrap" }, seconds(own / 1e6))),
      el("div", { class: "bar" }, bar),
      el("p", { class: "small" }, detail, detail && " ", el("span", { class: "muted" }, `→ ${count(points)} points, ${percent(took ? own / took : 0)} of the time`)),
    );
  };
  return el("ol", { class: "steps" }, steps.map(item));
}
