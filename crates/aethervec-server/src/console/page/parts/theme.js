// Light or dark: as the system says, until somebody chooses.

import { el } from "./dom.js";

const PLACE = "aethervec-theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** The theme that holds. */
export function theme() {
  return localStorage.getItem(PLACE) ?? (dark.matches ? "dark" : "light");
}

function apply() {
  document.documentElement.dataset.theme = theme();
  window.dispatchEvent(new Event("theme"));
}

/** Applies the theme from now on; the button that changes it. */
export function themeSwitch() {
  const button = el("button", { type: "button", class: "button bare" });
  const name = () => {
    const other = theme() === "dark" ? "light" : "dark";
    button.textContent = other === "dark" ? "☾" : "☀";
    button.setAttribute("aria-label", `Use the ${other} theme`);
    button.title = `Use the ${other} theme`;
  };
  button.addEventListener("click", () => {
    const other = theme() === "dark" ? "light" : "dark";
    // What the system says needs no memory.
    if ((other === "dark") === dark.matches) localStorage.removeItem(PLACE);
    else localStorage.setItem(PLACE, other);
    apply();
    name();
  });
  dark.addEventListener("change", () => {
    apply();
    name();
  });
  apply();
  name();
  return button;
}

/** The value of a colour of the theme: `colour("--accent")`. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
