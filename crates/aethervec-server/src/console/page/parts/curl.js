// A request of this page as a command, to be made from anywhere.

import { stringify } from "../lib/json.js";
import { el } from "./dom.js";
import { key } from "./key.js";
import { copyButton } from "./notices.js";

const SHOWN_CHARS = 400;

/** The command that POSTs `body` (a value, or JSON) to `path`. The key is not in it. */
export function curl(path, body) {
  const address = new URL(path, document.baseURI).href;
  const json = typeof body === "string" ? body : stringify(body);
  const authorization = key() ? ' -H "authorization: Bearer $KEY"' : "";
  const command = `curl '${address}'${authorization} -H 'content-type: application/json' -d '${json.replaceAll("'", "'\\''")}'`;
  const shown = command.length > SHOWN_CHARS ? `${command.slice(0, SHOWN_CHARS)} …` : command;
  const inside = el("div", { class: "command" }, el("pre", { tabindex: 0 }, shown), copyButton(() => command));
  return el("details", { class: "card" }, el("summary", {}, "The same with curl"), inside);
}
