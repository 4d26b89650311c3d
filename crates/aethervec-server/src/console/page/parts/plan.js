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

/** The explanation `{steps, hits, took_us}`. */
export function plan({ steps, took_us: took }) {
  const longest = Math.max(1, ...steps.map((step) => step.took_us));
  const item = ({ name, detail, points, took_us: own }) => {
    const bar = el("span");
    bar.style.width = `${(own / longest) * 100}%`;
    return el(
      "li",
      { class: "step" },
      el("div", { class: "spread" }, el("span", {}, el("strong", { class: "mono" }, name), MEANINGS[name] && el("span", { class: "muted" }, ` ${MEANINGS[name]}`)), el("span", { class: "mono nowrap" }, seconds(own / 1e6))),
      el("div", { class: "bar" }, bar),
      el("p", { class: "small" }, detail, detail && " ", el("span", { class: "muted" }, `→ ${count(points)} points, ${percent(took ? own / took : 0)} of the time`)),
    );
  };
  return el(
    "section",
    { class: "card" },
    el("div", { class: "card-head" }, el("h2", {}, "Plan"), el("span", { class: "muted end" }, `${seconds(took / 1e6)} in the engine`)),
    el("ol", { class: "steps" }, steps.map(item)),
  );
}
