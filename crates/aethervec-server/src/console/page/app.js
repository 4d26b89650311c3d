// The frame: where one is, for which tenant, with which key; and the view of that place in `main`.

import { Api } from "./parts/api.js";
import { el, nodes, select, show } from "./parts/dom.js";
import { forgetKey, key } from "./parts/key.js";
import { failed } from "./parts/notices.js";
import { link, read } from "./parts/route.js";
import { themeSwitch } from "./parts/theme.js";
import { collection } from "./views/collection.js";
import { collections } from "./views/collections.js";
import { documents } from "./views/documents.js";
import { live } from "./views/live.js";
import { map } from "./views/map.js";
import { query } from "./views/query.js";

// A view is a function of `{root, api, route, name}`: it fills `root`, and listens to `api.signal` for its end.
const OF_A_COLLECTION = [
  ["overview", "Overview", collection],
  ["documents", "Documents", documents],
  ["query", "Query", query],
  ["map", "Map", map],
];
const MAIN = [
  ["collections", "Collections"],
  ["live", "Live"],
];

const main = document.getElementById("main");
const tenantPlace = el("span");
const keyPlace = el("span");
let ending = new AbortController();
let shownTenant;

/** Shows what the address says. */
function navigate() {
  ending.abort();
  ending = new AbortController();
  const route = read();
  const api = new Api(route.tenant, ending.signal);
  const place = route.path[0] ?? "collections";
  navigation(place, route.tenant);
  tenants(route, api);
  const root = el("div");
  show(main, title(route), root);
  const view = viewOf(route);
  document.title = `${nodes([route.path[1], place === "live" ? "Live" : null]).join(" ") || "Collections"} · AetherVec`;
  guard(root, () => view({ root, api, route, name: route.path[1] }));
  main.querySelector("h1")?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function viewOf({ path }) {
  if (path[0] === "live") return live;
  if (path[0] === "collections" && path.length > 1) {
    return (OF_A_COLLECTION.find(([id]) => id === path[2]) ?? OF_A_COLLECTION[0])[2];
  }
  return collections;
}

/** Shows what goes wrong in `work`. */
async function guard(root, work) {
  const { signal } = ending;
  try {
    await work();
  } catch (fault) {
    if (!signal.aborted) show(root, failed(fault, navigate));
  }
}

function title({ path, tenant }) {
  if (path[0] === "live") return el("div", { class: "head" }, el("h1", { tabIndex: -1 }, "Live"));
  if (path[0] !== "collections" || path.length < 2) return el("div", { class: "head" }, el("h1", { tabIndex: -1 }, "Collections"));
  const name = path[1];
  const now = OF_A_COLLECTION.find(([id]) => id === path[2])?.[0] ?? OF_A_COLLECTION[0][0];
  const tab = ([id, text]) => el("a", { href: link(["collections", name, id], { tenant }), "aria-current": id === now ? "page" : null }, text);
  return [
    el("div", { class: "head" }, el("h1", { tabIndex: -1 }, name)),
    el("nav", { class: "tabs", "aria-label": `Collection ${name}` }, OF_A_COLLECTION.map(tab)),
  ];
}

function navigation(place, tenant) {
  const item = ([id, text]) => el("a", { href: link([id], { tenant }), "aria-current": id === place ? "page" : null }, text);
  show(document.getElementById("nav"), MAIN.map(item));
}

/** The choice of a tenant. Who may not list them types a name. */
async function tenants(route, api) {
  if (shownTenant === route.tenant) return;
  shownTenant = route.tenant;
  const go = (tenant) => (location.hash = link([route.path[0] === "live" ? "live" : "collections"], { tenant }));
  const none = [["", "of the key"]];
  try {
    const names = await api.tenants();
    const known = names.includes(route.tenant) || route.tenant === "" ? names : [...names, route.tenant];
    const options = known.map((name) => [name === "default" ? "" : name, name]);
    const list = select(options.length ? options : none, route.tenant, { onchange: () => go(list.value) });
    show(tenantPlace, el("label", {}, "Tenant", list));
  } catch {
    const input = el("input", { value: route.tenant, placeholder: "of the key", size: 12, onchange: () => go(input.value.trim()) });
    show(tenantPlace, el("label", {}, "Tenant", input));
  }
}

function keyState() {
  const button = el("button", { type: "button", class: "button small", onclick: forgetKey }, "Sign out");
  show(keyPlace, key() ? button : null);
}

async function version() {
  const { version } = await new Api("").health();
  document.getElementById("version").textContent = `AetherVec ${version}`;
}

show(document.getElementById("tools"), tenantPlace, keyPlace, themeSwitch());
window.addEventListener("hashchange", navigate);
window.addEventListener("key", () => {
  keyState();
  shownTenant = undefined;
  if (!key()) navigate();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
keyState();
navigate();
version().catch(() => {});
