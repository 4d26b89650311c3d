// A tenant's database as a whole: what it takes on disk and in memory, what is open in it. From the server's figures, where
// it has them and they may be read.

import { bytes, count } from "../lib/format.js";
import { parse, sum } from "../lib/prometheus.js";
import { el, nodes } from "./dom.js";

/** A card with its facts; null where nothing is known. */
export async function databaseFacts(api) {
  const scrape = await api.metrics().then((text) => parse(text, 0), () => null);
  if (!scrape) return null;
  // Who names no tenant is nearly always at the default one.
  const tenant = api.tenant || "default";
  const figure = (name, more) => sum(scrape, `vector_db_${name}`, { tenant, ...more });
  const facts = nodes([
    fact("On disk", figure("storage_bytes", { tier: "warm" }), bytes),
    fact("In memory", figure("storage_bytes", { tier: "hot" }), bytes),
    fact("Commits", figure("storage_commits"), count, "since it was opened"),
    fact("Open transactions", figure("transactions_open"), count),
    fact("Held snapshots", figure("snapshots_open"), count),
    fact("Disk free", sum(scrape, "vector_db_data_dir_free_bytes"), bytes),
  ]);
  const isKnown = figure("storage_bytes") !== null;
  return isKnown ? el("section", { class: "card" }, el("dl", { class: "facts" }, facts)) : null;
}

function fact(title, value, format, small = null) {
  if (value === null) return null;
  return el("div", {}, el("dt", {}, title), el("dd", {}, format(value), small && el("small", {}, ` ${small}`)));
}
