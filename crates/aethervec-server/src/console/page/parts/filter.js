// A field for a filter in its text form, which shows faults at their place.

import { inFilter } from "../lib/faults.js";
import { el, field } from "./dom.js";
import { misspelled } from "./notices.js";

/** `{element, value(), set(text), fine(), wrong(fault)}`; `wrong` answers whether the fault was about the filter. */
export function filterField({ value = "", name = "Filter" } = {}) {
  const input = el("input", {
    class: "mono",
    value,
    placeholder: 'lang = "en" and year >= 2020',
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  const place = el("div");
  const labelled = field(name, input, { wide: true });
  labelled.append(place);
  const fine = () => {
    input.removeAttribute("aria-invalid");
    place.replaceChildren();
  };
  input.addEventListener("input", fine);
  return {
    element: labelled,
    value: () => input.value.trim(),
    set: (text) => {
      input.value = text;
      fine();
    },
    fine,
    wrong: (fault) => {
      const shown = misspelled(fault);
      if (!shown) return false;
      const { line, column } = inFilter(fault.message);
      input.setAttribute("aria-invalid", "true");
      place.replaceChildren(shown);
      input.focus();
      const start = input.value.length - input.value.trimStart().length;
      if (line === 1) input.setSelectionRange(start + column - 1, input.value.length);
      return true;
    },
  };
}
