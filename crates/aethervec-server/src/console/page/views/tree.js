// Any query as JSON, with templates to begin with and faults shown at their place.

import { inBody } from "../lib/faults.js";
import { fault, offset, parse, stringify } from "../lib/json.js";
import { templates } from "../lib/templates.js";
import { curl } from "../parts/curl.js";
import { el, field, select, show } from "../parts/dom.js";
import { hitTable } from "../parts/hits.js";
import { busy, failed, misspelled } from "../parts/notices.js";

export async function tree(root, { api, name, fields }) {
  const { hits } = await api.ask(name, "query", { limit: 20, with_payload: true });
  const known = templates(fields[0], hits[0]?.id ?? 1, hits.map((hit) => hit.payload ?? {}));
  const editor = el("textarea", { rows: 16, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  const begin = select(known.map(([title], at) => [String(at), title]), "0", { onchange: () => put(known[Number(begin.value)][1]) });
  const run = el("button", { class: "button main" }, "Run");
  const place = el("div");
  const results = el("div", { class: "stack after" });
  const form = el(
    "form",
    { class: "card stack after" },
    el("div", { class: "row" }, field("Begin with", begin)),
    field("Query", editor, { hint: "Ctrl+Enter runs it. A filter may be JSON or text." }),
    place,
    el("div", { class: "row middle" }, run, el("button", { type: "button", class: "button", onclick: tidy }, "Tidy up"), el("a", { href: "docs" }, "What a query can be")),
  );
  show(root, form, results);
  put(known[0][1]);

  function put(query) {
    editor.value = stringify(query, 2);
    fine();
  }
  function tidy() {
    if (!wrong(fault(editor.value))) put(parse(editor.value));
  }
  function fine() {
    editor.removeAttribute("aria-invalid");
    show(place);
  }
  /** Shows a fault at its place; whether there is one. */
  function wrong(found) {
    if (!found) return false;
    const { line, column, message } = found;
    const source = editor.value.split("\n")[line - 1] ?? "";
    const mark = `${" ".repeat(Math.max(0, column - 1))}^`;
    editor.setAttribute("aria-invalid", "true");
    show(place, el("div", { class: "fault", role: "alert" }, el("b", {}, `Line ${line}, column ${column}: ${message}`), `\n${source}\n${mark}`));
    const at = offset(editor.value, found);
    editor.focus();
    editor.setSelectionRange(at, at);
    return true;
  }
  /** Shows what the server says is wrong with the text. */
  function refused(error) {
    const filter = misspelled(error);
    if (filter) show(place, filter);
    else if (wrong(inBody(error.message))) return show(results);
    show(results, filter ? null : failed(error));
  }

  editor.addEventListener("input", fine);
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    fine();
    if (wrong(fault(editor.value))) return;
    run.disabled = true;
    show(results, busy("Running …"));
    const began = performance.now();
    try {
      const { hits, next } = await api.ask(name, "query", editor.value);
      const took = (performance.now() - began) / 1000;
      const more = next && el("p", { class: "muted small" }, "There is more: the next page has the cursor ", el("code", {}, next), ".");
      show(results, hitTable(hits, { api, name, took }), more, curl(api.path(name, "query"), editor.value));
    } catch (error) {
      if (!api.signal.aborted) refused(error);
    }
    run.disabled = false;
  });
}
