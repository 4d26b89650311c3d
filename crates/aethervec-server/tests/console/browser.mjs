// Chromium without a window, driven through a pipe by its DevTools protocol: nothing to install but the browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Starts the browser called `program`. */
export async function launch(program) {
  const folder = mkdtempSync(join(tmpdir(), "aethervec-console-"));
  const flags = [
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--hide-scrollbars", `--user-data-dir=${folder}`, "about:blank",
  ];
  // The protocol's messages go in by the fourth file and come out of the fifth.
  const child = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  await once(child, "spawn");
  return new Browser(child, folder);
}

class Browser {
  #child;
  #folder;
  #number = 0;
  #waiting = new Map();
  #listeners = new Set();
  #rest = "";

  constructor(child, folder) {
    this.#child = child;
    this.#folder = folder;
    child.stdio[4].setEncoding("utf8").on("data", (text) => this.#read(text));
    child.once("exit", () => {
      for (const { refuse } of this.#waiting.values()) refuse(new Error("the browser has ended"));
    });
  }

  #read(text) {
    const messages = (this.#rest + text).split("\0");
    this.#rest = messages.pop();
    for (const message of messages.map((one) => JSON.parse(one))) {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (waiting && message.error) waiting.refuse(new Error(`${waiting.method}: ${message.error.message}`));
      else if (waiting) waiting.answer(message.result);
      else for (const listener of this.#listeners) listener(message);
    }
  }

  /** Sends a command of the protocol; its result. */
  send(method, params = {}, sessionId = undefined) {
    this.#number += 1;
    const id = this.#number;
    this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((answer, refuse) => this.#waiting.set(id, { answer, refuse, method }));
  }

  /** A new page, `width` by `height`. */
  async page({ width = 1280, height = 860, dark = false } = {}) {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page((method, params) => this.send(method, params, sessionId));
    this.#listeners.add((message) => message.sessionId === sessionId && page.heard(message));
    await Promise.all(["Page", "Runtime", "Log", "Network"].map((domain) => page.send(`${domain}.enable`)));
    await page.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    return page;
  }

  /** Ends it. */
  async close() {
    const ended = once(this.#child, "exit");
    await this.send("Browser.close").catch(() => {});
    await ended;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Page {
  /** What went wrong on the page: exceptions, violations of its policy, failed loads. */
  troubles = [];

  constructor(send) {
    this.send = send;
  }

  heard({ method, params }) {
    if (method === "Runtime.exceptionThrown") {
      const { exceptionDetails: { text, exception } } = params;
      this.troubles.push(exception?.description ?? text);
    }
    // Answers with a status of errors are in the log, too, and are what some tests want.
    if (method === "Log.entryAdded" && params.entry.level === "error" && params.entry.source !== "network") this.troubles.push(params.entry.text);
  }

  /** Goes to an address, and waits until it is loaded. */
  async open(address) {
    await this.send("Page.navigate", { url: address });
    await this.until(`document.readyState === "complete" && location.href !== "about:blank"`);
  }

  /** The value of an expression on the page; promises are awaited. */
  async value(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** Waits until an expression is true on the page; fails with what is to be seen when that takes too long. */
  async until(expression, seconds = 30) {
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
      const holds = await this.value(`Boolean(${expression})`).catch(() => false);
      if (holds) return;
      await new Promise((go) => setTimeout(go, 50));
    }
    const seen = await this.value("document.body?.innerText.slice(0, 2000)").catch(() => "nothing");
    throw new Error(`not within ${seconds} s: ${expression}\nThe page says:\n${seen}\nTroubles: ${this.troubles.join("\n")}`);
  }

  /** Waits until the page says `text`. */
  says(text) {
    return this.until(`document.body.innerText.includes(${JSON.stringify(text)})`);
  }

  /** Presses a key, as people do. */
  async press(key) {
    const known = { Enter: { windowsVirtualKeyCode: 13, text: "\r" }, Tab: { windowsVirtualKeyCode: 9 }, Escape: { windowsVirtualKeyCode: 27 }, ArrowRight: { windowsVirtualKeyCode: 39 } };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", key, code: key, ...known[key] });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", key, code: key, ...known[key] });
  }

  /** Types a text into what has the focus. */
  type(text) {
    return this.send("Input.insertText", { text });
  }

  /** Clicks the first element that `selector` and, if given, a part of its text name. */
  async click(selector, text = "") {
    const found = `[...document.querySelectorAll(${JSON.stringify(selector)})].find((one) => one.textContent.includes(${JSON.stringify(text)}))`;
    await this.until(found);
    await this.value(`${found}.click()`);
  }

  /** A picture of the page as PNG; of all of it, or of what is in sight. */
  async picture(all = false) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: all });
    return Buffer.from(data, "base64");
  }
}
