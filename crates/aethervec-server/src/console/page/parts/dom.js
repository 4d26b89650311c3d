// Elements. Whatever comes from the server becomes text nodes and values of attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "selected", "open", "tabIndex", "htmlFor"]);

/**
 * An element. `attributes`: `onclick: function` listens, the names in PROPERTIES are properties, null and false are left
 * out, everything else is an attribute. Children are elements, texts, numbers; null is left out, lists are opened up.
 */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

/** What `append` takes of children. */
export function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Puts `children` in place of what is in `parent`. */
export function show(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

let labels = 0;

/** A labelled control: `control` gets an id for the label to name. */
export function field(name, control, { wide = false, half = false, hint = null } = {}) {
  labels += 1;
  control.id ||= `control-${labels}`;
  const hintElement = hint && el("span", { class: "hint", id: `${control.id}-hint` }, hint);
  if (hintElement) control.setAttribute("aria-describedby", hintElement.id);
  const kind = `field${wide ? " wide" : ""}${half ? " half" : ""}`;
  return el("div", { class: kind }, el("label", { class: "name", for: control.id }, name), control, hintElement);
}

/** A check box with its label. */
export function check(name, box) {
  return el("label", { class: "check" }, box, name);
}

/** Few choices of which one holds: [[value, name], …]. `chosen` is told the value. */
export function choice(legend, options, value, chosen) {
  labels += 1;
  const group = `choice-${labels}`;
  const option = ([own, name]) =>
    el("label", {}, el("input", { type: "radio", name: group, value: own, checked: own === value, onchange: () => chosen(own) }), name);
  return el("fieldset", { class: "field" }, el("legend", {}, legend), el("div", { class: "choice" }, options.map(option)));
}

/** A list to select from: [[value, name], …]. */
export function select(options, value, attributes = {}) {
  const option = ([own, name]) => el("option", { value: own, selected: own === value }, name);
  return el("select", attributes, options.map(option));
}

/** Says `text` to who cannot see the page. */
export function say(text) {
  document.getElementById("status").textContent = text;
}
