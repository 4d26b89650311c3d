// The console as people see it: a real server, a real browser without a window.
//
// AETHERVEC names the command (target/debug/aethervec), CHROMIUM the browser (chromium).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { fill, guarded, HOSTILE, start } from "./server.mjs";

const COMMAND = process.env.AETHERVEC ?? fileURLToPath(new URL("../../../../target/debug/aethervec", import.meta.url));
const VIEWS = ["#/collections", "#/collections/passages/overview", "#/collections/passages/documents", "#/collections/passages/query?id=7", "#/collections/passages/map", "#/live"];

let server;
let browser;

before(async () => {
  server = await start(COMMAND);
  await fill(server);
  browser = await launch(process.env.CHROMIUM ?? "chromium");
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A page at `hash`, whose troubles fail the test that opened it. */
async function at(hash, options, address = server.address) {
  const page = await browser.page(options);
  await page.open(`${address}/console${hash}`);
  return page;
}

async function fine(page) {
  assert.deepEqual(page.troubles, []);
  assert.equal(await page.value("window.hacked"), undefined);
  await page.send("Page.close");
}

test("collections are shown with their health", async () => {
  const page = await at("");
  await page.says("passages");
  await page.says("300");
  await page.says("Aliases");
  await page.click("h2 a", "passages");
  await page.says("Vector fields");
  await page.click("button", "Measure recall");
  await page.until(`/nearest neighbours were found/.test(document.body.innerText)`);
  await fine(page);
});

test("documents are paged, ordered and filtered, and faults have a place", async () => {
  const page = await at("#/collections/passages/documents");
  await page.says("1–25 of 300 documents");
  await page.click("button", "Next");
  await page.says("26–50 of 300 documents");
  await page.click("button", "Previous");
  await page.says("1–25 of 300 documents");
  await page.value(`document.querySelector("input").focus()`);
  await page.type(`source = "books" and year >`);
  await page.press("Enter");
  await page.says("Line 1, column 28");
  assert.equal(await page.value(`document.querySelector("input").getAttribute("aria-invalid")`), "true");
  await page.type(" 2010");
  await page.until(`document.querySelector("input").value.endsWith("> 2010")`);
  await page.press("Enter");
  await page.says("that match");
  await page.value(`(() => { const order = document.querySelector("select[id^=control]"); order.value = "year"; order.dispatchEvent(new Event("change")); })()`);
  await page.until(`document.querySelector("tbody tr")?.innerText.includes("2011")`);
  await fine(page);
});

test("a document opens with its neighbours, which lead on", async () => {
  const page = await at("#/collections/passages/documents");
  await page.click("td button", "0");
  await page.until(`document.querySelectorAll("dialog .neighbours li").length === 8`);
  const first = await page.value(`document.querySelector("dialog h2").textContent`);
  await page.click("dialog .neighbours button");
  await page.until(`document.querySelector("dialog h2").textContent !== ${JSON.stringify(first)} && document.querySelector("dialog .neighbours li")`);
  await page.press("Escape");
  await page.until(`!document.querySelector("dialog")`);
  await fine(page);
});

test("what documents hold is never markup", async () => {
  const page = await at("#/collections/odd/documents");
  await page.says(HOSTILE.id);
  await page.says("window.hacked='value'");
  await page.click("td button", "<img");
  await page.until(`document.querySelector("dialog .neighbours li")`);
  await page.says("window.hacked='key'");
  assert.equal(await page.value(`[...document.querySelectorAll("main img, dialog img, main script")].length`), 0);
  await page.open(`${server.address}/console#/collections/odd/map`);
  await page.until(`document.querySelector(".legend button")`);
  await page.open(`${server.address}/console#/collections/${encodeURIComponent("<img src=x onerror=window.hacked='name'>")}/documents`);
  await page.says("window.hacked='name'");
  await fine(page);
});

test("markup from text is refused by the page's policy", async () => {
  const page = await at("");
  await page.says("passages");
  const refused = await page.value(`(() => { try { document.body.innerHTML = "<b>x</b>"; return "made"; } catch (error) { return error.name; } })()`);
  assert.equal(refused, "TypeError");
  const styled = await page.value(`new Promise((go) => { const script = document.createElement("script"); script.onload = () => go("loaded"); script.onerror = () => go("refused"); try { script.src = "data:text/javascript,1"; document.head.append(script); } catch { go("refused"); } })`);
  assert.equal(styled, "refused");
  await page.send("Page.close");
});

test("a search shows its hits and its plan", async () => {
  const page = await at("#/collections/passages/query?id=7");
  await page.until(`document.querySelectorAll(".hits tbody tr").length === 10`);
  await page.says("the example");
  await page.until(`document.querySelector(".steps li")`);
  await page.says("The same with curl");
  await page.click(".choice label", "Recall");
  await page.click(".choice label", "A pasted vector");
  await page.value(`(() => { document.querySelector("textarea").value = "1 2 three"; })()`);
  await page.click("button", "Search");
  await page.says(`Number 3 is "three"`);
  await page.value(`(() => { document.querySelector("textarea").value = "5,0,0,0,0,0,0,0"; })()`);
  await page.click("button", "Search");
  await page.until(`document.querySelectorAll(".hits tbody tr").length === 10`);
  await fine(page);
});

test("queries are written as JSON, and faults have a place", async () => {
  const page = await at("#/collections/passages/query");
  await page.click(".choice label", "Query as JSON");
  await page.until(`document.querySelector("textarea")?.value.includes("nearest")`);
  const run = async (text) => {
    await page.value(`(() => { document.querySelector("textarea").value = ${JSON.stringify(text)}; })()`);
    await page.click("button", "Run");
  };
  await run(`{"query": {"sample": {"seed": 1}}, "filter": "source = \\"films\\"", "limit": 4}`);
  await page.until(`document.querySelectorAll(".hits tbody tr").length === 4`);
  await run(`{\n  "limit" 4\n}`);
  await page.says("Line 2, column 11");
  await run(`{\n  "limits": 4\n}`);
  await page.says("unknown field `limits`");
  await page.says("Line 2, column");
  await run(`{"filter": "source = "}`);
  await page.says("expected a value");
  await fine(page);
});

test("the map is drawn, for every kind of field", async () => {
  const page = await at("#/collections/passages/map");
  await page.until(`document.querySelectorAll(".legend button").length === 3`);
  const painted = `(() => { const canvas = document.querySelector("canvas"); const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height); const seen = new Set(); for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 150) seen.add(data.slice(at, at + 3).join()); return seen.size; })()`;
  assert.ok((await page.value(painted)) >= 3);
  await page.value(`document.querySelector("canvas").focus()`);
  await page.press("ArrowRight");
  await page.until(`document.querySelector(".tip").innerText.includes("title")`);
  await page.press("Enter");
  await page.until(`document.querySelector("dialog .neighbours li")`);
  await fine(page);
  const odd = await at("#/collections/odd/map");
  for (const field of ["bits", "image", "tokens", "words"]) {
    await odd.until(`document.querySelector("main select")`);
    await odd.value(`(() => { const list = document.querySelector("main select"); { list.value = ${JSON.stringify(field)}; list.dispatchEvent(new Event("change")); } })()`);
    await odd.until(`document.querySelector("canvas")`);
  }
  await fine(odd);
});

test("figures are drawn as they come", async () => {
  const page = await at("#/live");
  await page.until(`document.querySelectorAll(".charts .chart").length >= 10`);
  await page.click("button", "Measure");
  await page.until(`/in \\d+ searches/.test(document.body.innerText)`);
  await page.click("summary", "All figures");
  await page.until(`document.querySelectorAll("details tbody tr").length > 0`);
  await page.click("button", "Pause");
  await fine(page);
});

test("every view fits a telephone, in both themes", async () => {
  for (const dark of [false, true]) {
    for (const hash of VIEWS) {
      const page = await at(hash, { width: 390, height: 844, dark });
      await page.until(`document.querySelector("main .card") && !document.querySelector("main .busy")`);
      assert.ok((await page.value("document.documentElement.scrollWidth")) <= 390, hash);
      assert.equal(await page.value("document.documentElement.dataset.theme"), dark ? "dark" : "light");
      const unnamed = `[...document.querySelectorAll("input, select, textarea")].filter((control) => !control.labels?.length && !control.getAttribute("aria-label")).length`;
      assert.equal(await page.value(unnamed), 0, `${hash}: controls without a name`);
      await fine(page);
    }
  }
});

test("the theme is switched, and remembered", async () => {
  const page = await at("");
  await page.click(".tools button", "☾");
  assert.equal(await page.value("document.documentElement.dataset.theme"), "dark");
  await page.open(`${server.address}/console?again`);
  await page.until(`document.documentElement.dataset.theme === "dark"`);
  await fine(page);
});

test("a tenant without collections says how to begin", async () => {
  await server.call("PUT", "/v1/tenants/acme");
  const page = await at("#/collections?tenant=acme");
  await page.says("No collections yet");
  await page.says("v1/tenants/acme/collections/notes");
  await fine(page);
});

test("a key is asked for when it is needed, and stays in the tab", async () => {
  const front = await guarded(server.address, "secret-7");
  const page = await at("", {}, front.address);
  await page.says("This server asks who calls");
  assert.deepEqual(front.let_in, []);
  await page.until(`document.activeElement?.type === "password"`);
  await page.type("wrong");
  await page.press("Enter");
  await page.until(`document.querySelector("dialog input")?.value === ""`);
  await page.type("secret-7");
  await page.press("Enter");
  await page.says("passages");
  assert.deepEqual(await page.value("[Object.values(sessionStorage), Object.keys(localStorage), document.cookie, location.href.includes('secret')]"), [["secret-7"], [], "", false]);
  await page.click("button", "Sign out");
  await page.says("This server asks who calls");
  assert.deepEqual(await page.value("Object.values(sessionStorage)"), []);
  await page.send("Page.close");
  await front.stop();
});
