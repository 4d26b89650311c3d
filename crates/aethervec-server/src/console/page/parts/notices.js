// What is said instead of content: that it comes, that there is none yet, that it failed and what can be done.

import { inFilter } from "../lib/faults.js";
import { el } from "./dom.js";

/** It comes. */
export function busy(text = "Loading …") {
  return el("p", { class: "busy", role: "status" }, text);
}

/** It failed. `again` is tried when somebody wants to. */
export function failed(fault, again = null) {
  const retry = again && el("button", { type: "button", class: "button small", onclick: again }, "Try again");
  return el(
    "div",
    { class: "notice bad", role: "alert" },
    el("p", { class: "what" }, fault.message),
    fault.remedy && el("p", { class: "muted" }, fault.remedy, fault.requestId && el("span", { class: "small" }, " In the log it is request ", el("code", {}, fault.requestId), ".")),
    retry && el("p", {}, retry),
  );
}

/** There is none yet; `command` makes some. */
export function empty(title, text, command = null) {
  return el("div", { class: "empty" }, el("h2", {}, title), el("p", {}, text), command && commandLine(command));
}

/** A command to copy. */
export function commandLine(text) {
  return el("div", { class: "command" }, el("pre", { tabindex: 0 }, text), copyButton(() => text));
}

/** A button that copies what `text` answers. */
export function copyButton(text, name = "Copy") {
  const button = el("button", { type: "button", class: "button small" }, name);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      // Pages that did not come over TLS may not.
      button.textContent = "Select and copy it";
    }
    setTimeout(() => (button.textContent = name), 1500);
  });
  return button;
}

/** A fault in a text that somebody typed, with its place; null where `fault` is about something else. */
export function misspelled(fault) {
  const found = inFilter(fault.message);
  if (!found) return null;
  return el(
    "div",
    { class: "fault", role: "alert" },
    el("b", {}, `Line ${found.line}, column ${found.column}: ${found.message}`),
    found.shown && `\n${found.shown}`,
  );
}
