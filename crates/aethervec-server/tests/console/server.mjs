// A server to look at: `aethervec serve` in a folder of its own, with documents that a page can go wrong about.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Starts `program serve`: `{address, call, stop}`. */
export async function start(program) {
  const folder = mkdtempSync(join(tmpdir(), "aethervec-console-"));
  const settings = ["http_port=0", "grpc_port=null", "qdrant_http_port=null", "qdrant_grpc_port=null", "metrics_port=null", "log_filter=warn"];
  const child = spawn(program, ["serve", "--data-dir", folder, ...settings.flatMap((one) => ["--set", one])], { stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise((found, failed) => {
    let said = "";
    child.once("error", () => failed(new Error(`${program} cannot be started: build it with cargo build, or name it in AETHERVEC`)));
    child.once("exit", (code) => failed(new Error(`${program} ended with ${code}: ${said}`)));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      const line = /rest\s+(http:\S+)\n/.exec(said);
      if (line) found(line[1]);
    });
  });
  const stop = async () => {
    child.removeAllListeners("exit");
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { address, call: (...what) => call(address, ...what), stop };
}

async function call(address, method, path, body) {
  const response = await fetch(address + path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** What attackers and accidents put into documents. Scripts that run say so in `window.hacked`. */
export const HOSTILE = {
  id: "<img src=x onerror=window.hacked='id'>",
  key: "<img src=x onerror=window.hacked='key'>",
  value: "<img src=x onerror=window.hacked='value'><script>window.hacked='script'</script>",
};

/** Puts two collections in: `passages` of clusters with a filterable payload, and `odd` with named fields and HOSTILE. */
export async function fill(server) {
  await server.call("PUT", "/v1/collections/passages", { dim: 8, metric: "l2" });
  await server.call("POST", "/v1/collections/passages/indexes", { path: "year", kind: "integer" });
  const documents = Array.from({ length: 300 }, (_none, at) => ({
    id: at,
    vector: Array.from({ length: 8 }, (_zero, i) => (i === at % 3 ? 5 : 0) + Math.sin(at * (i + 1))),
    payload: { source: ["books", "films", "songs"][at % 3], year: 2000 + (at % 25), title: `Number ${at}` },
  }));
  await server.call("POST", "/v1/collections/passages/documents", { documents });
  await server.call("POST", "/v1/aliases", { changes: [{ set: { alias: "current", collection: "passages" } }] });
  const fields = { image: { kind: "dense", dim: 2 }, words: { kind: "sparse" }, bits: { kind: "binary", bits: 8 }, tokens: { kind: "multi", dim: 2 } };
  await server.call("PUT", "/v1/collections/odd", { fields });
  const vectors = { image: [1, 0.5], words: { indices: [3, 17], values: [0.5, 1] }, bits: { bits: "a0" }, tokens: [[1, 0], [0, 1]] };
  const others = Array.from({ length: 20 }, (_none, at) => ({ id: `other ${at}`, vectors: { ...vectors, image: [1, at] }, payload: { group: `g${at % 2}` } }));
  const hostile = { id: HOSTILE.id, vectors, payload: { [HOSTILE.key]: HOSTILE.value, group: HOSTILE.value, deep: { list: [HOSTILE.value, { inner: HOSTILE.value }] } } };
  await server.call("POST", "/v1/collections/odd/documents", { documents: [hostile, ...others] });
}

/** A server in front of `address` that answers 401 to everything but the page, unless `key` is given. It notes who was let in. */
export async function guarded(address, key) {
  const let_in = [];
  const front = http.createServer((request, response) => {
    const isPage = request.url.startsWith("/console");
    if (!isPage && request.headers.authorization !== `Bearer ${key}`) {
      request.resume();
      response.writeHead(401, { "content-type": "application/json" });
      return response.end(JSON.stringify({ error: { kind: "unauthenticated", message: "a key is needed" } }));
    }
    if (!isPage) let_in.push(request.url);
    const onward = http.request(address + request.url, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.once("error", () => response.destroy());
    return request.pipe(onward);
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  const stop = async () => {
    front.closeAllConnections();
    front.close();
    await once(front, "close");
  };
  return { address: `http://127.0.0.1:${front.address().port}`, let_in, stop };
}
