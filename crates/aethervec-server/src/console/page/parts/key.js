// The key that requests carry. It is kept for as long as the tab is open, and nowhere else.

import { el, field } from "./dom.js";

const PLACE = "aethervec-key";

let asking = null;

/** The key; null where none was given. */
export function key() {
  return sessionStorage.getItem(PLACE);
}

/** Forgets the key. */
export function forgetKey() {
  sessionStorage.removeItem(PLACE);
  window.dispatchEvent(new Event("key"));
}

/** Asks for a key, once for all requests that wait for one. Answers with it, or with null. */
export function askForKey(why) {
  asking ??= open(why).finally(() => (asking = null));
  return asking;
}

function open(why) {
  const input = el("input", { type: "password", class: "mono", autocomplete: "off", spellcheck: "false", required: true });
  const cancel = el("button", { type: "button", class: "button", onclick: () => dialog.close("") }, "Cancel");
  const form = el(
    "form",
    { class: "stack", method: "dialog" },
    el("h2", { id: "key-title" }, "This server asks who calls"),
    el("p", { class: "muted" }, why),
    field("API key or token", input, { hint: "It stays in this tab until you close it, and goes nowhere but to this server." }),
    el("div", { class: "row" }, el("button", { class: "button main" }, "Sign in"), cancel),
  );
  const dialog = el("dialog", { "aria-labelledby": "key-title" }, el("div", { class: "inside" }, form));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((answer) => {
    form.addEventListener("submit", () => {
      sessionStorage.setItem(PLACE, input.value.trim());
      window.dispatchEvent(new Event("key"));
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      answer(key());
    });
  });
}
