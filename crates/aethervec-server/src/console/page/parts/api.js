// The API, asked as any client asks it. Addresses are relative to the page's.

import { Fault, fromAnswer } from "../lib/faults.js";
import { parse, stringify } from "../lib/json.js";
import { askForKey, key } from "./key.js";

/** A part of a path. */
const part = encodeURIComponent;

/** The way to the API for one tenant; "" is the one that the key is for, or the default one. */
export class Api {
  constructor(tenant, signal) {
    this.tenant = tenant;
    this.signal = signal;
    this.root = tenant ? `v1/tenants/${part(tenant)}` : "v1";
  }

  /** The path of a collection, and of what is under it. */
  path(collection, below = "") {
    return `${this.root}/collections/${part(collection)}${below && `/${below}`}`;
  }

  collections() {
    return this.get(`${this.root}/collections`).then((found) => found.collections);
  }

  aliases() {
    return this.get(`${this.root}/aliases`).then((found) => found.aliases);
  }

  tenants() {
    return this.get("v1/tenants").then((found) => found.tenants);
  }

  describe(collection) {
    return this.get(this.path(collection));
  }

  document(collection, idInPath) {
    return this.get(this.path(collection, `documents/${part(idInPath)}`));
  }

  /** POSTs `body` (a value, or JSON as somebody typed it) to a route of a collection. */
  ask(collection, route, body) {
    return this.post(this.path(collection, route), body);
  }

  async get(path) {
    return parse(await send("GET", path, undefined, this.signal));
  }

  async post(path, body) {
    return parse(await send("POST", path, typeof body === "string" ? body : stringify(body), this.signal));
  }

  /** The figures, as text. */
  metrics() {
    return send("GET", "metrics", undefined, this.signal);
  }

  health() {
    return this.get("health");
  }
}

async function send(method, path, body, signal, given = key()) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (given) headers.authorization = `Bearer ${given}`;
  let response;
  let text;
  try {
    response = await fetch(new URL(path, document.baseURI), { method, headers, body, signal, cache: "no-store", redirect: "error" });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Fault("unreachable", "No answer from the server.");
  }
  if (response.ok) return text;
  const fault = fromAnswer(response.status, text);
  if (response.status !== 401) throw fault;
  // Another request may have got a key in the meantime.
  const other = key() !== given ? key() : await askForKey(fault.message);
  if (!other || signal?.aborted) throw fault;
  return send(method, path, body, signal, other);
}
